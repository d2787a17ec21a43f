import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import type { ServerParts } from "../../apps/api/server.ts";
import type { OpenApiDocument, Operation } from "../../apps/api/reference/document.ts";
import { addressAt } from "../../apps/core/balance/address.ts";
import { plainMember } from "../../apps/core/balance/service.ts";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { createTwinLeadership } from "../../apps/twins/leadership.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { gateway } from "../../apps/twins/gateways.ts";
import { createTwinApi, type TwinApi, type TwinCall } from "../bed/twin-api.ts";
import { openContract } from "../contracts/openapi.ts";

/** Headers that any answer may have: of HTTP itself, of our security headers, and of the rate limit. */
const GENERAL_HEADERS = [
  ...["connection", "content-length", "content-type", "date", "keep-alive", "transfer-encoding", "vary"],
  ...["cache-control", "x-accel-buffering"],
  ...["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
  ...["content-security-policy", "cross-origin-opener-policy", "cross-origin-resource-policy", "origin-agent-cluster"],
  ...["referrer-policy", "x-content-type-options", "x-dns-prefetch-control", "x-download-options", "x-frame-options"],
  ...["x-permitted-cross-domain-policies", "x-xss-protection"],
];
const PASSWORD = "the password of every instance";
const json = { "content-type": "application/json" };
/** Answers that the document tells, and that no test on twins can have. */
const NOT_PROVOKED: Readonly<Record<string, string>> = {
  "listHosts 500": "reads what the process remembers",
  "listHosts 503": "reads what the process remembers",
  "readEdge 500": "reads what the process remembers",
  "readEdge 503": "reads what the process remembers",
  "readMetrics 500": "leaves out what does not answer",
  "readMetrics 503": "leaves out what does not answer",
  "followFleet 429": "is limited as all calls are, and its answer never ends",
  "followFleet 500": "reads no operator where the token is OPS_TOKEN",
  "followFleet 503": "needs as many streams as may be open",
  "testNotification 200": "takes a process that runs jobs",
  "testNotification 500": "is refused before anything is asked",
  "testNotification 503": "is refused before anything is asked",
  "logOut 500": "ends no login where there is none",
  "logOut 503": "ends no login where there is none",
};

/** A request that its call accepts. */
type Good = {
  readonly path: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly body?: object;
  readonly headers: Readonly<Record<string, string>>;
};

describe("the OpenAPI document", () => {
  let api: TwinApi;
  let document: OpenApiDocument;
  let contract: ReturnType<typeof openContract>;
  /** "operationId status" of all answers so far. */
  const seen = new Set<string>();
  /** Everything in which an answer differed from the document. */
  const differences: string[] = [];
  /** What the instances answer to a command with the right password. */
  let outcome: Awaited<ReturnType<ServerParts["consoles"]["run"]>>;
  /** What becomes of a look at the gateways that live. */
  let gatewayFault: (() => Error) | undefined;

  before(async () => {
    api = await createTwinApi({
      hostNames: ["host-a", "host-b"],
      capacity: 200,
      env: {
        QUOTA_PER_ADDRESS: "200",
        LEASE_MIN_SECONDS: "60",
        LEASE_MAX_SECONDS: "86400",
        CONTACT: "ops@example.org",
        EDGE_DOMAIN: "redis.example.org",
      },
      consoles: {
        run: ({ password }) => Promise.resolve(password === "wrong" ? { kind: "wrong-password" } : outcome),
        close: () => undefined,
      },
      edge: {
        untilCarried: () => Promise.resolve(),
        untilGone: () => Promise.resolve(true),
        refresh: () => Promise.resolve(),
        isServed: () => true,
        list: () =>
          gatewayFault
            ? Promise.reject(gatewayFault())
            : Promise.resolve([gateway("gw-1"), { name: "gw-2", state: "unreadable" }]),
        trace: () => Promise.resolve([{ name: "gw-1", target: "10.0.0.1 20000" }]),
      },
    });
    document = (await (await api.call("/docs/json")).json()) as OpenApiDocument;
    contract = openContract(document, GENERAL_HEADERS);
  });
  after(() => api.close());

  const operations = () =>
    Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    );

  /** Calls a service, and compares what it answers with the document. */
  const call = async (path: string, init: TwinCall = {}, of: Pick<TwinApi, "call"> = api): Promise<Response> => {
    const answer = await of.call(path, init);
    await note(path, init, answer.clone());
    return answer;
  };
  const note = async (path: string, { method = "GET", body }: TwinCall, answer: Response) => {
    const { status, headers } = answer;
    const isJson = typeof body === "string" && body.startsWith("{");
    const exchange = { method, url: path, requestBody: isJson ? body : "", status, headers, body: await answer.text() };
    differences.push(...contract.differences(exchange));
    const found = contract.operationOf(exchange);
    const operation = found && document.paths[found.path]?.[found.method];
    if (operation) seen.add(`${operation.operationId} ${status}`);
  };

  const take = async (of: Pick<TwinApi, "call"> = api) => {
    const answer = await call("/instances", { method: "POST" }, of);
    assert.equal(answer.status, 201, await answer.clone().text());
    return (await answer.json()) as Handout;
  };
  const asHolder = ({ token }: Pick<Handout, "token">) => ({ authorization: `Bearer ${token}` });
  const asOperator = () => ({ authorization: `Bearer ${api.opsToken}` });
  /** Log-ins are limited to some a minute: one serves all tests. */
  let login: { readonly cookie: string } | undefined;
  const logIn = async () => {
    if (login) return login;
    const init = { method: "POST", headers: json, body: JSON.stringify({ token: api.opsToken }) };
    const answer = await call("/ops/api/session", init);
    login = { cookie: (answer.headers.get("set-cookie") ?? "").split(";", 1)[0] ?? "" };
    return login;
  };

  /** A good request for each call; a call without one fails the tests. */
  const goodRequests = async (of: Pick<TwinApi, "call" | "service"> = api): Promise<Readonly<Record<string, Good>>> => {
    const holder = async (more: object = {}) => {
      const handout = await take(of);
      return { path: { id: handout.id }, headers: asHolder(handout), ...more };
    };
    const operator = (more: Partial<Good> = {}) => ({ path: {}, headers: asOperator(), ...more });
    const name = `operator-${seen.size}-${differences.length}-${counter++}`;
    const made = {
      method: "POST",
      headers: { ...asOperator(), ...json },
      body: JSON.stringify({ name, role: "viewer" }),
    };
    await call("/ops/api/operators", made, of);
    const block = { method: "POST", headers: { ...asOperator(), ...json }, body: '{"address":"192.0.2.7"}' };
    await call("/ops/api/blocks", block, of);
    for (const host of ["host-a", "host-b"]) {
      const wanted = { host, port: 8080, image: "web:1", imagePort: 80, state: "on", children: [] } as const;
      await of.service.store.ports.change(
        wanted,
        () => wanted,
        () => undefined,
        of.service.clock(),
      );
    }
    for (const workload of ["web", "old"]) {
      const place = { host: "host-a", name: workload };
      const more = {
        image: "web:1",
        command: null,
        memoryMb: 64,
        millicpus: 100,
        copies: 1,
        state: "running",
      } as const;
      await of.service.store.workloads.change(place, () => ({ ...place, ...more }), of.service.clock());
    }
    for (const service of ["web", "old"]) {
      const declared = { name: service, port: 7000 + counter, protocol: "http", policy: "round-robin" } as const;
      const more = { names: [`${service}.example.org`], probe: { kind: "tcp" }, poolKey: null } as const;
      await of.service.store.services.remove(service);
      await of.service.store.services.add({ ...declared, ...more }, of.service.clock());
    }
    const gone = addressAt("10.0.0.9", 80);
    await of.service.store.services.putMember("web", plainMember(gone), 10);
    await of.service.store.announcers.remove("web-1");
    const announcer = { name: "web-2", applications: null, nonce: Buffer.alloc(32), createdBy: "admin" };
    await of.service.store.announcers.add({ ...announcer, createdAt: of.service.clock() });
    return {
      createInstance: { path: {}, headers: {}, body: { ttlSeconds: 600 } },
      readInstance: await holder(),
      changeLease: await holder({ body: { ttlSeconds: 3600 } }),
      endInstance: await holder(),
      runCommand: await holder({ body: { password: PASSWORD, command: "PING" } }),
      readFigures: await holder({ body: { password: PASSWORD } }),
      readStats: { path: {}, headers: {} },
      readHealth: { path: {}, headers: {} },
      readReadiness: { path: {}, headers: {} },
      readMetrics: { path: {}, headers: {} },
      readSession: { path: {}, headers: await logIn() },
      logIn: { path: {}, headers: {}, body: { token: api.opsToken } },
      logOut: { path: {}, headers: {} },
      listHosts: operator(),
      changeHost: operator({ path: { name: "host-b" }, body: { state: "active" } }),
      // A machine that is no droplet cannot be destroyed: how a droplet can, another test shows.
      destroyHost: operator({ path: { name: "droplet-1" } }),
      listDroplets: operator(),
      listInstances: operator({ query: "state=all&most=10" }),
      readAnyInstance: operator({ path: { id: (await take(of)).id } }),
      traceInstance: operator({ path: { id: (await take(of)).id } }),
      listGateways: operator(),
      readEdge: operator(),
      changeAnyLease: operator({ path: { id: (await take(of)).id }, body: { ttlSeconds: 3600 } }),
      endAnyInstance: operator({ path: { id: (await take(of)).id } }),
      listEvents: operator({ query: "host=host-b" }),
      listJobs: operator(),
      runJob: operator({ path: { job: "reap" } }),
      listSwitches: operator(),
      setSwitch: operator({ path: { name: "scaling" }, body: { paused: false } }),
      listBlocks: operator(),
      addBlock: operator({ body: { address: "192.0.2.9", reason: "port scans" } }),
      removeBlock: operator({ query: "address=192.0.2.7" }),
      previewBlock: operator({ query: "address=192.0.2.0/24" }),
      listPorts: operator(),
      mapPort: operator({ path: { name: "host-a", port: "8080" }, body: { image: "web:1", imagePort: 80 } }),
      changePort: operator({ path: { name: "host-a", port: "8080" }, body: { state: "stopped" } }),
      unmapPort: operator({ path: { name: "host-b", port: "8080" } }),
      listWorkloads: operator(),
      runWorkload: operator({
        path: { name: "host-a", workload: "web" },
        body: { image: "web:1", command: ["/run.sh"], memoryMb: 64, cpus: 0.5, copies: 2 },
      }),
      changeWorkload: operator({ path: { name: "host-a", workload: "web" }, body: { state: "paused" } }),
      removeWorkload: operator({ path: { name: "host-a", workload: "old" } }),
      listServices: operator(),
      declareService: operator({ body: { name: `new-${counter}`, port: 8000 + counter, protocol: "tcp" } }),
      changeService: operator({ path: { name: "web" }, body: { policy: "least-connections" } }),
      removeService: operator({ path: { name: "old" } }),
      putMember: operator({ path: { name: "web", address: "10.0.0.5:8080" }, body: { weight: 2 } }),
      removeMember: operator({ path: { name: "web", address: gone.text } }),
      listAnnouncers: operator(),
      listAnnouncements: operator(),
      addAnnouncer: operator({ body: { name: "web-1", applications: ["shop"] } }),
      removeAnnouncer: operator({ path: { name: "web-2" } }),
      readFleetFigures: operator({ query: "span=day" }),
      listOperators: operator(),
      createOperator: operator({ body: { name: `${name}-new`, role: "operator" } }),
      readNotifications: operator(),
      // No channel is set up, as on most services.
      testNotification: operator({ body: { channel: "webhook" } }),
      changeOperator: operator({ path: { name }, body: { role: "operator" } }),
      revokeOperator: operator({ path: { name } }),
    };
  };
  let counter = 0;

  /** Calls an operation with its good request, changed as the test wants it. */
  const send = (
    { path, method, operation }: { path: string; method: string; operation: Operation },
    good: Good,
    change: { query?: string; headers?: Record<string, string>; body?: string; path?: Record<string, string> } = {},
    of: Pick<TwinApi, "call"> = api,
  ) => {
    const place = path.replace(/\{(\w+)\}/g, (_, key: string) => change.path?.[key] ?? good.path[key] ?? key);
    const query = [good.query, change.query].filter((part) => part !== undefined).join("&");
    const body = change.body ?? (good.body && JSON.stringify(good.body));
    return call(
      query === "" ? place : `${place}?${query}`,
      {
        method,
        // An address may log in some times a minute.
        ...(operation.operationId === "logIn" && { remoteAddress: `198.51.101.${counter++ % 256}` }),
        headers: { ...good.headers, ...(body !== undefined && json), ...change.headers },
        ...(body !== undefined && { body }),
      },
      of,
    );
  };

  /** Everything but the stream, whose answer never ends. */
  const plain = () => operations().filter(({ operation }) => operation.operationId !== "followFleet");
  const tells = ({ responses }: Operation, status: number) => String(status) in responses;
  const goodOf = (all: Readonly<Record<string, Good>>, { operationId }: Operation): Good => {
    const good = all[operationId];
    assert.ok(good, `no test calls ${operationId}`);
    return good;
  };

  it("tells what every call answers when all is well", async () => {
    outcome = { kind: "replied", reply: { kind: "status", text: "PONG" }, readBytes: 7, sizeBytes: 7, state: idle };
    const { store, clock } = api.service;
    await store.runs.begin("reap", clock());
    await store.runs.finish("reap", clock(), undefined);
    const goods = await goodRequests();
    for (const each of plain()) {
      const { operationId } = each.operation;
      if (operationId === "destroyHost" || operationId === "testNotification") continue;
      if (operationId === "readFigures") outcome = figures;
      const answer = await send(each, goodOf(goods, each.operation));
      assert.ok(answer.status < 300, `${operationId}: ${answer.status} ${await answer.text()}`);
    }
  });

  it("tells how calls refuse a parameter or field that they do not know, and a name that is not theirs", async () => {
    const goods = await goodRequests();
    for (const each of plain()) {
      const good = goodOf(goods, each.operation);
      const { operationId } = each.operation;
      const unknown = await send(each, good, { query: "unknown=1" });
      assert.match(await unknown.text(), /The query has an unknown parameter \\"unknown\\"/, operationId);
      assert.equal((await send(each, good, { headers: { host: "elsewhere.example.org" } })).status, 421, operationId);
      if (each.method === "GET") continue;
      const field = await send(each, good, { body: JSON.stringify({ ...good.body, unknown: 1 }) });
      assert.deepEqual([field.status, /field \\"unknown\\"/.test(await field.text())], [400, true], operationId);
    }
  });

  it("tells how calls refuse bodies that cannot be read", async () => {
    const goods = await goodRequests();
    for (const each of plain().filter(({ method }) => method !== "GET")) {
      const good = goodOf(goods, each.operation);
      for (const [status, body, type] of [
        [400, "{", "application/json"],
        [413, `{"a":"${"a".repeat(20_000)}"}`, "application/json"],
        [415, "<a/>", "application/xml"],
      ] as const) {
        const answer = await send(each, good, { body, headers: { "content-type": type } });
        assert.equal(answer.status, status, each.operation.operationId);
      }
    }
  });

  it("tells how calls refuse those who may not make them", async () => {
    const goods = await goodRequests();
    const viewer = await operatorToken("viewer");
    const expiring = await operatorToken("admin", new Date(api.service.clock().getTime() + 60_000).toISOString());
    const { cookie } = await logIn();
    const strangers = { "sec-fetch-site": "cross-site", origin: "https://elsewhere.example.org" };
    for (const each of plain()) {
      const { operationId, security, "x-role": role } = each.operation;
      if (security.every((scheme) => !("owner" in scheme || "operator" in scheme))) continue;
      const good = goodOf(goods, each.operation);
      assert.equal((await send(each, good, { headers: { authorization: "" } })).status, 401, operationId);
      const wrong = { authorization: "Bearer of-somebody-else" };
      assert.equal((await send(each, good, { headers: wrong })).status, 403, operationId);
      if (role === undefined) continue;
      if (role !== "viewer")
        assert.equal(
          (await send(each, good, { headers: { authorization: `Bearer ${viewer}` } })).status,
          403,
          operationId,
        );
      if (each.method === "GET") continue;
      const headers = { authorization: "", cookie, ...strangers };
      assert.equal((await send(each, good, { headers })).status, 403, operationId);
    }
    assert.equal((await call("/instances", { method: "POST", headers: strangers })).status, 403);
    const body = JSON.stringify({ token: api.opsToken });
    assert.equal(
      (await call("/ops/api/session", { method: "POST", headers: { ...json, ...strangers }, body })).status,
      403,
    );
    assert.equal((await call("/ops/api/session")).status, 401);
    api.service.time.pass(61_000);
    await api.seeHosts();
    assert.equal((await call("/ops/api/hosts", { headers: { authorization: `Bearer ${expiring}` } })).status, 401);
    const late = JSON.stringify({ token: expiring });
    assert.equal((await call("/ops/api/session", { method: "POST", headers: json, body: late })).status, 401);
  });

  it("tells how calls refuse what there is not", async () => {
    const goods = await goodRequests();
    const nobody = { id: "0".repeat(16), name: "nobody", job: "nothing" };
    for (const each of plain().filter(({ operation }) => tells(operation, 404))) {
      const good = goodOf(goods, each.operation);
      const isByQuery = each.operation.operationId === "removeBlock";
      const answer = await send(each, isByQuery ? { ...good, query: "address=198.51.100.9" } : good, { path: nobody });
      assert.equal(answer.status, 404, each.operation.operationId);
    }
  });

  it("tells how calls refuse too many requests, and when to come back", async () => {
    const replica = await api.openReplica({ RATE_LIMIT_PER_MINUTE: "1", HANDOUT_RATE_LIMIT_PER_MINUTE: "1" });
    try {
      const goods = await goodRequests();
      for (const [index, each] of plain().entries()) {
        if (!tells(each.operation, 429)) continue;
        const good = goodOf(goods, each.operation);
        // As a stranger: the holder's and the operator's own limits are wider, and no other ones.
        const remoteAddress = `198.51.100.${index + 1}`;
        const path = each.path.replace(/\{(\w+)\}/g, (_, key: string) => good.path[key] ?? key);
        let answer: Response | undefined;
        for (let count = 0; count < 12 && answer?.status !== 429; count++)
          answer = await call(path, { method: each.method, remoteAddress }, replica);
        assert.equal(answer?.status, 429, each.operation.operationId);
        assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
      }
    } finally {
      await replica.close();
    }
  });

  it("tells what calls answer while a part of the service is broken or away", async () => {
    for (const [status, fault] of [
      [500, () => new Error("broken")],
      [503, () => new Unavailable("mysql", new Error("gone"))],
    ] as const) {
      const goods = await goodRequests();
      api.service.faults.add({ fault });
      gatewayFault = fault;
      try {
        for (const each of plain()) {
          const { operationId } = each.operation;
          if (!tells(each.operation, status) || `${operationId} ${status}` in NOT_PROVOKED) continue;
          assert.equal((await send(each, goodOf(goods, each.operation))).status, status, operationId);
        }
      } finally {
        api.service.faults.clear();
        gatewayFault = undefined;
      }
    }
  });

  it("tells which ports and workloads a host refuses", async () => {
    const put = (path: string, body: object, method = "PUT") =>
      call(`/ops/api/hosts/host-b/${path}`, {
        method,
        headers: { ...asOperator(), ...json },
        body: JSON.stringify(body),
      });
    assert.equal((await put("ports/22", { image: "web:1" })).status, 409);
    assert.equal((await put("ports/8081", { image: "web:1" })).status, 200);
    assert.equal((await put("ports/8081", { addChild: { host: "host-b", port: 1 } }, "PATCH")).status, 409);
    assert.equal((await put("workloads/web", { image: "no name;", memoryMb: 64, cpus: 1 })).status, 409);
  });

  it("tells which services, members and announcers cannot be", async () => {
    const ask = async (method: string, path: string, body: object) =>
      (
        await call(`/ops/api/${path}`, {
          method,
          headers: { ...asOperator(), ...json },
          body: JSON.stringify(body),
        })
      ).status;
    const tcp = { name: "once", port: 9000, protocol: "tcp" };
    assert.equal(await ask("POST", "services", tcp), 201);
    assert.equal(await ask("POST", "services", { ...tcp, name: "twice" }), 409);
    assert.equal(await ask("PATCH", "services/once", { policy: "location" }), 409);
    assert.equal(await ask("PUT", "services/once/members/0.0.0.0:80", {}), 409);
    assert.equal(await ask("POST", "announcers", { name: "bound" }), 201);
    assert.equal(await ask("POST", "announcers", { name: "bound" }), 409);
  });

  it("tells the formats of a new instance and of its refusals", async () => {
    for (const [accept, query] of [
      ["text/plain", ""],
      ["text/markdown", ""],
      ["*/*", "?format=env"],
      ["*/*", "?format=url"],
      ["*/*", "?format=json"],
    ] as const) {
      const init = { method: "POST", headers: { accept } };
      const answer = await call(`/instances${query}`, init);
      assert.equal(answer.status, 201);
      assert.match(answer.headers.get("location") ?? "", /^\/instances\/[0-9a-z]{16}$/);
      assert.equal((await call("/instances?format=none", init)).status, 400);
    }
    assert.equal((await call("/instances", { method: "POST", headers: { accept: "text/html" } })).status, 303);
    assert.equal((await call("/instances", { method: "POST", headers: { accept: "image/png" } })).status, 406);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    assert.equal((await call("/instances", { method: "POST", headers: form, body: "ttlSeconds=600" })).status, 201);
  });

  it("tells what a retry gets, and what a key gets that came with another request", async () => {
    const headers = { ...json, "idempotency-key": "1b4e28ba-2fa1-11d2-883f-0016d3cca427" };
    const ask = (ttlSeconds: number) =>
      call("/instances", { method: "POST", headers, body: JSON.stringify({ ttlSeconds }) });
    assert.equal((await ask(600)).status, 201);
    assert.equal((await ask(600)).headers.get("idempotent-replayed"), "true");
    assert.equal((await ask(601)).status, 409);
  });

  it("tells what an instance answers that has ended, hides itself, or whose host is away", async () => {
    const ended = await take();
    const headers = asHolder(ended);
    assert.equal((await call(`/instances/${ended.id}`, { method: "DELETE", headers })).status, 204);
    const lease = { method: "PATCH", headers: { ...headers, ...json }, body: '{"ttlSeconds":600}' };
    assert.equal((await call(`/instances/${ended.id}`, lease)).status, 409);
    const asOps = { ...lease, headers: { ...asOperator(), ...json } };
    assert.equal((await call(`/ops/api/instances/${ended.id}`, asOps)).status, 409);
    const running = await take();
    const ask = (what: string, { id, token }: Handout, password = PASSWORD) =>
      call(`/instances/${id}/${what}`, {
        method: "POST",
        headers: { ...asHolder({ token }), ...json },
        body: JSON.stringify({ password, ...(what === "console" && { command: "PING" }) }),
      });
    for (const what of ["console", "figures"]) {
      assert.equal((await ask(what, ended)).status, 409);
      assert.equal((await ask(what, running, "wrong")).status, 403);
      for (const kind of ["busy", "unreachable"] as const) {
        outcome = { kind };
        assert.equal((await ask(what, running)).status, 503);
      }
    }
    for (const [path, who] of [
      ["/instances", headers],
      ["/ops/api/instances", asOperator()],
    ] as const) {
      const { id, token } = await take();
      const machines = ["host-a", "host-b"].map((name) => api.service.machine(name));
      for (const machine of machines) machine.silence = "unreachable";
      const end = { method: "DELETE", headers: path === "/instances" ? asHolder({ token }) : who };
      assert.equal((await call(`${path}/${id}`, end)).status, 202);
      for (const machine of machines) machine.silence = undefined;
    }
  });

  it("tells how metrics are refused, and what probes say of a service that is not ready", async () => {
    assert.equal((await call("/metrics", { remoteAddress: "192.0.2.9" })).status, 403);
    const replica = await api.openReplica({ METRICS_TOKEN: "token-of-the-scraper" });
    try {
      assert.equal((await call("/metrics", {}, replica)).status, 401);
      const ask = { headers: { authorization: "Bearer token-of-the-scraper" }, remoteAddress: "192.0.2.9" };
      assert.equal((await call("/metrics", ask, replica)).status, 200);
      api.service.time.pass(60_000);
      assert.equal((await call("/readyz", {}, replica)).status, 503);
    } finally {
      await replica.close();
      await api.seeHosts();
    }
  });

  it("tells what becomes of droplets, and of a name that is taken", async () => {
    const destroy = (name: string) => call(`/ops/api/hosts/${name}`, { method: "DELETE", headers: asOperator() });
    assert.equal((await destroy("host-a")).status, 409);
    const term = (await createTwinLeadership(api.service.tables, "scale").term()) ?? 0;
    const intent = { namePrefix: "droplet", region: "fra1", size: "small", tokenHash: Buffer.alloc(32), cap: 9 };
    const name = (await api.service.store.droplets.addOrder(term, intent, api.service.clock())) ?? "";
    assert.equal((await destroy(name)).status, 409, "nobody knows yet which droplet it is");
    await api.service.store.droplets.adopt(name, 7, 0.01);
    assert.equal((await destroy(name)).status, 202);
    assert.equal((await call("/ops/api/droplets", { headers: asOperator() })).status, 200);
    assert.equal((await call("/ops/api/hosts", { headers: asOperator() })).status, 200);
    const admin = (path: string, method: string, body?: object) =>
      call(`/ops/api/operators${path}`, {
        method,
        headers: { ...asOperator(), ...(body && json) },
        ...(body && { body: JSON.stringify(body) }),
      });
    assert.equal((await admin("", "POST", { name: "twice", role: "viewer" })).status, 201);
    assert.equal((await admin("", "POST", { name: "twice", role: "viewer" })).status, 409);
    assert.equal((await admin("/admin", "PATCH", { role: "viewer" })).status, 409);
    assert.equal((await admin("/admin", "DELETE")).status, 409);
  });

  it("tells that gateways cannot be asked where there is no edge", async () => {
    const bare = await createTwinApi();
    try {
      const { id } = await take(bare);
      for (const path of [`/ops/api/instances/${id}/trace`, "/ops/api/edge"])
        assert.equal((await call(path, { headers: asOperator() }, bare)).status, 409);
    } finally {
      await bare.close();
    }
  });

  it("tells what a test message meets where no channel is set up", async () => {
    const init = { method: "POST", headers: { ...asOperator(), ...json }, body: '{"channel":"webhook"}' };
    assert.equal((await call("/ops/api/notifications/test", init)).status, 409);
  });

  it("tells what the stream of the fleet sends, and whom it refuses", async () => {
    const origin = await api.listen();
    const closing = new AbortController();
    const answer = await fetch(`${origin}/ops/api/stream`, { headers: asOperator(), signal: closing.signal });
    assert.equal(answer.status, 200);
    await note("/ops/api/stream", {}, new Response("", { headers: answer.headers }));
    closing.abort();
    assert.equal((await call("/ops/api/stream?unknown=1", { headers: asOperator() })).status, 400);
    assert.equal((await call("/ops/api/stream")).status, 401);
    assert.equal((await call("/ops/api/stream", { headers: { authorization: "Bearer nobody" } })).status, 403);
    const elsewhere = { ...asOperator(), host: "elsewhere.example.org" };
    assert.equal((await call("/ops/api/stream", { headers: elsewhere })).status, 421);
  });

  it("has the calls that README.md and docs/ name", async () => {
    const files = ["README.md", ...(await Array.fromAsync(glob("docs/*.md", { cwd: projectPath(".") })))];
    const texts = await Promise.all(files.map((file) => readFile(projectPath(file), "utf8")));
    const named = [...texts.join("\n").matchAll(/\b(GET|POST|PATCH|DELETE) (\/[\w/:.-]*[\w/])/g)];
    assert.ok(named.length >= 4, `${named.length} calls are named`);
    for (const [text, method = "", url = ""] of named)
      assert.ok(api.app.hasRoute({ method: method, url }), `${text} is no call`);
  });

  it("has told nothing else than what was seen, and everything that was seen", () => {
    assert.deepEqual([...new Set(differences)], []);
    const told = operations().flatMap(({ operation }) =>
      Object.keys(operation.responses).map((status) => `${operation.operationId} ${status}`),
    );
    assert.deepEqual(
      told.filter((answer) => !seen.has(answer) && !(answer in NOT_PROVOKED)),
      [],
    );
    assert.deepEqual(
      Object.keys(NOT_PROVOKED).filter((answer) => seen.has(answer) || !told.includes(answer)),
      [],
      "each exception is one",
    );
  });

  /** A token of an operator with a role. */
  async function operatorToken(role: string, expiresAt: string | null = null): Promise<string> {
    const name = `${role}-${counter++}`;
    const init = {
      method: "POST",
      headers: { ...asOperator(), ...json },
      body: JSON.stringify({ name, role, expiresAt }),
    };
    return ((await (await call("/ops/api/operators", init)).json()) as { token: string }).token;
  }
});

const idle = { database: 0, transaction: "none" } as const;
const info = [
  "connected_clients:3",
  "maxclients:50",
  "used_memory:1048576",
  "maxmemory:26214400",
  "instantaneous_ops_per_sec:17",
  "db0:keys=12,expires=1,avg_ttl=5",
].join("\r\n");
const figures = {
  kind: "replied",
  reply: { kind: "string", bytes: Buffer.from(info), length: info.length },
  readBytes: info.length,
  sizeBytes: info.length,
  state: idle,
} as const;
