import { Type, type Static } from "typebox";
import {
  ANNOUNCEMENT_PREFIX,
  ANNOUNCER_NAME_PATTERN,
  announcerUserPrefix,
} from "../../../core/balance/announcement.ts";
import type { Probe } from "../../../core/balance/service.ts";
import {
  MAX_MEMBER_WEIGHT,
  policies,
  PROBE_PATH_PATTERN,
  probeKinds,
  protocols,
  SERVICE_NAME_PATTERN,
  ZONE_PATTERN,
} from "../../../core/balance/service.ts";
import type { AnnouncementBoard, Pools } from "../../../core/balance/contract.ts";
import type { DeclaredService } from "../../../core/balance/desired.ts";
import { POOL_KEY_PATTERN, readPool } from "../../../core/balance/pool.ts";
import type { Membership, ServiceReports } from "../../../core/edge/contract.ts";
import { memberStatesTold } from "../../../core/edge/service-reports.ts";
import {
  addAnnouncer,
  changeService,
  declareService,
  putMember,
  removeAnnouncer,
  removeMember,
  removeService,
  type ManageServicesPorts,
  type ServiceRules,
} from "../../../core/operator/manage-services.ts";
import { readAnnounced, type AnnouncedRules } from "../../../core/operator/read-announced.ts";
import {
  connectionsIn,
  seenMembers,
  serviceOverviews,
  serviceState,
  serviceStates,
  toldServices,
  type SeenMember,
  type ToldServices,
} from "../../../core/operator/service-overview.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { whileKnown } from "../../../lib/unavailable.ts";
import type { App } from "../../app.ts";
import { problems } from "../../problems/problems.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer } from "./schemas.ts";

/** What the calls on services need. */
export type OpsServiceParts = ManageServicesPorts & {
  readonly pools: Pools;
  readonly board: Pick<AnnouncementBoard, "read">;
  readonly serviceReports: Pick<ServiceReports, "list">;
  /** Undefined without an edge. */
  readonly edge?: Pick<Membership, "list"> | undefined;
  readonly serviceRules: ServiceRules;
  readonly announcementRules: AnnouncedRules;
};

