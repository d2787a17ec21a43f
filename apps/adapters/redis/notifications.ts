import type { Redis } from "ioredis";
import type { JobName } from "../../core/events/names.ts";

const CHANNEL = "getaredis:run";

/**
 * Asks whoever runs the jobs to run one now. A nudge that gets lost is made up for by the job's next
 * tick: no error.
 * @returns how many processes have heard it
 */
export function requestRun(redis: Redis, job: JobName): Promise<number> {
  return redis.publish(CHANNEL, job).catch(() => 0);
}

/** Calls `onRequest` with the name of each job that is asked for, over a connection that does nothing else. */
export function onRunRequested(redis: Redis, onRequest: (job: string) => void): void {
  redis.on("message", (_channel, job) => onRequest(job));
  // The client renews what it has subscribed to; a first time that failed is made up for here.
  const subscribe = () => void redis.subscribe(CHANNEL).catch(() => undefined);
  redis.on("ready", subscribe);
  if (redis.status === "ready") subscribe();
}
