import type { Store } from "../../core/store.ts";
import { announcerStatements } from "./announcers.ts";
import { blockStatements } from "./blocks.ts";
import { openDatabase } from "./database.ts";
import { destroyRequestStatements } from "./destroy-requests.ts";
import { dropletStatements } from "./droplets.ts";
import { eventStatements } from "./events.ts";
import { figureStatements } from "./figures.ts";
import { gatewayDropletStatements } from "./gateway-droplets.ts";
import { handoutStatements } from "./handouts.ts";
import { historyStatements } from "./history.ts";
import { hostStatements } from "./hosts.ts";
import { leaseStatements } from "./leases.ts";
import { loginStatements } from "./logins.ts";
import { misuseStatements } from "./misuse.ts";
import { notificationStatements } from "./notifications.ts";
import { operatorStatements } from "./operators.ts";
import { routeStatements } from "./routes.ts";
import { runStatements } from "./runs.ts";
import { searchStatements } from "./search.ts";
import { serviceStatements } from "./services.ts";
import { slotStatements } from "./slots.ts";
import { portStatements } from "./ports.ts";
import { switchStatements } from "./switches.ts";
import { warmPoolStatements } from "./warm-pool.ts";
import { transferStatements } from "./transfers.ts";
import { workloadStatements } from "./workloads.ts";

/**
 * The store on `mysqlUrl` (MySQL 8 or MariaDB 10.6+, migrated). Calls
 * throw `Unavailable` while the server does not answer.
 * @param answerMs time that the server gets for each answer; 5 s when it is not given
 */
export function createMysqlStore(mysqlUrl: string, answerMs?: number): Store {
  const database = openDatabase(mysqlUrl, answerMs);
  return {
    handouts: handoutStatements(database),
    leases: leaseStatements(database),
    warmPool: warmPoolStatements(database),
    transfers: transferStatements(database),
    routes: routeStatements(database),
    hosts: hostStatements(database),
    droplets: dropletStatements(database),
    gatewayDroplets: gatewayDropletStatements(database),
    ports: portStatements(database),
    workloads: workloadStatements(database),
    events: eventStatements(database),
    services: serviceStatements(database),
    announcers: announcerStatements(database),
    switches: switchStatements(database),
    blocks: blockStatements(database),
    misuse: misuseStatements(database),
    destroyRequests: destroyRequestStatements(database),
    search: searchStatements(database),
    slots: slotStatements(database),
    operators: operatorStatements(database),
    notifications: notificationStatements(database),
    logins: loginStatements(database),
    runs: runStatements(database),
    figures: figureStatements(database),
    history: historyStatements(database),
    ping: async () => {
      await database.query((sql) => sql.rows("SELECT 1"));
    },
    disconnect: database.close,
  };
}
