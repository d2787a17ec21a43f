import { createHash } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { holdName } from "../process/held-name.ts";

const POLL_MS = 50;
const WAIT_MS = 15_000;

/**
 * Runs `work` while no other process of this machine works on the same folder.
 * @throws when it is not our turn within 15 s, or when `ending` aborts before it is
 */
export async function oneAtATime<T>(dir: string, work: () => Promise<T>, ending?: AbortSignal): Promise<T> {
  const name = `pki-${createHash("sha256").update(dir).digest("hex").slice(0, 32)}`;
  const deadline = performance.now() + WAIT_MS;
  let holder = await holdName(name);
  while (holder === undefined) {
    if (ending?.aborted) throw new Error(`told to stop while another process works on ${dir}: nothing was changed`);
    if (performance.now() > deadline) throw new Error(`another process works on ${dir}: try again when it is done`);
    await sleep(POLL_MS);
    holder = await holdName(name);
  }
  try {
    return await work();
  } finally {
    holder.close();
    await once(holder, "close");
  }
}