const MOST_NAMES = 100;
const Name = Type.String({
  pattern: SERVICE_NAME_PATTERN,
  description: "Name of the service: small letters, digits and dashes, 32 at most.",
  examples: ["web"],
});
const Policy = Type.Enum([...policies], {
  description:
    "How a member is chosen for a connection. round-robin: each in its turn. least-connections: the one with the fewest. " +
    "consistent-hash: always the same one for an address. location: one in the zone of the address.",
  examples: ["round-robin"],
});
const ProbeOf = Type.Object(
  {
    kind: Type.Enum([...probeKinds], {
      description: "By what a member is found to be up: a connection, an answer to GET, or one to PING as a Redis.",
      examples: ["http"],
    }),
    path: Type.Optional(
      Type.String({ pattern: PROBE_PATH_PATTERN, description: "Path that http asks for. / if you send none." }),
    ),
  },
  { additionalProperties: false, title: "Probe", description: "How members are probed." },
);
const Zone = Type.Union([Type.String({ pattern: ZONE_PATTERN }), Type.Null()], {
  description: "Zone that the member is in, for the policy location. null: none.",
  examples: ["fra"],
});
const Weight = Type.Integer({
  minimum: 1,
  maximum: MAX_MEMBER_WEIGHT,
  description: "Share of the connections beside the other members'.",
  examples: [1],
});
const Draining = Type.Boolean({ description: "Whether it gets no new connections, while open ones go on." });
const OpsMember = Type.Object(
  {
    address: Type.String({ description: "Where the member is." }),
    weight: Weight,
    zone: Zone,
    draining: Draining,
    gateways: Type.Array(
      Type.Object({
        gateway: Type.String({ description: "Name of the gateway." }),
        state: Type.Enum([...memberStatesTold], {
          description:
            "up: it gets connections. retired: it does not answer. draining: it gets no new ones. unknown: what carries " +
            "the service does not tell.",
        }),
        fault: Type.Union([Type.String(), Type.Null()], { description: "Why it is retired. null: it is not." }),
        sessions: Type.Integer({ description: "Open connections to it." }),
      }),
      { description: "How each gateway sees it; none that does not tell." },
    ),
  },
  { title: "Member", description: "One target of a service." },
);
const serviceFields = {
  name: Name,
  port: Type.Integer({
    minimum: 1,
    maximum: 65_535,
    description: "Port that gateways listen on.",
    examples: [443],
  }),
  protocol: Type.Enum([...protocols], {
    description:
      "tcp: bytes as they come. tls: bytes in TLS, which ends at the gateway. http: HTTP by domain, in TLS but on port 80.",
    examples: ["http"],
  }),
};
const Names = Type.Array(Type.String({ maxLength: 253 }), {
  maxItems: MOST_NAMES,
  description: "Names in TLS or domains in HTTP. None: whoever comes to the port.",
  examples: [["www.example.org"]],
});
const PoolKey = Type.Union([Type.String({ pattern: POOL_KEY_PATTERN }), Type.Null()], {
  description:
    "Key of the pool in Redis that has the members: serverPool, or serverPool:<name>. null: the members are declared " +
    "here.",
  examples: ["serverPool"],
});
const OpsService = Type.Object(
  {
    ...serviceFields,
    name: Type.String({
      description: "Name of the service; of one that hosts announce: <application>:<port>:<domain>.",
      examples: ["web"],
    }),
    names: Names,
    policy: Policy,
    probe: ProbeOf,
    poolKey: PoolKey,
    members: Type.Array(OpsMember),
    refused: Type.Array(Type.String(), { description: "What is wrong with the pool in Redis, and is left out." }),
    kind: Type.Enum(["declared", "announced"], {
      description: "Whether an operator has declared it, or hosts announce it as an application.",
    }),
    state: Type.Enum([...serviceStates], {
      description:
        "How it is, over all gateways. up: all members get connections. degraded: some do not. down: on a gateway, none " +
        "does. draining: none gets new ones. empty: it has none. not-carried: by no gateway. untold: what carries it " +
        "does not tell. unknown: gateways do not tell now.",
    }),
    connections: Type.Integer({ description: "Open connections through all gateways." }),
  },
  { title: "Service", description: "Something that gateways carry besides instances." },
);
/** A service as the operator reads it. */
export type OpsService = Static<typeof OpsService>;
const NewService = Type.Object(
  {
    ...serviceFields,
    names: Type.Optional(Names),
    policy: Type.Optional(Policy),
    probe: Type.Optional(ProbeOf),
    poolKey: Type.Optional(PoolKey),
  },
  { additionalProperties: false, title: "NewService", description: "A service to declare." },
);
const ServiceChange = Type.Object(
  { policy: Type.Optional(Policy), probe: Type.Optional(ProbeOf) },
  { additionalProperties: false, minProperties: 1, title: "ServiceChange", description: "A change of a service." },
);
const NewMember = Type.Object(
  { weight: Type.Optional(Weight), zone: Type.Optional(Zone), draining: Type.Optional(Draining) },
  { additionalProperties: false, title: "NewMember", description: "What a member is to be." },
);
const OneService = Type.Object({ name: Name });
const OneMember = Type.Object({
  name: Name,
  address: Type.String({
    maxLength: 64,
    description: "Where the member is: ip:port, an IPv6 address in brackets.",
    examples: ["10.0.0.5:8080"],
  }),
});
const AnnouncerName = Type.String({
  pattern: ANNOUNCER_NAME_PATTERN,
  description: "Name of the host: small letters, digits and dashes, 63 at most.",
  examples: ["web-1"],
});
const Applications = Type.Union(
  [Type.Array(Type.String({ pattern: SERVICE_NAME_PATTERN }), { minItems: 1, maxItems: 100 }), Type.Null()],
  { description: "Names of the applications that it may announce. null: any.", examples: [["shop"]] },
);
const OpsAnnouncer = Type.Object(
  {
    name: AnnouncerName,
    applications: Applications,
    createdAt: Type.String({ format: "date-time", description: "When it was created." }),
    createdBy: Type.String({ description: "Operator who created it." }),
  },
  { title: "Announcer", description: "A host that may announce applications." },
);
const NewAnnouncer = Type.Object(
  { name: AnnouncerName, applications: Type.Optional(Applications) },
  { additionalProperties: false, title: "NewAnnouncer", description: "A host that is to announce applications." },
);
const AnnouncerCreated = Type.Object(
  {
    name: AnnouncerName,
    user: Type.String({ description: "User to log in to Redis as." }),
    password: Type.String({ description: "Password of that user. Only this answer shows it." }),
    key: Type.String({ description: "Key to set, with a time to live." }),
  },
  { title: "AnnouncerCreated", description: "How a new announcer announces." },
);
const OpsAnnouncements = Type.Object(
  {
    hosts: Type.Array(
      Type.Object({
        host: Type.String({ description: "Name of the host that announces." }),
        applications: Type.Array(
          Type.Object({
            name: Type.String({ description: "Name of the application." }),
            listenPort: Type.Integer({ description: "Port that gateways listen on." }),
            protocol: Type.String({ description: "http or tcp." }),
            domains: Type.Array(Type.String(), { description: "Domains of the application." }),
            target: Type.String({ description: "Where the host serves it: ip:port." }),
          }),
        ),
        refused: Type.Array(
          Type.Object({
            application: Type.Union([Type.String(), Type.Null()], {
              description: "Name of the application. null: it cannot be told, or the whole announcement is meant.",
            }),
            reason: Type.String({ description: "What is wrong, and is not followed." }),
          }),
        ),
      }),
      { description: "Hosts that announce something now." },
    ),
    conflicts: Type.Array(
      Type.Object({
        claim: Type.String({ description: "What is claimed: domain:<domain> or port:<port>." }),
        owner: Type.String({ description: "Application that has it. *: the port carries domains of several." }),
        application: Type.String({ description: "Application that does not get it." }),
        hosts: Type.Array(Type.String(), { description: "Hosts that announce it." }),
      }),
      { description: "What an application announces and another one owns." },
    ),
  },
  { title: "Announcements", description: "What hosts announce now." },
);
/** What hosts announce, as the operator reads it. */
export type OpsAnnouncements = Static<typeof OpsAnnouncements>;
const OneAnnouncer = Type.Object({ name: AnnouncerName });

