import type { Logger } from "pino";
import type { JobRuns } from "../core/operator/contract.ts";
import type { JobName } from "../core/events/names.ts";
import type { Job } from "./schedule.ts";
import { messageOf } from "../lib/errors.ts";

/** What a runner keeps of each run. */
export type RunnerStore = { readonly runs: Pick<JobRuns, "begin" | "finish"> };

/**
 * A runner that keeps how each run came out.
 * @param leastPauseMs between two requested runs of a job: requests come from outside and may come too often
 */
export function createRunner(store: RunnerStore, clock: () => Date, logger: Logger, leastPauseMs: number) {
  const running = new Map<JobName, Promise<void>>();
  const wanted = new Set<JobName>();
  const requestedAt = new Map<JobName, number>();
  const putOff = new Map<JobName, NodeJS.Timeout>();
  let isStopping = false;

  /** Runs a job unless it is running already. Never throws. */
  async function tick(job: Job): Promise<void> {
    if (running.has(job.name) || isStopping) return;
    const run = noted(job).catch((fault: unknown) => logger.error({ job: job.name, err: fault }, "job failed"));
    running.set(job.name, run);
    await run;
    running.delete(job.name);
    if (wanted.delete(job.name)) await tick(job);
  }

  /**
   * Runs a job now, or once the pause since its last requested run is over. A job that is running runs once
   * more afterwards: it may have read the state before the change that this request is about.
   */
  async function requestRun(job: Job): Promise<void> {
    const waitMs = (requestedAt.get(job.name) ?? -Infinity) + leastPauseMs - clock().getTime();
    if (waitMs > 0) {
      if (!putOff.has(job.name)) putOff.set(job.name, setTimeout(() => void requestLate(job), waitMs).unref());
      return;
    }
    requestedAt.set(job.name, clock().getTime());
    if (running.has(job.name)) wanted.add(job.name);
    else await tick(job);
  }

  async function requestLate(job: Job): Promise<void> {
    putOff.delete(job.name);
    await requestRun(job);
  }

  async function noted(job: Job): Promise<void> {
    if (job.isOurs && !(await job.isOurs())) return;
    await store.runs.begin(job.name, clock());
    try {
      await job.run();
      await store.runs.finish(job.name, clock(), undefined);
    } catch (fault) {
      // The fault is thrown on even when it cannot be kept.
      await store.runs.finish(job.name, clock(), messageOf(fault)).catch(() => undefined);
      throw fault;
    }
  }

  /** Starts no more runs, and resolves when those under way are over. */
  async function stop(): Promise<void> {
    isStopping = true;
    for (const timer of putOff.values()) clearTimeout(timer);
    await Promise.all(running.values());
  }

  return { tick, requestRun, stop };
}
