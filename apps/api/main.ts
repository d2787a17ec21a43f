import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import { nanoid } from "nanoid";
import { pino } from "pino";
import { createFleetCache } from "../core/fleet/fleet-cache.ts";
import { createReplyBudget } from "../core/console/reply-budget.ts";
import { COMMAND_TIMEOUT_MS, KEPT_REPLY_BYTES } from "../core/console/run-command.ts";
import { clientTlsIn } from "../adapters/pki/pki-files.ts";
import { createDockerEngines } from "../adapters/docker/engines.ts";
import { createMysqlStore } from "../adapters/mysql/index.ts";
import { createRedisDiscovery, openRedis } from "../adapters/redis/discovery.ts";
import { createRedisConsoles } from "../adapters/redis/consoles/index.ts";
import { createRedisMembership, createRedisRouteNews, createRedisServiceReports } from "../adapters/redis/gateways.ts";
import { createAnnouncementBoard } from "../adapters/redis/announcements.ts";
import { createAnnouncerUsers } from "../adapters/redis/announcer-users.ts";
import { createRedisPools } from "../adapters/redis/pools.ts";
import { createRedisPressure } from "../adapters/redis/pressure.ts";
import { createPortMaps } from "../adapters/redis/port-maps.ts";
import { requestRun } from "../adapters/redis/notifications.ts";
import { checkLogin, waitForPong } from "../adapters/redis/probe.ts";
import { keepStrangersOut } from "../adapters/redis/strangers.ts";
import { noNetworks, readListedNetworks } from "../core/instances/listed-networks.ts";
import { createEdgeRoutes, type EdgeRoutes } from "../core/edge/edge-routes.ts";
import { edgeOf } from "../core/settings/edge.ts";
import { announcementRules, serviceRules } from "../core/settings/balance.ts";
import { servedHosts } from "../core/settings/http.ts";
import { readAdmission } from "../core/admission/admit.ts";
import { readTransfer } from "../core/instances/read-transfer.ts";
import { LONGEST_GAP_MS } from "../core/operator/misuse.ts";
import { channelTargets } from "../core/settings/notifications.ts";
import { handoutRules } from "../core/settings/instances.ts";
import { WARM_PERIOD_MS } from "../core/settings/warm-pool.ts";
import { readWanted, USUAL_START_MS } from "../core/warm-pool/wanted.ts";
import { realTime } from "../lib/time.ts";
import { loadSettings } from "../core/settings/load.ts";
import { listen } from "../lib/http/listen.ts";
import { inLog, runProgram, type Lifecycle } from "../lib/lifecycle.ts";
import { createFigureKeeper } from "./figures/figure-keeper.ts";
import { createMetrics } from "./figures/metrics.ts";
import { realRandom } from "../lib/random.ts";
import { buildServer } from "./server.ts";

const SECOND = 1000;
const MB = 1024 * 1024;
const FIGURES_MS = 5 * SECOND;
/**
 * Each console uses one of its instance's connections, hence few of them; they are kept long enough for a
 * person to pause.
 */
const consoleLimits = {
  most: 500,
  mostPerInstance: 5,
  mostWaiting: 4,
  idleMs: 180 * SECOND,
  connectTimeoutMs: 3 * SECOND,
  commandTimeoutMs: COMMAND_TIMEOUT_MS,
};

const settings = loadSettings(process.env, ["MYSQL_URL", "REDIS_URL", "OPS_TOKEN", "SERVER_SECRET", "INSTANCE_IMAGE"]);
// Errors of Redis clients carry the command that failed, and with a login the password in it.
const logger = pino({ name: "api", level: settings.service.logLevel, redact: ["err.command.args"] });
const { clock } = realTime;

await runProgram(serve, inLog(logger));

