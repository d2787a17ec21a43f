import { schedule as scheduleCron } from "node-cron";
import { pino } from "pino";
import { createDockerEngines } from "../core/adapters/docker-engines.ts";
import { createMysqlStore } from "../core/adapters/mysql-store/index.ts";
import { loadConfig } from "../core/config.ts";
import { schedule, type Job } from "./schedule.ts";

const SECOND = 1000;

const config = loadConfig(process.env, ["MYSQL_URL"]);
const logger = pino({ name: "jobs", level: config.LOG_LEVEL });
const clock = () => new Date();
const store = createMysqlStore(config.MYSQL_URL);
const running = new Map<string, Promise<void>>();

const jobs = schedule(config, { store, engines: createDockerEngines(config.ENGINE_TIMEOUT_SECONDS * SECOND), clock }, logger);
const tasks = jobs.map((job) => scheduleCron(job.cron, () => runOnce(job), { name: job.name }));
logger.info({ jobs: jobs.map(({ name, cron }) => ({ name, cron })) }, "jobs scheduled");
// What went wrong while nobody looked is repaired now, not at the next tick.
for (const job of jobs) void runOnce(job);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void release());

/** Runs a job unless its last run still goes on, and keeps how it came out. Never throws. */
async function runOnce(job: Job): Promise<void> {
  if (running.has(job.name)) return;
  const run = noted(job).catch((fault: unknown) => logger.error({ job: job.name, err: fault }, "job failed"));
  running.set(job.name, run);
  await run;
  running.delete(job.name);
}

async function noted(job: Job): Promise<void> {
  await store.beginRun(job.name, clock());
  try {
    await job.run();
    await store.finishRun(job.name, clock(), undefined);
  } catch (fault) {
    // That the fault cannot be kept must not hide it.
    await store.finishRun(job.name, clock(), fault instanceof Error ? fault.message : String(fault)).catch(() => undefined);
    throw fault;
  }
}

/** Starts no more runs, lets those at work finish, and lets go of everything. */
async function release(): Promise<void> {
  logger.info("stopping");
  const tooLong = setTimeout(() => {
    logger.fatal("jobs did not finish in time; the next run goes on where they stopped");
    process.exit(1);
  }, config.SHUTDOWN_SECONDS * SECOND);
  for (const task of tasks) await task.destroy();
  await Promise.all(running.values());
  await store.disconnect();
  clearTimeout(tooLong);
  logger.info("stopped");
}
