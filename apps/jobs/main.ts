import { once } from "node:events";
import { schedule as scheduleCron } from "node-cron";
import { pino } from "pino";
import { createDockerEngines } from "../adapters/docker/engines.ts";
import { SCALING } from "../core/fleet/scaling.ts";
import { createMysqlStore } from "../adapters/mysql/index.ts";
import { createLeadership } from "../adapters/mysql/leadership.ts";
import { clientTlsIn, type ClientTls } from "../adapters/pki/pki-files.ts";
import { createRedisDiscovery, openRedis } from "../adapters/redis/discovery.ts";
import { onRunRequested } from "../adapters/redis/notifications.ts";
import { loadConfig, type SettingName } from "../core/settings/config.ts";
import { fleetPorts } from "./fleet.ts";
import { createRunner } from "./runner.ts";
import { schedule } from "./schedule.ts";

const SECOND = 1000;
const REQUEST_PAUSE_MS = 5 * SECOND;
const FLEET_SETTINGS: readonly SettingName[] = ["SERVER_SECRET", "PKI_DIR", "INSTANCE_IMAGE"];

const hasFleet = (process.env["DIGITALOCEAN_TOKEN"] ?? "") !== "";
const config = loadConfig(process.env, ["MYSQL_URL", "REDIS_URL", ...(hasFleet ? FLEET_SETTINGS : [])]);
// Errors of Redis clients carry the command that failed, and with a login the password in it.
const logger = pino({ name: "jobs", level: config.LOG_LEVEL, redact: ["err.command.args"] });
const clock = () => new Date();
const store = createMysqlStore(config.MYSQL_URL);
const clientTls = config.PKI_DIR === "" ? undefined : clientTlsIn(config.PKI_DIR, () => performance.now());
const engines = createDockerEngines(config.ENGINE_TIMEOUT_SECONDS * SECOND, clientTls);
const runner = createRunner(store, clock, logger, REQUEST_PAUSE_MS);
const undo: (() => Promise<unknown>)[] = [() => store.disconnect()];

const redis = connectRedis();
const listener = connectRedis();
// The first look at the fleet should not fail for a connection on its way.
await once(redis, "ready", { signal: AbortSignal.timeout(2 * SECOND) }).catch(() => undefined);
const fleet = hasFleet && clientTls ? await startFleet(clientTls) : undefined;
const jobs = schedule(
  config,
  { store, engines, clock, readHeartbeats: createRedisDiscovery(redis).readHeartbeats },
  fleet,
  logger,
);
onRunRequested(listener, (name) => {
  const job = jobs.find((each) => each.name === name);
  if (job) void runner.requestRun(job);
});
const tasks = jobs.map((job) => scheduleCron(job.cron, () => runner.tick(job), { name: job.name }));
logger.info({ jobs: jobs.map(({ name, cron }) => ({ name, cron })) }, "jobs scheduled");
// What went wrong while nobody looked is repaired now, not at the next tick.
for (const job of jobs) void runner.tick(job);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void release());

async function startFleet(tls: () => ClientTls) {
  const leadership = createLeadership(config.MYSQL_URL, SCALING);
  undo.push(() => leadership.resign());
  return fleetPorts(config, { store, redis, engines, clock, term: leadership.term, caPem: () => tls().ca });
}

function connectRedis() {
  const redis = openRedis(config.REDIS_URL, (fault) => logger.warn({ err: fault }, "redis connection failed"));
  undo.push(() => {
    redis.disconnect();
    return Promise.resolve();
  });
  return redis;
}

/** Starts no more runs, lets those at work finish, and lets go of everything. */
async function release(): Promise<void> {
  logger.info("stopping");
  const tooLong = setTimeout(() => {
    logger.fatal("jobs did not finish in time; the next run goes on where they stopped");
    process.exit(1);
  }, config.SHUTDOWN_SECONDS * SECOND);
  for (const task of tasks) await task.destroy();
  await runner.stop();
  for (const step of undo.reverse()) await step();
  clearTimeout(tooLong);
  logger.info("stopped");
}
