import type { Store } from "../../core/store.ts";
import { inTurns, type Effects, type Staging } from "../turns.ts";
import { announcerEffects, serviceEffects } from "./balance.ts";
import { dropletEffects } from "./droplets.ts";
import { eventEffects } from "./events.ts";
import { figureEffects, historyEffects } from "./figures.ts";
import { gatewayDropletEffects } from "./gateway-droplets.ts";
import { handoutEffects } from "./handouts.ts";
import { hostEffects } from "./hosts.ts";
import { leaseEffects } from "./leases.ts";
import { notificationEffects } from "./notifications.ts";
import {
  blockEffects,
  destroyRequestEffects,
  loginEffects,
  misuseEffects,
  operatorEffects,
  runEffects,
  slotEffects,
  switchEffects,
} from "./operator.ts";
import { portEffects, workloadEffects } from "./ports.ts";
import { routeEffects } from "./routes.ts";
import { searchEffects } from "./search.ts";
import { createTables, type Tables } from "./tables.ts";
import { transferEffects } from "./transfers.ts";
import { warmPoolEffects } from "./warm-pool.ts";

/**
 * The store in memory: each call waits for its turn and then has its whole effect in one step. Twins over the
 * same tables are several processes on one database. Faults are given as {@link Unavailable} is thrown by the
 * real store, and name calls as in `leases.close`.
 */
export function createTwinStore(tables: Tables = createTables(), staging: Staging = {}): Store {
  const noun = <Port extends object>(name: string, effects: Effects<Port>): Port =>
    inTurns<Port>(`${name}.`, effects, staging);
  const { ping } = inTurns<Pick<Store, "ping">>("", { ping: () => undefined }, staging);
  return {
    handouts: noun("handouts", handoutEffects(tables)),
    leases: noun("leases", leaseEffects(tables)),
    warmPool: noun("warmPool", warmPoolEffects(tables)),
    transfers: noun("transfers", transferEffects(tables)),
    routes: noun("routes", routeEffects(tables)),
    hosts: noun("hosts", hostEffects(tables)),
    droplets: noun("droplets", dropletEffects(tables)),
    gatewayDroplets: noun("gatewayDroplets", gatewayDropletEffects(tables)),
    ports: noun("ports", portEffects(tables)),
    workloads: noun("workloads", workloadEffects(tables)),
    events: noun("events", eventEffects(tables)),
    services: noun("services", serviceEffects(tables)),
    announcers: noun("announcers", announcerEffects(tables)),
    switches: noun("switches", switchEffects(tables)),
    blocks: noun("blocks", blockEffects(tables)),
    misuse: noun("misuse", misuseEffects(tables)),
    notifications: noun("notifications", notificationEffects(tables)),
    destroyRequests: noun("destroyRequests", destroyRequestEffects(tables)),
    search: noun("search", searchEffects(tables)),
    slots: noun("slots", slotEffects(tables)),
    operators: noun("operators", operatorEffects(tables)),
    logins: noun("logins", loginEffects(tables)),
    runs: noun("runs", runEffects(tables)),
    figures: noun("figures", figureEffects(tables)),
    history: noun("history", historyEffects(tables)),
    ping,
    disconnect: () => Promise.resolve(),
  };
}
