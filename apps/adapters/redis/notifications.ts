import type { Redis } from "ioredis";
import type { JobName } from "../../core/events/names.ts";

const CHANNEL = "getaredis:run";

/**
 * Notifies the processes that run jobs to run one now. A lost notification is no error: the job's next tick
 * does the same work.
 * @returns the number of processes that received it
 */
export function requestRun(redis: Redis, job: JobName): Promise<number> {
  return redis.publish(CHANNEL, job).catch(() => 0);
}

/** Calls `onRequest` with the name of each job whose run is requested, over a connection that does nothing else. */
export function onRunRequested(redis: Redis, onRequest: (job: string) => void): void {
  redis.on("message", (_channel, job) => onRequest(job));
  // The client renews its subscriptions after a reconnect, but not one that failed the first time.
  const subscribe = () => void redis.subscribe(CHANNEL).catch(() => undefined);
  redis.on("ready", subscribe);
  if (redis.status === "ready") subscribe();
}
