/*
 * The calls of the API, their parameters, bodies and answers. Made from its OpenAPI document by `npm run api-types`;
 * what each means is told there, at /docs. Refusals all have the form of Problem.
 */
/* eslint-disable @typescript-eslint/no-redundant-type-constituents */
export interface paths {
  "/instances": {
    post: operations["createInstance"];
  };
  "/instances/{id}": {
    get: operations["readInstance"];
    delete: operations["endInstance"];
    patch: operations["changeLease"];
  };
  "/instances/{id}/console": {
    post: operations["runCommand"];
  };
  "/instances/{id}/figures": {
    post: operations["readFigures"];
  };
  "/stats": {
    get: operations["readStats"];
  };
  "/healthz": {
    get: operations["readHealth"];
  };
  "/readyz": {
    get: operations["readReadiness"];
  };
  "/metrics": {
    get: operations["readMetrics"];
  };
  "/ops/api/session": {
    get: operations["readSession"];
    post: operations["logIn"];
    delete: operations["logOut"];
  };
  "/ops/api/hosts": {
    get: operations["listHosts"];
  };
  "/ops/api/hosts/{name}": {
    delete: operations["destroyHost"];
    patch: operations["changeHost"];
  };
  "/ops/api/droplets": {
    get: operations["listDroplets"];
  };
  "/ops/api/edge": {
    get: operations["readEdge"];
  };
  "/ops/api/gateways": {
    get: operations["listGateways"];
  };
  "/ops/api/instances/{id}/trace": {
    get: operations["traceInstance"];
  };
  "/ops/api/instances": {
    get: operations["listInstances"];
  };
  "/ops/api/instances/{id}": {
    get: operations["readAnyInstance"];
    delete: operations["endAnyInstance"];
    patch: operations["changeAnyLease"];
  };
  "/ops/api/events": {
    get: operations["listEvents"];
  };
  "/ops/api/jobs": {
    get: operations["listJobs"];
  };
  "/ops/api/jobs/{job}/run": {
    post: operations["runJob"];
  };
  "/ops/api/switches": {
    get: operations["listSwitches"];
  };
  "/ops/api/switches/{name}": {
    patch: operations["setSwitch"];
  };
  "/ops/api/blocks": {
    get: operations["listBlocks"];
    post: operations["addBlock"];
    delete: operations["removeBlock"];
  };
  "/ops/api/blocks/preview": {
    get: operations["previewBlock"];
  };
  "/ops/api/ports": {
    get: operations["listPorts"];
  };
  "/ops/api/hosts/{name}/ports/{port}": {
    put: operations["mapPort"];
    delete: operations["unmapPort"];
    patch: operations["changePort"];
  };
  "/ops/api/workloads": {
    get: operations["listWorkloads"];
  };
  "/ops/api/hosts/{name}/workloads/{workload}": {
    put: operations["runWorkload"];
    delete: operations["removeWorkload"];
    patch: operations["changeWorkload"];
  };
  "/ops/api/figures": {
    get: operations["readFleetFigures"];
  };
  "/ops/api/operators": {
    get: operations["listOperators"];
    post: operations["createOperator"];
  };
  "/ops/api/operators/{name}": {
    delete: operations["revokeOperator"];
    patch: operations["changeOperator"];
  };
  "/ops/api/notifications": {
    get: operations["readNotifications"];
  };
  "/ops/api/notifications/test": {
    post: operations["testNotification"];
  };
  "/ops/api/services": {
    get: operations["listServices"];
    post: operations["declareService"];
  };
  "/ops/api/services/{name}": {
    delete: operations["removeService"];
    patch: operations["changeService"];
  };
  "/ops/api/services/{name}/members/{address}": {
    put: operations["putMember"];
    delete: operations["removeMember"];
  };
  "/ops/api/announcers": {
    get: operations["listAnnouncers"];
    post: operations["addAnnouncer"];
  };
  "/ops/api/announcements": {
    get: operations["listAnnouncements"];
  };
  "/ops/api/announcers/{name}": {
    delete: operations["removeAnnouncer"];
  };
  "/ops/api/stream": {
    get: operations["followFleet"];
  };
}
export type webhooks = Record<string, never>;
export interface components {
  schemas: {
    Announcements: {
      hosts: {
        host: string;
        applications: {
          name: string;
          listenPort: number;
          protocol: string;
          domains: string[];
          target: string;
        }[];
        refused: {
          application: string | null;
          reason: string;
        }[];
      }[];
      conflicts: {
        claim: string;
        owner: string;
        application: string;
        hosts: string[];
      }[];
    };
    Announcer: {
      name: string;
      applications: string[] | null;
      createdAt: string;
      createdBy: string;
    };
    AnnouncerCreated: {
      name: string;
      user: string;
      password: string;
      key: string;
    };
    BalancedPort: {
      host: string;
      port: number;
      image: string | null;
      imagePort: number;
      state: "on" | "stopped";
      children: components["schemas"]["ChildPort"][];
      members: components["schemas"]["PortMember"][];
      inForce: boolean | null;
      fault: string | null;
    };
    Block: {
      address: string;
      reason: string;
      blockedAt: string;
      until: string | null;
      by: string | null;
    };
    BlockMade: {
      address: string;
      ended: number;
    };
    ChildPort: {
      host: string;
      port: number;
    };
    ConsoleAnswer: {
      text: string;
      tone: "reply" | "error" | "note" | "lost";
      cutFromBytes: number | null;
      warning: string | null;
      database: number;
      transaction: "none" | "watched" | "begun";
    };
    ConsoleCommand: {
      password?: string;
      command: string;
      session?: string;
      database?: number;
      transaction?: "none" | "watched" | "begun";
    };
    Droplet: {
      name: string;
      state: string;
      dropletId: number | null;
      orderedAt: string;
      joinedAt: string | null;
      idleSince: string | null;
      unhealthySince: string | null;
    };
    Edge: {
      domain: string;
      port: number;
    };
    Event: {
      id: number;
      at: string;
      lastAt: string;
      times: number;
      actor: string;
      by: string | null;
      kind: string;
      host: string | null;
      instance: string | null;
      alarm: boolean;
      reason: string;
      data: {
        [key: string]: unknown;
      } | null;
    };
    FiguresRequest: {
      password?: string;
    };
    FleetFigures: {
      stepSeconds: number;
      times: number[];
      handouts: {
        [key: string]: (number | null)[];
      };
      began: {
        [key: string]: (number | null)[];
      };
      ends: {
        [key: string]: (number | null)[];
      };
      hosts: {
        [key: string]: (number | null)[];
      };
      droplets: {
        [key: string]: (number | null)[];
      };
      leases: (number | null)[];
      slots: (number | null)[];
      took: {
        p50: (number | null)[];
        p95: (number | null)[];
        p99: (number | null)[];
      };
      today: {
        dropletHours: number;
        dollars: number;
      };
    };
    Gateway: {
      name: string;
      state: "joining" | "live" | "draining" | "unreadable" | "ordered" | "booting" | "silent" | "destroying";
      addresses: string[];
      routes: number | null;
      unroutable: number | null;
      connections: number | null;
      mostConnections: number | null;
      version: string | null;
    };
    Handout: {
      id: string;
      host: string;
      port: number;
      username: "default";
      createdAt: string;
      expiresAt: string;
      password: string;
      url: string;
      engine: "redis" | "valkey";
      version: string;
      token: string;
    };
    Health: {
      ok: true;
    };
    Holdings: {
      address: string;
      instances: number;
      holders: number;
      blocks: components["schemas"]["Block"][];
      listed: string[];
    };
    Host: {
      name: string;
      state: string;
      standing: string;
      capacity: number;
      inUse: number;
      occupied: number;
      warm: number;
      heartbeat: unknown | null;
      heartbeatRefused: string | null;
    };
    HostChange: {
      state: "active" | "cordoned" | "draining";
    };
    Instance: {
      id: string;
      host: string;
      port: number;
      username: "default";
      createdAt: string;
      expiresAt: string;
      state: "starting" | "running" | "ending" | "ended";
      transfer: components["schemas"]["Transfer"];
      endedAt: string | null;
      endCause: string | null;
      contact?: string;
      engine: string | null;
      version: string | null;
      lastRestart: {
        at: string;
        cause: string;
      } | null;
    };
    InstanceFigures: {
      memoryBytes: number;
      maxMemoryBytes: number;
      keys: number;
      clients: number;
      maxClients: number;
      opsPerSecond: number;
    };
    JobRun: {
      job: string;
      startedAt: string;
      finishedAt: string | null;
      succeededAt: string | null;
      fault: string | null;
    };
    Limits: {
      ttlSeconds: number;
      minTtlSeconds: number;
      maxTtlSeconds: number;
      perAddress: number;
      memoryMb: number;
      maxClients: number;
    };
    LogIn: {
      token: string;
    };
    Member: {
      address: string;
      weight: number;
      zone: string | null;
      draining: boolean;
      gateways: {
        gateway: string;
        state: "retired" | "draining" | "unknown" | "up";
        fault: string | null;
        sessions: number;
      }[];
    };
    NewAnnouncer: {
      name: string;
      applications?: string[] | null;
    };
    NewBlock: {
      address: string;
      reason?: string;
      until?: string;
      endInstances?: boolean;
    };
    NewInstance: {
      ttlSeconds?: number;
    };
    NewLease: {
      ttlSeconds: number;
    };
    NewMember: {
      weight?: number;
      zone?: string | null;
      draining?: boolean;
    };
    NewNotificationTest: {
      channel: "webhook" | "mail";
    };
    NewOperator: {
      name: string;
      role: "viewer" | "operator" | "admin";
      expiresAt?: string | null;
    };
    NewService: {
      name: string;
      port: number;
      protocol: "tcp" | "tls" | "http";
      names?: string[];
      policy?: "round-robin" | "least-connections" | "consistent-hash" | "location";
      probe?: components["schemas"]["Probe"];
      poolKey?: string | null;
    };
    NotificationTest: {
      delivered: boolean;
      result: string;
    };
    Notifications: {
      channels: {
        channel: "webhook" | "mail";
        target: string;
        waiting: number;
        givenUp: number;
      }[];
      alarms: {
        alarm: string;
        topic: string;
        kind: string;
        host: string | null;
        instance: string | null;
        reason: string;
        since: string;
        toldAt: string | null;
      }[];
      recent: {
        id: string;
        channel: "webhook" | "mail";
        type: string;
        state: string;
        createdAt: string;
        attempts: number;
        nextAt: string | null;
        fault: string | null;
      }[];
    };
    Operator: {
      name: string;
      role: "viewer" | "operator" | "admin";
      createdAt: string | null;
      createdBy: string | null;
      expiresAt: string | null;
      lastUsedAt: string | null;
      isOpsToken: boolean;
    };
    OperatorChange: {
      role?: "viewer" | "operator" | "admin";
      expiresAt?: string | null;
    };
    OperatorCreated: {
      name: string;
      role: "viewer" | "operator" | "admin";
      expiresAt: string | null;
      token: string;
    };
    OperatorInstance: {
      id: string;
      host: string;
      port: number;
      username: "default";
      createdAt: string;
      expiresAt: string;
      state: "starting" | "running" | "ending" | "ended";
      transfer: components["schemas"]["Transfer"];
      endedAt: string | null;
      endCause: string | null;
      contact?: string;
      engine: string | null;
      version: string | null;
      lastRestart: {
        at: string;
        cause: string;
      } | null;
      hostName: string;
      address: string;
      handedOutAt: string | null;
      warmSince: string | null;
      latestEnd: string;
    };
    Page: string;
    PortChange: {
      state?: "on" | "stopped";
      addChild?: components["schemas"]["ChildPort"];
      removeChild?: components["schemas"]["ChildPort"];
    };
    PortMember: {
      address: string;
      port: number;
      kind: "direct" | "child";
      buckets: number;
    };
    PortToBalance: {
      image?: string | null;
      imagePort?: number;
      children?: components["schemas"]["ChildPort"][];
      state?: "on" | "stopped";
    };
    Probe: {
      kind: "tcp" | "http" | "redis";
      path?: string;
    };
    Problem: {
      type: string;
      title: string;
      status: number;
      detail: string;
      contact?: string;
      nextFreeAt?: string;
      role?: string;
      needed?: string;
      challenge?: string;
      bits?: number;
      algorithm?: string;
      header?: string;
      expiresAt?: string;
    };
    ProblemText: string;
    Readiness: {
      ready: boolean;
      checks: {
        [key: string]: string;
      };
    };
    RouteTrace: {
      instance: string;
      state: string;
      hostName: string;
      gateways: {
        name: string;
        hasAnswered: boolean;
        target: string | null;
      }[];
    };
    Service: {
      name: string;
      port: number;
      protocol: "tcp" | "tls" | "http";
      names: string[];
      policy: "round-robin" | "least-connections" | "consistent-hash" | "location";
      probe: components["schemas"]["Probe"];
      poolKey: string | null;
      members: components["schemas"]["Member"][];
      refused: string[];
      kind: "declared" | "announced";
      state: "up" | "degraded" | "down" | "draining" | "empty" | "not-carried" | "untold" | "unknown";
      connections: number;
    };
    ServiceChange: {
      policy?: "round-robin" | "least-connections" | "consistent-hash" | "location";
      probe?: components["schemas"]["Probe"];
    };
    Session: {
      name: string;
      role: "viewer" | "operator" | "admin";
      expiresAt: string | null;
    };
    Stats: {
      running: number;
      startedEver: number;
      limits: components["schemas"]["Limits"];
    };
    Switch: {
      name: string;
      paused: boolean;
      changedAt: string | null;
    };
    SwitchChange: {
      paused: boolean;
    };
    Transfer: {
      sentBytes: number;
      limitBytes: number | null;
      throttled: boolean;
    };
    Workload: {
      host: string;
      name: string;
      image: string;
      command: string[] | null;
      memoryMb: number;
      cpus: number;
      copies: number;
      state: "running" | "paused" | "stopped" | "removed";
      isDone: boolean;
      doneAt: string | null;
      fault: string | null;
    };
    WorkloadChange: {
      state?: "running" | "paused" | "stopped";
      copies?: number;
    };
    WorkloadToRun: {
      image: string;
      command?: string[] | null;
      memoryMb: number;
      cpus: number;
      copies?: number;
      state?: "running" | "paused" | "stopped";
    };
  };
  responses: never;
  parameters: never;
  requestBodies: never;
  headers: {
    RetryAfter: number;
    Authenticate: string;
  };
  pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
  createInstance: {
    parameters: {
      query?: {
        format?: "json" | "url" | "env";
      };
      header?: {
        "idempotency-key"?: string;
        "proof-of-work"?: string;
      };
      path?: never;
      cookie?: never;
    };
    requestBody?: {
      content: {
        "application/json": components["schemas"]["NewInstance"];
        "application/x-www-form-urlencoded": components["schemas"]["NewInstance"];
      };
    };
    responses: {
      201: {
        headers: {
          Location?: string;
          Sunset?: string;
          "Idempotent-Replayed"?: "true";
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Handout"];
          "text/plain": string;
          "text/markdown": string;
        };
      };
      303: {
        headers: {
          Location?: string;
          "Set-Cookie"?: string;
          Sunset?: string;
          "Idempotent-Replayed"?: "true";
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  readInstance: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Instance"];
        };
      };
    };
  };
  endInstance: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    responses: {
      202: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  changeLease: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["NewLease"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Instance"];
        };
      };
    };
  };
  runCommand: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["ConsoleCommand"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["ConsoleAnswer"];
        };
      };
    };
  };
  readFigures: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        "application/json": components["schemas"]["FiguresRequest"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["InstanceFigures"];
        };
      };
    };
  };
  readStats: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Stats"];
        };
      };
    };
  };
  readHealth: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Health"];
        };
      };
    };
  };
  readReadiness: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Readiness"];
        };
      };
    };
  };
  readMetrics: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "text/plain": string;
        };
      };
    };
  };
  readSession: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Session"];
        };
      };
    };
  };
  logIn: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["LogIn"];
      };
    };
    responses: {
      200: {
        headers: {
          "Set-Cookie"?: string;
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Session"];
        };
      };
    };
  };
  logOut: {
    responses: {
      204: {
        headers: {
          "Set-Cookie"?: string;
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  listHosts: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Host"][];
        };
      };
    };
  };
  destroyHost: {
    parameters: {
      query?: {
        confirm?: string;
      };
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    responses: {
      202: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  changeHost: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["HostChange"];
      };
    };
    responses: {
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  listDroplets: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Droplet"][];
        };
      };
    };
  };
  readEdge: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Edge"];
        };
      };
    };
  };
  listGateways: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Gateway"][];
        };
      };
    };
  };
  traceInstance: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["RouteTrace"];
        };
      };
    };
  };
  listInstances: {
    parameters: {
      query?: {
        text?: string;
        state?: "open" | "all" | "starting" | "running" | "ending" | "ended";
        host?: string;
        at?: string;
        order?: "created" | "expires" | "address" | "host";
        direction?: "ascending" | "descending";
        after?: string;
        most?: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    responses: {
      200: {
        headers: {
          "Total-Count"?: number;
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["OperatorInstance"][];
        };
      };
    };
  };
  readAnyInstance: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["OperatorInstance"];
        };
      };
    };
  };
  endAnyInstance: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    responses: {
      202: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  changeAnyLease: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["NewLease"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["OperatorInstance"];
        };
      };
    };
  };
  listEvents: {
    parameters: {
      query?: {
        host?: string;
        instance?: string;
        kind?: string;
        before?: string;
        after?: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Event"][];
        };
      };
    };
  };
  listJobs: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["JobRun"][];
        };
      };
    };
  };
  runJob: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        job: string;
      };
      cookie?: never;
    };
    responses: {
      202: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  listSwitches: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Switch"][];
        };
      };
    };
  };
  setSwitch: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: "handouts" | "scaling";
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["SwitchChange"];
      };
    };
    responses: {
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  listBlocks: {
    responses: {
      200: {
        headers: {
          "Total-Count"?: number;
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Block"][];
        };
      };
    };
  };
  addBlock: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["NewBlock"];
      };
    };
    responses: {
      201: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["BlockMade"];
        };
      };
    };
  };
  removeBlock: {
    parameters: {
      query: {
        address: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    responses: {
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  previewBlock: {
    parameters: {
      query: {
        address: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Holdings"];
        };
      };
    };
  };
  listPorts: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["BalancedPort"][];
        };
      };
    };
  };
  mapPort: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
        port: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        "application/json": components["schemas"]["PortToBalance"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["BalancedPort"];
        };
      };
    };
  };
  unmapPort: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
        port: string;
      };
      cookie?: never;
    };
    responses: {
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  changePort: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
        port: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        "application/json": components["schemas"]["PortChange"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["BalancedPort"];
        };
      };
    };
  };
  listWorkloads: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Workload"][];
        };
      };
    };
  };
  runWorkload: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
        workload: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        "application/json": components["schemas"]["WorkloadToRun"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Workload"];
        };
      };
    };
  };
  removeWorkload: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
        workload: string;
      };
      cookie?: never;
    };
    responses: {
      202: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  changeWorkload: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
        workload: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        "application/json": components["schemas"]["WorkloadChange"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Workload"];
        };
      };
    };
  };
  readFleetFigures: {
    parameters: {
      query?: {
        span?: "hour" | "day" | "week";
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["FleetFigures"];
        };
      };
    };
  };
  listOperators: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Operator"][];
        };
      };
    };
  };
  createOperator: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["NewOperator"];
      };
    };
    responses: {
      201: {
        headers: {
          Location?: string;
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["OperatorCreated"];
        };
      };
    };
  };
  revokeOperator: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    responses: {
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  changeOperator: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        "application/json": components["schemas"]["OperatorChange"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Operator"];
        };
      };
    };
  };
  readNotifications: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Notifications"];
        };
      };
    };
  };
  testNotification: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["NewNotificationTest"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["NotificationTest"];
        };
      };
    };
  };
  listServices: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Service"][];
        };
      };
    };
  };
  declareService: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["NewService"];
      };
    };
    responses: {
      201: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Service"];
        };
      };
    };
  };
  removeService: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    responses: {
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  changeService: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        "application/json": components["schemas"]["ServiceChange"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Service"];
        };
      };
    };
  };
  putMember: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
        address: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        "application/json": components["schemas"]["NewMember"];
      };
    };
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Service"];
        };
      };
    };
  };
  removeMember: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
        address: string;
      };
      cookie?: never;
    };
    responses: {
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  listAnnouncers: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Announcer"][];
        };
      };
    };
  };
  addAnnouncer: {
    requestBody: {
      content: {
        "application/json": components["schemas"]["NewAnnouncer"];
      };
    };
    responses: {
      201: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["AnnouncerCreated"];
        };
      };
    };
  };
  listAnnouncements: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "application/json": components["schemas"]["Announcements"];
        };
      };
    };
  };
  removeAnnouncer: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    responses: {
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
    };
  };
  followFleet: {
    responses: {
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          "text/event-stream": string;
        };
      };
    };
  };
}
