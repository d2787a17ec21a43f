import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { customAlphabet, nanoid } from "nanoid";
import { pino } from "pino";
import type { CreatePorts } from "../core/instances/create-instance.ts";
import { createFleetCache } from "../core/fleet/fleet-cache.ts";
import { COMMAND_TIMEOUT_MS } from "../core/console/run-command.ts";
import { clientTlsIn } from "../adapters/pki/pki-files.ts";
import { createDockerEngines } from "../adapters/docker/engines.ts";
import { createMysqlStore } from "../adapters/mysql/index.ts";
import { createRedisDiscovery, openRedis } from "../adapters/redis/discovery.ts";
import { createRedisConsoles } from "../adapters/redis/consoles/index.ts";
import { requestRun } from "../adapters/redis/notifications.ts";
import { waitForPong } from "../adapters/redis/probe.ts";
import { realTime } from "../lib/time.ts";
import { handoutRules, leaseBounds, loadConfig } from "../core/settings/config.ts";
import { createFigureKeeper } from "./figures/figure-keeper.ts";
import { createMetrics } from "./figures/metrics.ts";
import { buildServer } from "./server.ts";

const ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECOND = 1000;
const FIGURES_MS = 5 * SECOND;
/** Each console takes one of its instance's connections, so few; kept long enough for a pause to think. */
const consoleLimits = {
  most: 500,
  mostPerInstance: 5,
  mostWaiting: 4,
  idleMs: 180 * SECOND,
  connectTimeoutMs: 3 * SECOND,
  commandTimeoutMs: COMMAND_TIMEOUT_MS,
  mostReplyBytes: 64 * 1024,
};

const config = loadConfig(process.env, ["MYSQL_URL", "REDIS_URL", "OPS_TOKEN", "SERVER_SECRET", "INSTANCE_IMAGE"]);
// Errors of Redis clients carry the command that failed, and with a login the password in it.
const logger = pino({ name: "api", level: config.LOG_LEVEL, redact: ["err.command.args"] });
const { clock } = realTime;

const store = createMysqlStore(config.MYSQL_URL);
const redis = openRedis(config.REDIS_URL, (fault) => logger.warn({ err: fault }, "redis connection failed"));
const discovery = createRedisDiscovery(redis);
const fleet = createFleetCache(
  { listHosts: store.hosts.list, readHeartbeats: discovery.readHeartbeats },
  config.LIVENESS_MAX_AGE_SECONDS * SECOND,
  config.HOST_BACKOFF_SECONDS * SECOND,
);
const metrics = createMetrics({
  standings: () => fleet.standings(clock()),
  countHandouts: () => store.history.countHandouts(clock()),
  listDroplets: store.droplets.list,
  listRuns: store.runs.list,
});
const consoles = createRedisConsoles(consoleLimits);
const create: CreatePorts = {
  store,
  engines: createDockerEngines(
    config.ENGINE_TIMEOUT_SECONDS * SECOND,
    config.PKI_DIR === "" ? undefined : clientTlsIn(config.PKI_DIR, () => performance.now()),
  ),
  fleet,
  waitForPong,
  ...realTime,
  random: {
    id: customAlphabet("0123456789abcdefghijklmnopqrstuvwxyz", 16),
    password: customAlphabet(ALPHANUMERIC, 32),
    token: () => nanoid(32),
    nonce: () => randomBytes(12),
  },
  onHostFailure: (host, instance, fault) => {
    metrics.hostFailures.inc({ host });
    logger.warn({ host, instance, err: fault }, "hand-out failed on host");
  },
  onStandbyTaken: (host) => {
    logger.debug({ host }, "standby taken");
    void requestRun(redis, "scale");
  },
  rules: handoutRules(config),
};
const app = await buildServer({
  config,
  logger,
  store,
  fleet,
  redis,
  pingRedis: discovery.ping,
  metrics,
  create,
  lease: { store, clock, lease: leaseBounds(config) },
  console: { store, consoles, clock },
});

const stopping = new AbortController();
const watching = watchFleet();
const keeper = createFigureKeeper({ metrics, keepMinute: store.figures.keepMinute, source: nanoid(16), clock });
const keeping = keepFigures();
try {
  await app.listen({ host: config.HOST, port: config.PORT });
} catch (fault) {
  const taken = (fault as NodeJS.ErrnoException).code === "EADDRINUSE";
  logger.fatal(
    { err: fault },
    taken ? `port ${config.PORT} of ${config.HOST} is taken: set PORT to a free one` : "cannot listen",
  );
  process.exitCode = 1;
  await release();
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void release());

/** Keeps the view of the fleet fresh; a fault is logged when it begins and when it is over. */
async function watchFleet(): Promise<void> {
  let wasFaulty = false;
  while (!stopping.signal.aborted) {
    try {
      await fleet.refresh(clock());
      if (wasFaulty) logger.info("fleet view is fresh again");
      wasFaulty = false;
    } catch (fault) {
      metrics.viewFaults.inc();
      if (!wasFaulty) logger.warn({ err: fault }, "fleet view cannot be refreshed");
      wasFaulty = true;
    }
    await delay(config.FLEET_REFRESH_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
}

/** Keeps figures every few seconds; what cannot be kept now is kept later. */
async function keepFigures(): Promise<void> {
  while (!stopping.signal.aborted) {
    await keeper.keep().catch((fault: unknown) => logger.debug({ err: fault }, "figures not kept"));
    await delay(FIGURES_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
}

/** Stops taking requests, lets those in flight finish or be undone, and lets go of everything. */
async function release(): Promise<void> {
  if (stopping.signal.aborted) return;
  logger.info("stopping");
  const tooLong = setTimeout(() => {
    logger.fatal("requests did not finish in time; reconcile clears what they leave");
    process.exit(1);
  }, config.SHUTDOWN_SECONDS * SECOND);
  stopping.abort();
  await app.close();
  await watching;
  await keeping;
  await keeper.keep().catch((fault: unknown) => logger.warn({ err: fault }, "the last figures are lost"));
  consoles.closeAll();
  redis.disconnect();
  await store.disconnect();
  clearTimeout(tooLong);
  logger.info("stopped");
}
