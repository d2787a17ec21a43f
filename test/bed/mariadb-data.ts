import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createConnection } from "mysql2/promise";
import { migrate } from "../../apps/adapters/mysql/migrations.ts";
import { clearAbandoned, ownedName } from "../../infra/process/owners.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { startMariadb } from "../../infra/servers/mariadb.ts";

const run = promisify(execFile);
const KEPT = projectPath(".getaredis/test-mariadb");
const UNFINISHED = "unfinished";

/**
 * Gives a MariaDB that has not run yet, in `dir`, its data: laid out already, and its database has the newest schema.
 * A copy takes a tenth of the processor time of doing both anew. The first test on a machine makes what the others copy.
 */
export async function copyMariadbData(dir: string): Promise<void> {
  const kept = join(KEPT, await version());
  if (!(await exists(kept))) await make(kept);
  await mkdir(dir, { recursive: true });
  await run("cp", ["--archive", "--sparse=always", kept, join(dir, "data")]);
}

/** What the data depend on: the server, how it is laid out, and the schema. */
async function version(): Promise<string> {
  const { stdout } = await run("mariadbd", ["--version"]);
  const migrations = (await readdir(projectPath("migrations"))).sort().map((name) => `migrations/${name}`);
  const hash = createHash("sha256").update(stdout);
  for (const file of ["infra/servers/mariadb.ts", ...migrations]) hash.update(await readFile(projectPath(file)));
  return hash.digest("hex").slice(0, 16);
}

async function make(kept: string): Promise<void> {
  await mkdir(KEPT, { recursive: true });
  const isUnfinished = (name: string) => name.startsWith(`${UNFINISHED}-`);
  await clearAbandoned(KEPT, isUnfinished, remove);
  // Of another server or schema.
  for (const name of await readdir(KEPT))
    if (!isUnfinished(name) && join(KEPT, name) !== kept) await remove(join(KEPT, name));
  const dir = join(KEPT, await ownedName(UNFINISHED));
  try {
    const server = await startMariadb({ dir });
    try {
      await migrate(server.url);
      const connection = await createConnection({ uri: server.url });
      // Each copy gets an id of its own when it is migrated.
      await connection.query("DELETE FROM deployment");
      await connection.end();
    } finally {
      await server.stop();
    }
    // Files that run at once may all make it; one of them is kept.
    await rename(join(dir, "data"), kept).catch(async (fault: unknown) => {
      if (!(await exists(kept))) throw fault;
    });
  } finally {
    await remove(dir);
  }
}

async function remove(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
