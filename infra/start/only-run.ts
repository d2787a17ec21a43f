import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

/** Makes this process the only run on a state folder, until it ends. Throws with the pid of the other run. */
export async function becomeOnlyRun(stateDir: string): Promise<void> {
  const pidFile = join(stateDir, "pid");
  if (!(await hold(createHash("sha256").update(stateDir).digest("hex").slice(0, 32)))) {
    const pid = (await readFile(pidFile, "utf8").catch(() => "unknown")).trim();
    throw new Error(`Get a Redis runs here already (process ${pid}): stop it with Ctrl-C where it runs`);
  }
  await writeFile(pidFile, `${process.pid}\n`);
}

/**
 * Makes this process the only one on this machine (network namespace) with a private engine, until it
 * ends: each dockerd takes the packet filter for its own, and would cut off the other's instances.
 */
export async function becomeOnlyEngineOwner(): Promise<void> {
  if (await hold("private-engine")) return;
  throw new Error(
    "another Get a Redis on this machine runs a private Docker Engine, and two of them would break each other's network: stop that one, or give both one engine with DOCKER_HOST",
  );
}

/**
 * Holds a name for as long as this process lives, however it ends: it is a socket name of the kernel's,
 * so there is no stale lock. False when another process holds it.
 */
async function hold(name: string): Promise<boolean> {
  const holder = createServer();
  holder.listen(`\0getaredis-${name}`);
  try {
    await once(holder, "listening");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw cause;
  }
  holder.unref();
  return true;
}
