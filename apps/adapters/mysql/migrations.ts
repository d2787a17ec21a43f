import { readFile, readdir } from "node:fs/promises";
import { customAlphabet } from "nanoid";
import { createConnection } from "mysql2/promise";
import type { ResultSetHeader, RowDataPacket } from "mysql2/promise";

const folder = new URL("../../../migrations/", import.meta.url);
const LOCK_SECONDS = 60;
const deploymentId = customAlphabet("0123456789abcdefghijklmnopqrstuvwxyz", 12);

/**
 * Brings the database at `mysqlUrl` up to the newest schema: runs the numbered SQL files not yet run, in order,
 * under a server-wide lock so that replicas starting together do it once. A file whose run was interrupted is
 * run again. Gives the deployment its id the first time.
 * @returns names of the files that were run
 * @throws when the server cannot be reached, the lock is not free within 60 s, or a statement fails
 */
export async function migrate(mysqlUrl: string): Promise<string[]> {
  const connection = await createConnection({ uri: mysqlUrl, multipleStatements: true, timezone: "Z" });
  try {
    // The lock belongs to this connection and ends with it, also when the process is killed.
    const [[lock]] = await connection.query<RowDataPacket[]>(
      "SELECT GET_LOCK(CONCAT(DATABASE(), '.migrate'), ?) AS held",
      [LOCK_SECONDS],
    );
    if (lock?.["held"] !== 1)
      throw new Error(`another process has been migrating the database for more than ${LOCK_SECONDS} s`);
    await connection.query(
      `CREATE TABLE IF NOT EXISTS migrations (
         name VARCHAR(100) NOT NULL PRIMARY KEY,
         run_at DATETIME(3) NOT NULL
       ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
    );
    const [rows] = await connection.query<RowDataPacket[]>("SELECT name FROM migrations");
    const done = new Set(rows.map((row) => row["name"] as string));
    const pending = (await readdir(folder)).filter((name) => name.endsWith(".sql") && !done.has(name)).sort();
    for (const name of pending) {
      await connection.query(await readFile(new URL(name, folder), "utf8"));
      await connection.execute<ResultSetHeader>("INSERT INTO migrations (name, run_at) VALUES (?, UTC_TIMESTAMP(3))", [
        name,
      ]);
    }
    await connection.execute("INSERT IGNORE INTO deployment (only_row, id) VALUES (1, ?)", [deploymentId()]);
    return pending;
  } finally {
    await connection.end();
  }
}