const schemas = {
  list: {
    ...forViewer,
    operationId: "listServices",
    summary: "List services",
    description:
      "Lists the services that are declared, and those that gateways carry because hosts announce them, with their " +
      "members and how each gateway sees these.",
    response: { 200: Type.Array(OpsService) },
  },
  declare: {
    ...forOperator,
    operationId: "declareService",
    summary: "Declare a service",
    description:
      "All gateways carry it from now on. Members are added by the calls below, or come from a pool in Redis.",
    body: NewService,
    response: { 201: OpsService },
    refusals: ["not-possible-here"] satisfies ProblemName[],
  },
  change: {
    ...forOperator,
    operationId: "changeService",
    summary: "Change how members are chosen and probed",
    description: "What you do not send stays.",
    params: OneService,
    body: ServiceChange,
    response: { 200: OpsService },
    refusals: ["not-possible-here"] satisfies ProblemName[],
  },
  remove: {
    ...forOperator,
    operationId: "removeService",
    summary: "Remove a service",
    description: "New connections are refused, and open ones get some time to end. A pool in Redis stays as it is.",
    params: OneService,
    response: { 204: Type.Null({ description: "The service is removed." }) },
  },
  putMember: {
    ...forOperator,
    operationId: "putMember",
    summary: "Add or change a member",
    description:
      "What you do not send is weight 1, no zone, not draining. A member of a pool in Redis has nothing else.",
    params: OneMember,
    body: NewMember,
    response: { 200: OpsService },
    refusals: ["not-possible-here"] satisfies ProblemName[],
  },
  removeMember: {
    ...forOperator,
    operationId: "removeMember",
    summary: "Remove a member",
    description: "It gets no new connections, and open ones get some time to end.",
    params: OneMember,
    response: { 204: Type.Null({ description: "The member is removed." }) },
  },
  listAnnouncers: {
    ...forViewer,
    operationId: "listAnnouncers",
    summary: "List announcers",
    description: "Lists the hosts that may announce applications.",
    response: { 200: Type.Array(OpsAnnouncer) },
  },
  addAnnouncer: {
    ...forOperator,
    operationId: "addAnnouncer",
    summary: "Let a host announce applications",
    description: "The host logs in to Redis as a user that can set its own key and nothing else.",
    body: NewAnnouncer,
    response: { 201: AnnouncerCreated },
    refusals: ["not-possible-here"] satisfies ProblemName[],
  },
  listAnnouncements: {
    ...forViewer,
    operationId: "listAnnouncements",
    summary: "Read what hosts announce",
    description:
      "Tells which applications hosts announce now, what is wrong with them, and who owns what several want.",
    response: { 200: OpsAnnouncements },
  },
  removeAnnouncer: {
    ...forOperator,
    operationId: "removeAnnouncer",
    summary: "Let a host announce nothing more",
    description: "What it has announced is gone at once.",
    params: OneAnnouncer,
    response: { 204: Type.Null({ description: "The host announces nothing more." }) },
  },
};

