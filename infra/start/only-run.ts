import { execFile } from "node:child_process";
import { readlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { asRoot } from "../process/as-root.ts";
import { holdLock } from "../process/held-lock.ts";

const run = promisify(execFile);
/** Root's, so that a user who may not run an engine cannot hold its lock. */
const LOCKS_DIR = "/run/getaredis";

/** Makes this process the only run on a state folder, until it ends. Throws with the pid of the other run. */
export async function becomeOnlyRun(stateDir: string): Promise<void> {
  const lock = await holdLock(join(stateDir, "lock"));
  if ("heldBy" in lock)
    throw new Error(
      `Get a Redis is already running here (process ${lock.heldBy}): press Ctrl-C in its terminal to stop it`,
    );
}

/**
 * Makes this process the only one on this machine (network namespace) with a private engine, until it ends:
 * each dockerd treats the packet filter as its own, and would cut off the other's instances. Needs root or
 * passwordless sudo, as an engine does.
 */
export async function becomeOnlyEngineOwner(): Promise<void> {
  // "net:[4026531840]"
  const network = /\d+/.exec(await readlink("/proc/self/ns/net"))?.[0] ?? "";
  const file = join(LOCKS_DIR, `engine-${network}`);
  const [command, args] = await asRoot("sh", ["-euc", MAKE_LOCK, "sh", LOCKS_DIR, file, String(process.getuid?.())]);
  await run(command, args);
  const lock = await holdLock(file);
  if ("heldBy" in lock)
    throw new Error(
      `another Get a Redis on this machine runs a private Docker Engine (process ${lock.heldBy}), and two of them ` +
        "would break each other's network: stop that one, or give both one engine with DOCKER_HOST",
    );
}

/** Arguments: the folder, the file, who shall be able to open it. A file that is there stays, and who holds it. */
const MAKE_LOCK = 'mkdir -p -m 755 "$1"; touch "$2"; chmod 600 "$2"; chown "$3" "$2"';
