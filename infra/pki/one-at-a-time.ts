import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { holdLock } from "../process/held-lock.ts";

/** Name of the file in a folder that is locked by the process that works on it. */
export const LOCK = "lock";
const POLL_MS = 50;
const WAIT_MS = 15_000;

/**
 * Runs `work` while no other process works on the same folder, which is there and closed to others.
 * @throws when it is not our turn within 15 s, or when `ending` aborts before it is
 */
export async function oneAtATime<T>(dir: string, work: () => Promise<T>, ending?: AbortSignal): Promise<T> {
  const deadline = performance.now() + WAIT_MS;
  let lock = await holdLock(join(dir, LOCK));
  while ("heldBy" in lock) {
    if (ending?.aborted) throw new Error(`told to stop while another process works on ${dir}: nothing was changed`);
    if (performance.now() > deadline)
      throw new Error(`another process (${lock.heldBy}) works on ${dir}: try again when it is done`);
    await sleep(POLL_MS);
    lock = await holdLock(join(dir, LOCK));
  }
  try {
    return await work();
  } finally {
    await lock.release();
  }
}
