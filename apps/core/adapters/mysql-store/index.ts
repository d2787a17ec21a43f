import { openDatabase } from "./database.ts";
import { handoutStatements } from "./handouts.ts";
import { historyStatements } from "./history.ts";
import { hostStatements } from "./hosts.ts";
import { leaseStatements } from "./leases.ts";

/** Everything kept in MySQL. */
export type MysqlStore = ReturnType<typeof createMysqlStore>;

/** The store on `mysqlUrl` (MySQL 8 or MariaDB 10.6+, migrated). Calls throw `Unavailable` while the server does not answer. */
export function createMysqlStore(mysqlUrl: string) {
  const database = openDatabase(mysqlUrl);
  return {
    ...handoutStatements(database),
    ...leaseStatements(database),
    ...hostStatements(database),
    ...historyStatements(database),
    disconnect: database.close,
  };
}
