import { execFile } from "node:child_process";
import { access, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { createConnection } from "mysql2/promise";
import { freePort } from "../process/free-port.ts";
import { keptSecret } from "./kept-secret.ts";
import { endLeftBehind } from "../process/processes.ts";
import { startServerProcess } from "../process/server-process.ts";
import type { ServerProcess } from "../process/server-process.ts";

const run = promisify(execFile);
const DATABASE = "getaredis";
const STOP_GRACE_MS = 30_000;

export interface MariadbServer extends ServerProcess {
  /** Admin address: `mysql://root:<password>@127.0.0.1:<port>/getaredis`; the database exists. */
  url: string;
}

/**
 * Starts a private MariaDB on a free loopback port with its data in `dir`, laid out on the first
 * start. It runs as our own user, root included: the data is in that user's folders, which
 * a service account could not even enter. A server that a killed run left there is stopped first,
 * and what it had committed is there again. `port` brings it back where it was.
 */
export async function startMariadb({ dir, port }: { dir: string; port?: number }): Promise<MariadbServer> {
  const root = resolve(dir);
  const data = join(root, "data");
  const files = join(root, "files");
  // A MariaDB that starts clears its folder for temporary tables: in /tmp it would take those of others.
  const temporary = join(root, "tmp");
  const pidFile = join(root, "mariadbd.pid");
  for (const folder of [files, temporary]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const password = await keptSecret(join(root, "password"));
  await endLeftBehind(
    pidFile,
    ([command, ...args]) => command?.includes("mariadbd") === true && args.includes(`--datadir=${data}`),
    STOP_GRACE_MS,
  );
  if (!(await exists(data))) await layOut(data, temporary);

  const initFile = join(root, "init.sql");
  await writeFile(initFile, initialStatements(password), { mode: 0o600 });
  const chosen = port ?? (await freePort());
  const url = `mysql://root:${password}@127.0.0.1:${chosen}/${DATABASE}`;
  const server = await startServerProcess({
    name: "mariadbd",
    command: "mariadbd",
    args: [
      "--no-defaults",
      `--datadir=${data}`,
      `--pid-file=${pidFile}`,
      `--tmpdir=${temporary}`,
      `--init-file=${initFile}`,
      `--user=${await userName()}`,
      "--bind-address=127.0.0.1",
      `--port=${chosen}`,
      // Relative to the data: an absolute path can be longer than a socket address holds.
      "--socket=mariadbd.sock",
      "--skip-name-resolve",
      // SELECT … INTO OUTFILE and LOAD DATA reach this folder only, as root too.
      `--secure-file-priv=${files}`,
      "--local-infile=0",
      "--character-set-server=utf8mb4",
      "--default-time-zone=+00:00",
      // MySQL 8's default. MariaDB's own lets pass what MySQL refuses: loose grouping, and dates of zero.
      "--sql-mode=ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
      "--max-connections=300",
      "--innodb-buffer-pool-size=64M",
      "--innodb-log-file-size=32M",
      "--innodb-use-native-aio=0",
      "--key-buffer-size=1M",
      "--aria-pagecache-buffer-size=4M",
      "--performance-schema=0",
    ],
    logFile: join(root, "mariadbd.log"),
    probe: () => pingMysql(url),
    startTimeoutMs: 60_000,
    stopGraceMs: STOP_GRACE_MS,
  });
  return { ...server, url };
}

/** Whether the MySQL at an address answers a query; rejects with the reason when it does not. */
export async function pingMysql(url: string): Promise<void> {
  const connection = await createConnection({ uri: url, connectTimeout: 3_000 });
  try {
    await connection.query({ sql: "SELECT 1", timeout: 3_000 });
  } finally {
    connection.destroy();
  }
}

/** Under another name first: a lay-out that was killed half-way is never taken for data. */
async function layOut(data: string, temporary: string): Promise<void> {
  const unfinished = `${data}.new`;
  await rm(unfinished, { recursive: true, force: true });
  const laidOut = run("mariadb-install-db", [
    "--no-defaults",
    `--datadir=${unfinished}`,
    `--tmpdir=${temporary}`,
    `--user=${await userName()}`,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
    "--skip-name-resolve",
    "--innodb-log-file-size=32M",
    "--innodb-use-native-aio=0",
  ]);
  await laidOut.catch((cause: unknown) => {
    // It complains on standard output.
    const { stdout = "", stderr = "" } = cause as { stdout?: string; stderr?: string };
    throw new Error(
      `MariaDB could not lay out its data: ${(stderr + stdout).trim().split("\n").slice(0, 8).join("\n")}`,
      { cause },
    );
  });
  await rename(unfinished, data);
}

/**
 * Run at each start, one statement a line as the server wants it; the password has no quotes in it. The lay-out
 * makes root accounts for more names of this machine than we use, and none of those has a password. Locked
 * accounts and roles cannot log in anyway.
 */
function initialStatements(password: string): string {
  return ["localhost", "127.0.0.1"]
    .flatMap((host) => [
      `CREATE USER IF NOT EXISTS 'root'@'${host}';`,
      `ALTER USER 'root'@'${host}' IDENTIFIED BY '${password}';`,
      `GRANT ALL PRIVILEGES ON *.* TO 'root'@'${host}' WITH GRANT OPTION;`,
    ])
    .concat(
      "DELETE FROM mysql.global_priv WHERE IFNULL(JSON_VALUE(priv, '$.authentication_string'), '') = '' " +
        "AND IFNULL(JSON_VALUE(priv, '$.account_locked'), 'false') IN ('false', '0') " +
        "AND IFNULL(JSON_VALUE(priv, '$.is_role'), 'false') IN ('false', '0');",
      "FLUSH PRIVILEGES;",
      `CREATE DATABASE IF NOT EXISTS ${DATABASE};`,
      "",
    )
    .join("\n");
}

async function userName(): Promise<string> {
  // Not os.userInfo(): containers run us under ids that have no name, and the number does as well.
  const { stdout } = await run("id", ["-u", "-n"]).catch(() => run("id", ["-u"]));
  return stdout.trim();
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
