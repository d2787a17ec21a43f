import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { holdName } from "../process/held-name.ts";

/** Makes this process the only run on a state folder, until it ends. Throws with the pid of the other run. */
export async function becomeOnlyRun(stateDir: string): Promise<void> {
  const pidFile = join(stateDir, "pid");
  if ((await holdName(createHash("sha256").update(stateDir).digest("hex").slice(0, 32))) === undefined) {
    const pid = (await readFile(pidFile, "utf8").catch(() => "unknown")).trim();
    throw new Error(`Get a Redis runs here already (process ${pid}): stop it with Ctrl-C where it runs`);
  }
  await writeFile(pidFile, `${process.pid}\n`);
}

/**
 * Makes this process the only one on this machine (network namespace) with a private engine, until it ends:
 * each dockerd treats the packet filter as its own, and would cut off the other's instances.
 */
export async function becomeOnlyEngineOwner(): Promise<void> {
  if ((await holdName("private-engine")) !== undefined) return;
  throw new Error(
    "another Get a Redis on this machine runs a private Docker Engine, and two of them would break each other's " +
      "network: stop that one, or give both one engine with DOCKER_HOST",
  );
}
