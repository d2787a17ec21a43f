import type { Routes } from "../../core/edge/contract.ts";
import type { Effects } from "../turns.ts";
import type { Tables } from "./tables.ts";

/** Routes of the instances in the tables; always all of them. */
export function routeEffects(tables: Tables): Effects<Routes> {
  return {
    read: () => ({
      isAll: true,
      routes: [...tables.instances.values()]
        .filter(({ state }) => state !== "ending" && state !== "ended")
        .map(({ id, hostName, port }) => ({ id, address: tables.hosts.get(hostName)?.checkHost ?? "", port })),
      gone: [],
      mark: { at: 0 },
    }),
  };
}
