import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endLeftovers } from "../../infra/process/kept-program.ts";
import { clearAbandoned, ownedName } from "../../infra/process/owners.ts";
import { endProcess, findProcesses } from "../../infra/process/processes.ts";

/**
 * A new folder that belongs to this process. Servers outlive a test process that was killed: those of abandoned
 * folders of the same kind are ended first, and their data is removed.
 */
export async function claimOwnFolder(kind: string): Promise<string> {
  await clearAbandoned(tmpdir(), (name) => name.startsWith(`${kind}-`), clearFolder);
  const dir = join(tmpdir(), await ownedName(kind));
  await mkdir(dir, { mode: 0o711 });
  return dir;
}

async function clearFolder(dir: string): Promise<void> {
  await endLeftovers({ pidsDir: join(dir, "pids") }, 1_000);
  const isServerThere = ([command = "", ...args]: string[]) =>
    (/(mariadbd|redis-server|haproxy)$/.test(command) && args.some((argument) => argument.includes(`${dir}/`))) ||
    // It has its arguments in its title.
    (command.startsWith("nginx: master") && command.includes(`${dir}/`));
  for (const pid of await findProcesses(isServerThere)) await endProcess(pid, 5_000, "SIGKILL");
  await rm(dir, { recursive: true, force: true });
}
