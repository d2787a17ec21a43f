import { addressStatements } from "./addresses.ts";
import { openDatabase } from "./database.ts";
import { doomedStatements } from "./doomed.ts";
import { dropletStatements } from "./droplets.ts";
import { eventStatements } from "./events.ts";
import { figureStatements } from "./figures.ts";
import { handoutStatements } from "./handouts.ts";
import { historyStatements } from "./history.ts";
import { hostStatements } from "./hosts.ts";
import { leaseStatements } from "./leases.ts";
import { searchStatements } from "./search.ts";
import { sessionStatements } from "./sessions.ts";
import { switchStatements } from "./switches.ts";

/** Everything kept in MySQL. */
export type MysqlStore = ReturnType<typeof createMysqlStore>;

/** The store on `mysqlUrl` (MySQL 8 or MariaDB 10.6+, migrated). Calls throw `Unavailable` while the server does not answer. */
export function createMysqlStore(mysqlUrl: string) {
  const database = openDatabase(mysqlUrl);
  return {
    ...handoutStatements(database),
    ...leaseStatements(database),
    ...hostStatements(database),
    ...addressStatements(database),
    ...historyStatements(database),
    ...dropletStatements(database),
    ...eventStatements(database),
    ...doomedStatements(database),
    ...switchStatements(database),
    ...searchStatements(database),
    ...sessionStatements(database),
    ...figureStatements(database),
    disconnect: database.close,
  };
}
