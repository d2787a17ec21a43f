import type { HeartbeatReading } from "./host.ts";

/** What was read of a host's heartbeat, undefined when its key did not exist, and when. */
export type KnownHeartbeat = { readonly reading: HeartbeatReading | undefined; readonly readAt: Date };

/** A small fleet is read whole each time. */
const LEAST_A_TIME = 256;
/** Of hosts without a heartbeat that can be believed: it may arrive at any moment. Of more, each gets its turn. */
const UNHEARD_A_TIME = 256;

/**
 * Names of the hosts whose heartbeats have to be read now. A key that was seen is there until its time is over: it is
 * read when that has come, and not before, unless
 * - it is the host's turn: each host's is read within half of `maxAgeMs`, so that what it says is fresh and a later
 *   silence of the system that keeps heartbeats finds none of them too old;
 * - it is one of the `first`, which get the next instances;
 * - it could not be believed, or there was none.
 * @param known what was read of each host, the oldest reading first; undefined of those never read
 * @param sinceMs time since heartbeats were read last
 */
export function heartbeatsDue(
  known: ReadonlyMap<string, KnownHeartbeat | undefined>,
  first: Iterable<string>,
  now: Date,
  { sinceMs, maxAgeMs }: { readonly sinceMs: number; readonly maxAgeMs: number },
): string[] {
  const due = new Set(first);
  let turns = Math.max(LEAST_A_TIME, Math.ceil((known.size * sinceMs) / (maxAgeMs / 2)));
  let unheard = UNHEARD_A_TIME;
  for (const [name, last] of known) {
    if (last === undefined || isOver(last, now)) due.add(name);
    else if (turns > 0) {
      turns--;
      due.add(name);
    } else if (last.reading?.kind !== "beat" && unheard > 0) {
      unheard--;
      due.add(name);
    }
  }
  return [...due];
}

/** Whether the key has reached its end, unless another heartbeat has come since. */
function isOver({ reading, readAt }: KnownHeartbeat, now: Date): boolean {
  return reading?.kind === "beat" && reading.lifeMs !== undefined && readAt.getTime() + reading.lifeMs <= now.getTime();
}
