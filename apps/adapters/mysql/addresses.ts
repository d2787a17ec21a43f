import type { Database } from "./database.ts";

/** Where instances are found. */
export function addressStatements(database: Database) {
  /** Address and port at which the control plane reaches an instance; undefined when there is none of this id. */
  function findAddress(instanceId: string): Promise<{ readonly host: string; readonly port: number } | undefined> {
    return database.query(async (session) => {
      const [row] = await session.rows<{ host: string; port: number }>(
        "SELECT hosts.check_host AS host, instances.port FROM instances JOIN hosts ON hosts.id = host_id WHERE instances.id = ?",
        [instanceId],
      );
      return row && { host: row.host, port: row.port };
    });
  }

  return { findAddress };
}
