import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

/**
 * Makes this process the only run on a state folder, until it ends, however it ends: what is held is
 * a socket name of the kernel's, so there is no stale lock. Throws with the pid of the other run.
 */
export async function becomeOnlyRun(stateDir: string): Promise<void> {
  const pidFile = join(stateDir, "pid");
  const holder = createServer();
  const hash = createHash("sha256").update(stateDir).digest("hex").slice(0, 32);
  holder.listen(`\0getaredis-${hash}`);
  try {
    await once(holder, "listening");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
    const pid = (await readFile(pidFile, "utf8").catch(() => "unknown")).trim();
    throw new Error(`Get a Redis runs here already (process ${pid}): stop it with Ctrl-C where it runs, or give this one another STATE_DIR and PORT`, { cause });
  }
  holder.unref();
  await writeFile(pidFile, `${process.pid}\n`);
}
