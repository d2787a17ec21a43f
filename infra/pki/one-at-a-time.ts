import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 50;
const WAIT_MS = 15_000;

/**
 * Runs `work` while no other process of this machine works on the same folder. The lock is a socket
 * name of the kernel's, so a killed process leaves none. Throws when it is not our turn within 15 s.
 */
export async function oneAtATime<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const name = `\0getaredis-pki-${createHash("sha256").update(dir).digest("hex").slice(0, 32)}`;
  const deadline = performance.now() + WAIT_MS;
  let holder = await hold(name);
  while (holder === undefined) {
    if (performance.now() > deadline) throw new Error(`another process works on ${dir}: try again when it is done`);
    await sleep(POLL_MS);
    holder = await hold(name);
  }
  try {
    return await work();
  } finally {
    holder.close();
    await once(holder, "close");
  }
}

async function hold(name: string) {
  const holder = createServer().listen(name);
  try {
    await once(holder, "listening");
    return holder;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw cause;
  }
}
