import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { readTransfer } from "../../apps/core/instances/read-transfer.ts";
import { createMetrics } from "../../apps/api/figures/metrics.ts";
import { realRandom } from "../../apps/lib/random.ts";
import { buildServer, type ServerParts } from "../../apps/api/server.ts";
import { createReplyBudget } from "../../apps/core/console/reply-budget.ts";
import type { JobName } from "../../apps/core/events/names.ts";
import { servedHosts } from "../../apps/core/settings/http.ts";
import { LONGEST_GAP_MS } from "../../apps/core/operator/misuse.ts";
import { readAdmission } from "../../apps/core/admission/admit.ts";
import { channelTargets } from "../../apps/core/settings/notifications.ts";
import { handoutRules } from "../../apps/core/settings/instances.ts";
import { WARM_PERIOD_MS } from "../../apps/core/settings/warm-pool.ts";
import { readWanted, USUAL_START_MS } from "../../apps/core/warm-pool/wanted.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { realTime } from "../../apps/lib/time.ts";
import { createTwinPortMaps } from "../../apps/twins/port-maps.ts";
import { announcementRules, serviceRules } from "../../apps/core/settings/balance.ts";
import { createTwinBalance } from "../../apps/twins/balance.ts";
import { createTwinService, TWIN_IMAGE, TWIN_SECRET, type TwinService } from "./twin-service.ts";

/** Where the API is for those who call it: what is called is the application itself, through no socket. */
const ORIGIN = "http://127.0.0.1:8080";
const MB = 1024 * 1024;
const OPS_TOKEN = "token-of-the-operator";

/** The API on a service in memory. */
export type TwinApi = Awaited<ReturnType<typeof createTwinApi>>;

/** What {@link TwinApi.call} is told of a call: as for `fetch`, and the address of the caller's socket. */
export type TwinCall = RequestInit & { readonly remoteAddress?: string };

export type TwinApiOptions = {
  /** Names of the hosts; one when not given. */
  readonly hostNames?: readonly string[];
  /** Slots of each host. */
  readonly capacity?: number;
  /** Settings by their names, over those that tests of other things want. */
  readonly env?: Readonly<Record<string, string>>;
  /** Connections to instances; when not given, no instance answers. */
  readonly consoles?: ServerParts["consoles"];
  /** What is known of gateways; when not given, nobody waits for any. */
  readonly edge?: ServerParts["edge"];
  /** What they tell of services; when not given, nothing. */
  readonly serviceReports?: ServerParts["serviceReports"];
};

/**
 * The API of `apps/api` as its program builds it, on a service in memory whose hosts are seen and open. The service's
 * time is virtual, so leases end when a test says so; pauses are real, since HTTP is real I/O. Rates are counted in
 * memory. The caller closes it.
 */
export async function createTwinApi({ hostNames = ["host-a"], capacity = 8, ...options }: TwinApiOptions = {}) {
  const service = createTwinService();
  for (const [index, name] of hostNames.entries())
    await service.addHost(name, { publicHost: `192.0.2.${index + 1}`, capacity });
  const api = await openApi(service, options);

  /** Another API process on the same service, with other settings where `env` names them; the caller closes it. */
  const openReplica = (env: Readonly<Record<string, string>> = {}) =>
    openApi(service, { ...options, env: { ...options.env, ...env } });

  return { ...api, openReplica };
}