/** Serves requests until it is told to stop; then finishes or undoes those in flight, and closes its connections. */
async function serve({ undoLater, untilTold }: Lifecycle): Promise<void> {
  const store = createMysqlStore(settings.service.mysqlUrl);
  undoLater("database", store.disconnect);
  const redis = openRedis(settings.service.redisUrl, (fault) => logger.warn({ err: fault }, "redis connection failed"));
  undoLater("redis", () => redis.disconnect());
  const discovery = createRedisDiscovery(redis);
  const fleet = createFleetCache(
    { listChanged: store.hosts.listChanged, readHeartbeats: discovery.readHeartbeats },
    settings.hosts,
  );
  const rules = handoutRules(settings, await readNetworks(settings.admission.quotaNetworks));
  const pressure = createRedisPressure(redis);
  const targets = channelTargets(settings.notifications);
  const channelNames = targets.map(({ channel }) => channel);
  const serviceReports = createRedisServiceReports(redis);
  const metrics = createMetrics({
    version: await readVersion(),
    standings: () => fleet.standings(clock()),
    countHandouts: () => store.history.countHandouts(clock()),
    listServers: store.leases.listServers,
    readAdmission: () => readAdmission({ pressure, fleet, clock, rules }),
    listWarm: store.warmPool.list,
    countWanted: () =>
      readWanted(store.warmPool, { ...settings.warmPool, periodMs: WARM_PERIOD_MS }, USUAL_START_MS, clock()),
    listDroplets: store.droplets.list,
    listRuns: store.runs.list,
    countMisused: () => store.misuse.count(new Date(clock().getTime() - LONGEST_GAP_MS)),
    readTransfer: () => readTransfer(store, settings.instances.transferBytes, clock()),
    transferAlarmBytes: settings.jobs.transferAlarmBytes,
    hasEdge: edgeOf(settings) !== undefined,
    listGateways: createRedisMembership(redis).list,
    listServiceReports: serviceReports.list,
    listAlarms: store.notifications.listAlarms,
    // Messages for a way that is not set up any more wait for nobody.
    countMessages: async () =>
      (await store.notifications.count()).filter(({ channel }) => channelNames.includes(channel)),
  });
  const consoles = createRedisConsoles({
    ...consoleLimits,
    reply: { readBytes: settings.consoles.replyMb * MB, keptBytes: KEPT_REPLY_BYTES },
  });
  undoLater("consoles", consoles.closeAll);
  const engines = createDockerEngines(
    settings.hosts.engineTimeoutMs,
    settings.enrolment.pkiDir === undefined
      ? undefined
      : clientTlsIn(settings.enrolment.pkiDir, () => performance.now()),
  );
  const edge = joinEdge(redis, undoLater);
  const app = await buildServer({
    logger,
    ...realTime,
    store,
    fleet,
    pressure,
    engines,
    consoles,
    replyBudget: createReplyBudget(settings.consoles.replyMbPerMinute * MB),
    metrics,
    rateLimitRedis: redis,
    ping: { mysql: store.ping, redis: discovery.ping },
    portMaps: createPortMaps(redis),
    serviceReports,
    requestRun: (job) => requestRun(redis, job),
    pools: createRedisPools(redis),
    announcerUsers: createAnnouncerUsers(redis, settings.service.serverSecret),
    board: createAnnouncementBoard(redis),
    serviceRules: serviceRules(settings),
    announcementRules: announcementRules(settings),
    newMessageId: () => `msg_${nanoid()}`,
    probe: waitForPong,
    checkLogin,
    edge,
    random: realRandom,
    onHostFailure: (host, instance, fault) => {
      metrics.hostFailures.inc({ host });
      logger.warn({ host, instance, err: fault }, "hand-out failed on host");
    },
    onWarmFailure: (host, instance, fault) => {
      metrics.warmFailures.inc({ host });
      logger.warn({ host, instance, err: fault }, "warm instance cannot be handed out");
    },
    onStandbyTaken: (host) => {
      logger.debug({ host }, "standby taken");
      void requestRun(redis, "scale");
    },
    rules,
    settings: {
      trustedProxies: settings.service.trustProxy ?? [],
      hosts: servedHosts(settings),
      http: settings.http,
      metricsToken: settings.http.metricsToken,
      channels: targets,
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
        isFleet: settings.cloud !== undefined,
        standbys: settings.fleet.standbys,
        cap: settings.fleet.cap,
        bootTimeoutSeconds: settings.fleet.bootTimeoutMs / SECOND,
      },
    },
  });

  const keeper = createFigureKeeper({
    tally: metrics.handoutTally,
    keepMinute: store.figures.keepMinute,
    source: nanoid(16),
    clock,
  });
  const stopping = new AbortController();
  const loops = [
    watchFleet(stopping.signal),
    keepFigures(stopping.signal),
    keepStrangersOut(redis, settings.service.redisLoginMs, logger, stopping.signal),
  ];
  undoLater("fleet cache and figures", async () => {
    stopping.abort();
    await Promise.all(loops);
    await keeper.keep().catch((fault: unknown) => logger.warn({ err: fault }, "the last figures are lost"));
  });
  undoLater("requests", () => app.close(), {
    withinMs: settings.service.shutdownMs,
    ifLate: "reconcile clears what they leave",
  });
  await listen(app, { host: settings.service.host, port: settings.service.port, setting: "PORT" });
  await untilTold();

  /** Refreshes the fleet cache; a fault is logged when it begins and when it is over. */
  async function watchFleet(stop: AbortSignal): Promise<void> {
    let wasFaulty = false;
    while (!stop.aborted) {
      try {
        await Promise.all([fleet.refresh(clock()), edge?.refresh()]);
        if (wasFaulty) logger.info("fleet view is fresh again");
        wasFaulty = false;
      } catch (fault) {
        metrics.viewFaults.inc();
        if (!wasFaulty) logger.warn({ err: fault }, "fleet view cannot be refreshed");
        wasFaulty = true;
      }
      await delay(settings.hosts.refreshMs, undefined, { signal: stop }).catch(() => undefined);
    }
  }

  /** Stores figures every few seconds; what cannot be stored now is stored later. */
  async function keepFigures(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await keeper.keep().catch((fault: unknown) => logger.debug({ err: fault }, "figures not kept"));
      await delay(FIGURES_MS, undefined, { signal: stop }).catch(() => undefined);
    }
  }
}

/** Routes at the edge, which hand-outs and ends wait for; undefined without one. */
function joinEdge(redis: Redis, undoLater: Lifecycle["undoLater"]): EdgeRoutes | undefined {
  if (edgeOf(settings) === undefined) return undefined;
  const listener = openRedis(settings.service.redisUrl, (fault) =>
    logger.warn({ err: fault }, "redis connection failed"),
  );
  undoLater("redis, for news of gateways", () => listener.disconnect());
  return createEdgeRoutes(
    {
      ...realTime,
      gateways: createRedisMembership(redis),
      news: createRedisRouteNews(redis, listener),
      onFault: (instance, fault) => logger.warn({ instance, err: fault }, "route is not settled"),
    },
    settings.edge,
  );
}

/** Version of this service, as package.json has it. */
async function readVersion(): Promise<string> {
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** The networks that the setting QUOTA_NETWORKS lists. @throws when its file is missing or wrong */
async function readNetworks(file: string | undefined) {
  if (file === undefined) return noNetworks;
  try {
    return readListedNetworks(await readFile(file, "utf8"));
  } catch (cause) {
    throw new Error(`QUOTA_NETWORKS is "${file}": ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}
