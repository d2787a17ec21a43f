import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { childrenOf, endProcess } from "../../process/processes.ts";
import type { Place } from "./places.ts";

const ENTER = fileURLToPath(new URL("enter.sh", import.meta.url));
const BOOT = fileURLToPath(new URL("boot.sh", import.meta.url));

/** A machine that is switched on. */
export interface Power {
  /** Its first process, as this machine numbers it: systemd. */
  firstPid: number;
  /** Aborted when the machine is off, also when it shut down by itself. */
  isOff: AbortSignal;
  /** Cuts the power: all its processes are gone at once, the disk stays. */
  off: () => Promise<void>;
}

/**
 * Switches a machine on: real systemd as first process in namespaces of its own. `plugIn` connects its network
 * cards before systemd starts. It ends with this process, however that ends.
 */
export async function switchOn(
  place: Place,
  name: string,
  plugIn: (firstPid: number) => Promise<void>,
): Promise<Power> {
  const child = spawn("bash", [ENTER, place.label, "bash", BOOT, place.dir, name, place.label], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const ended = once(child, "exit");
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  const isReady = await Promise.race([once(child.stdout, "data").then(() => true), ended.then(() => false)]);
  const [firstPid] = child.pid === undefined ? [] : await childrenOf(child.pid);
  if (!isReady || firstPid === undefined)
    throw new Error(`machine ${name} did not start (are you root?): ${complaints.trim()}`);
  const ending = new AbortController();
  void ended.then(() => ending.abort());
  const off = async () => {
    // SIGKILL is the only signal from outside that ends systemd. Once it has ended, its pid may be another's.
    if (!ending.signal.aborted) await endProcess(firstPid, 5_000, "SIGKILL");
    await ended;
  };
  try {
    await plugIn(firstPid);
    child.stdin.end("go\n");
  } catch (cause) {
    await off();
    throw cause;
  }
  return { firstPid, isOff: ending.signal, off };
}