async function openApi(
  service: TwinService,
  {
    env = {},
    consoles = noConsoles,
    edge,
    serviceReports = { list: () => Promise.resolve([]) },
  }: Pick<TwinApiOptions, "env" | "consoles" | "edge" | "serviceReports">,
) {
  const settings = loadSettings(
    {
      INSTANCE_IMAGE: TWIN_IMAGE,
      OPS_TOKEN,
      SERVER_SECRET: TWIN_SECRET,
      RATE_LIMIT_PER_MINUTE: "100000",
      HANDOUT_RATE_LIMIT_PER_MINUTE: "100000",
      QUOTA_PER_NETWORK: "10000",
      STARTS_PER_ADDRESS_PER_DAY: "100000",
      STARTS_PER_NETWORK_PER_DAY: "100000",
      HANDOUTS_PER_MINUTE: "100000",
      NEWCOMER_PERCENT: "0",
      PROOF_OF_WORK_MAX_BITS: "0",
      ...env,
    },
    ["INSTANCE_IMAGE", "OPS_TOKEN", "SERVER_SECRET"],
  );
  const { store, discovery, clock } = service;
  const fleet = service.openCache();
  await fleet.refresh(clock());
  const portMaps = createTwinPortMaps();
  const balance = createTwinBalance({ clock });
  const lines: string[] = [];
  const requestedRuns: JobName[] = [];
  const requestRun = (job: JobName) => {
    requestedRuns.push(job);
    return Promise.resolve(1);
  };
  const rules = handoutRules(settings);
  const metrics = createMetrics({
    version: "1.2.3",
    standings: () => fleet.standings(clock()),
    countHandouts: () => store.history.countHandouts(clock()),
    listServers: store.leases.listServers,
    readAdmission: () => readAdmission({ pressure: service.pressure, fleet, clock, rules }),
    listWarm: store.warmPool.list,
    countWanted: () =>
      readWanted(store.warmPool, { ...settings.warmPool, periodMs: WARM_PERIOD_MS }, USUAL_START_MS, clock()),
    listDroplets: store.droplets.list,
    listRuns: store.runs.list,
    countMisused: () => store.misuse.count(new Date(clock().getTime() - LONGEST_GAP_MS)),
    readTransfer: () => readTransfer(store, settings.instances.transferBytes, clock()),
    transferAlarmBytes: settings.jobs.transferAlarmBytes,
    hasEdge: edge !== undefined,
    listGateways: edge?.list ?? (() => Promise.resolve([])),
    listServiceReports: serviceReports.list,
    listAlarms: store.notifications.listAlarms,
    countMessages: store.notifications.count,
  });
  const app = await buildServer({
    logger: pino({ name: "api", level: settings.service.logLevel }, { write: (line) => void lines.push(line) }),
    ...realTime,
    clock,
    store,
    fleet,
    pressure: service.pressure,
    engines: service.engines,
    consoles,
    edge,
    serviceReports,
    replyBudget: createReplyBudget(settings.consoles.replyMbPerMinute * MB),
    metrics,
    rateLimitRedis: undefined,
    ping: { mysql: store.ping, redis: discovery.ping },
    portMaps,
    pools: balance.pools,
    announcerUsers: balance.users,
    board: balance.board,
    serviceRules: serviceRules(settings),
    announcementRules: announcementRules(settings),
    requestRun,
    newMessageId: () => `msg_${randomUUID()}`,
    probe: service.probe,
    checkLogin: service.checkLogin,
    random: realRandom,
    onHostFailure: (host) => metrics.hostFailures.inc({ host }),
    onWarmFailure: (host) => metrics.warmFailures.inc({ host }),
    onStandbyTaken: () => void requestRun("scale"),
    rules,
    settings: {
      trustedProxies: settings.service.trustProxy ?? [],
      hosts: servedHosts(settings),
      http: settings.http,
      metricsToken: settings.http.metricsToken,
      channels: channelTargets(settings.notifications),
      operatorStreams: settings.http.operatorStreams,
      requestsPerMinute: settings.service.rateLimitPerMinute,
      handoutsPerMinute: settings.instances.handoutRateLimitPerMinute,
      transferBytes: settings.instances.transferBytes,
      replyMbPerMinute: settings.consoles.replyMbPerMinute,
      opsToken: settings.service.opsToken,
      operator: settings.operator,
      records: settings.jobs,
      region: settings.cloud === undefined ? undefined : settings.fleet.region,
      overview: {
        isFleet: false,
        standbys: settings.fleet.standbys,
        cap: settings.fleet.cap,
        bootTimeoutSeconds: settings.fleet.bootTimeoutMs / 1000,
      },
    },
  });

  /** Calls the application as `fetch` calls a server, with the headers that `fetch` adds. */
  async function call(path: string, { remoteAddress = "127.0.0.1", ...init }: TwinCall = {}): Promise<Response> {
    // No two calls come at the same moment.
    service.time.pass(1);
    const request = new Request(new URL(path, ORIGIN), init);
    const { host, pathname, search } = new URL(request.url);
    const body = request.body ? Buffer.from(await request.arrayBuffer()) : undefined;
    const { statusCode, headers, rawPayload } = await app.inject({
      method: request.method as "GET",
      url: `${pathname}${search}`,
      remoteAddress,
      headers: {
        host,
        accept: "*/*",
        ...(!body && ["POST", "PUT", "PATCH"].includes(request.method) && { "content-length": "0" }),
        ...Object.fromEntries(request.headers),
      },
      ...(body && { payload: body }),
    });
    return new Response([204, 304].includes(statusCode) ? null : new Uint8Array(rawPayload), {
      status: statusCode,
      headers: Object.entries(headers).flatMap(([name, value]) =>
        [value ?? []].flat().map((each): [string, string] => [name, String(each)]),
      ),
    });
  }

  /** All hosts beat, and the API reads them anew, as it does each second. */
  async function seeHosts(): Promise<void> {
    for (const { host } of await store.hosts.list()) discovery.beat(host.name);
    await fleet.refresh(clock());
  }

  return {
    app,
    call,
    seeHosts,
    fleet,
    service,
    origin: ORIGIN,
    opsToken: settings.service.opsToken,
    /** The way to the hosts' programs that balance ports. */
    portMaps,
    /** Pools in Redis, and who may announce. */
    balance,
    /** Jobs that were asked to run now, in order. */
    requestedRuns,
    /** Everything logged so far, one JSON object a line. */
    log: () => lines.join(""),
    /** Has it listen on loopback, for what takes a socket to show; resolves to its origin. */
    listen: () => app.listen({ host: "127.0.0.1", port: 0 }),
    close: () => app.close(),
  };
}

const noConsoles: ServerParts["consoles"] = {
  run: () => Promise.resolve({ kind: "unreachable" }),
  close: () => undefined,
};