/** Services that gateways carry besides instances, and hosts that may announce applications. */
export function opsServiceRoutes(parts: OpsServiceParts) {
  const { store, pools, serviceRules: rules } = parts;

  /** What gateways tell now: nothing while that is unknown. */
  async function readTold(): Promise<ToldServices> {
    if (!parts.edge) return toldServices([], []);
    const [gateways, reports] = await Promise.all([
      whileKnown(parts.edge.list(), "redis"),
      whileKnown(parts.serviceReports.list(), "redis"),
    ]);
    return toldServices(gateways?.map(({ name }) => name) ?? null, reports ?? null);
  }

  async function shown(
    { members, poolKey, names, probe, ...service }: DeclaredService,
    told: ToldServices,
  ): Promise<OpsService> {
    const reports = told.of(service.name);
    const seen = seenMembers(reports);
    const kept = members.map(({ address, weight, zone, isDraining }) => ({
      address: address.text,
      weight,
      zone,
      draining: isDraining,
      gateways: [...(seen.get(address.text) ?? [])],
    }));
    const pooled = poolKey === null ? undefined : await shownPool(poolKey, seen);
    return {
      ...service,
      names: [...names],
      probe: { ...probe },
      poolKey,
      members: pooled?.members ?? kept,
      refused: pooled?.refused ?? [],
      kind: "declared",
      state: serviceState(reports, told.isKnown),
      connections: connectionsIn(reports),
    };
  }

  async function shownPool(
    key: string,
    seen: ReadonlyMap<string, readonly SeenMember[]>,
  ): Promise<Pick<OpsService, "members" | "refused">> {
    const text = await pools.read(key);
    if (text === undefined) return { members: [], refused: [`Redis has no key ${key}`] };
    const reading = readPool(text, { own: { ips: [], ports: [] }, mostMembers: rules.mostMembers });
    if (reading.kind === "refused") return { members: [], refused: [`${key}: ${reading.reason}`] };
    return {
      members: reading.members.map(({ text: address }) => ({
        ...{ address, weight: 1, zone: null, draining: false },
        gateways: [...(seen.get(address) ?? [])],
      })),
      refused: [...reading.refused],
    };
  }

  /** Applications that hosts announce, as gateways carry them. */
  function announced(declared: readonly DeclaredService[], told: ToldServices): OpsService[] {
    return serviceOverviews(declared, told)
      .filter(({ kind }) => kind === "announced")
      .map(({ name, port, protocol, names, state, connections }) => ({
        ...{ name, port, protocol, state, connections },
        names: [...names],
        policy: "round-robin",
        probe: { kind: "tcp" },
        poolKey: null,
        members: [...seenMembers(told.of(name))].map(([address, gateways]) => ({
          ...{ address, weight: 1, zone: null, gateways: [...gateways] },
          draining: gateways.every((seen) => seen.state === "draining"),
        })),
        refused: [],
        kind: "announced",
      }));
  }

  async function shownNamed(name: string): Promise<OpsService> {
    const service = (await store.services.list()).find((each) => each.name === name);
    if (!service) throw new ProblemError(problems.noService());
    return shown(service, await readTold());
  }

  return (app: App) => {
    app.get("/ops/api/services", { schema: schemas.list }, async () => {
      const [declared, told] = await Promise.all([store.services.list(), readTold()]);
      return [...(await Promise.all(declared.map((each) => shown(each, told)))), ...announced(declared, told)];
    });

    app.post("/ops/api/services", { schema: schemas.declare }, async (request, reply) => {
      const { name, port, protocol, names = [], policy = "round-robin", poolKey = null } = request.body;
      const probe = probeIn(request.body.probe ?? { kind: "tcp" });
      const by = callerOf(request).name;
      const result = await declareService(parts, rules, by, { name, port, protocol, names, policy, probe, poolKey });
      if (result.kind === "name-taken") throw notPossible(`There is a service ${name} already.`);
      if ("reason" in result) throw notPossible(result.reason);
      request.log.info({ by, service: name, port }, "operator declared a service");
      return reply.code(201).send(await shownNamed(name));
    });

    app.patch("/ops/api/services/:name", { schema: schemas.change }, async (request) => {
      const { name } = request.params;
      const { policy, probe } = request.body;
      const by = callerOf(request).name;
      const change = { ...(policy && { policy }), ...(probe && { probe: probeIn(probe) }) };
      const result = await changeService(parts, rules, by, name, change);
      if (result.kind === "refused") throw notPossible(result.reason);
      if (result.kind === "unknown") throw new ProblemError(problems.noService());
      request.log.info({ by, service: name }, "operator changed a service");
      return shownNamed(name);
    });

    app.delete("/ops/api/services/:name", { schema: schemas.remove }, async (request, reply) => {
      const { name } = request.params;
      const by = callerOf(request).name;
      if (!(await removeService(parts, by, name))) throw new ProblemError(problems.noService());
      request.log.info({ by, service: name }, "operator removed a service");
      return reply.code(204).send(null);
    });

    app.put("/ops/api/services/:name/members/:address", { schema: schemas.putMember }, async (request) => {
      const { name, address } = request.params;
      const { weight = 1, zone = null, draining = false } = request.body;
      const by = callerOf(request).name;
      const result = await putMember(parts, rules, by, name, { address, weight, zone, isDraining: draining });
      if (result.kind === "refused") throw notPossible(result.reason);
      if (result.kind === "unknown") throw new ProblemError(problems.noService());
      request.log.info({ by, service: name, address }, "operator put a member");
      return shownNamed(name);
    });

    app.delete("/ops/api/services/:name/members/:address", { schema: schemas.removeMember }, async (request, reply) => {
      const { name, address } = request.params;
      const by = callerOf(request).name;
      if (!(await removeMember(parts, rules, by, name, address))) throw new ProblemError(problems.noMember());
      request.log.info({ by, service: name, address }, "operator removed a member");
      return reply.code(204).send(null);
    });

    app.get("/ops/api/announcers", { schema: schemas.listAnnouncers }, async () =>
      (await store.announcers.list()).map(({ name, applications, createdAt, createdBy }) => ({
        name,
        applications: applications === null ? null : [...applications],
        createdAt: createdAt.toISOString(),
        createdBy,
      })),
    );

    app.get("/ops/api/announcements", { schema: schemas.listAnnouncements }, async (): Promise<OpsAnnouncements> => {
      const { hosts, conflicts } = await readAnnounced(parts, parts.announcementRules);
      return {
        hosts: hosts.map(({ host, applications, refused }) => ({
          host,
          applications: applications.map(({ target, domains, ...application }) => ({
            ...application,
            domains: [...domains],
            target: target.text,
          })),
          refused: refused.map((part) => ({ ...part })),
        })),
        conflicts: conflicts.map((conflict) => ({ ...conflict, hosts: [...conflict.hosts] })),
      };
    });

    app.post("/ops/api/announcers", { schema: schemas.addAnnouncer }, async (request, reply) => {
      const { name, applications = null } = request.body;
      const by = callerOf(request).name;
      const result = await addAnnouncer(parts, by, name, applications);
      if (result.kind === "name-taken") throw notPossible(`There is an announcer ${name} already. Remove it first.`);
      request.log.info({ by, announcer: name, applications }, "operator lets a host announce");
      return reply.code(201).send({
        name,
        user: `${announcerUserPrefix}${name}`,
        password: result.password,
        key: `${ANNOUNCEMENT_PREFIX}${name}`,
      });
    });

    app.delete("/ops/api/announcers/:name", { schema: schemas.removeAnnouncer }, async (request, reply) => {
      const { name } = request.params;
      const by = callerOf(request).name;
      if (!(await removeAnnouncer(parts, by, name))) throw new ProblemError(problems.noAnnouncer());
      request.log.info({ by, announcer: name }, "operator lets a host announce no more");
      return reply.code(204).send(null);
    });
  };
}

function probeIn({ kind, path = "/" }: Static<typeof ProbeOf>): Probe {
  return kind === "http" ? { kind, path } : { kind };
}

/** @param reason a sentence, or what is wrong with an address */
function notPossible(reason: string): ProblemError {
  return new ProblemError(problems.notPossibleHere(reason.endsWith(".") ? reason : `${reason}.`));
}
