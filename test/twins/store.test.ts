import { describe } from "node:test";
import { SCALING } from "../../apps/core/fleet/scaling.ts";
import { createTwinLeadership } from "../../apps/twins/leadership.ts";
import { createTwinStore } from "../../apps/twins/store/index.ts";
import { createTables, type Tables } from "../../apps/twins/store/tables.ts";
import { describeLeadershipContract } from "../contracts/leadership.ts";
import type { KeptKind } from "../contracts/store/bed.ts";
import { describeStoreContract } from "../contracts/store/index.ts";

const sizes: Readonly<Record<KeptKind, (tables: Tables) => number>> = {
  addresses: ({ addresses }) => addresses.size,
  droplets: ({ droplets }) => droplets.size,
  events: ({ events }) => events.length,
  hosts: ({ hosts }) => hosts.size,
  instances: ({ instances }) => instances.size,
  logins: ({ logins }) => logins.size,
  quotaPlaces: ({ quotaPlaces }) => [...quotaPlaces.values()].reduce((sum, places) => sum + places.size, 0),
  slots: ({ slots }) => [...slots.values()].flat().length,
};

describe("the store in memory", () => {
  describeStoreContract(() => {
    const tables = createTables();
    let leader = createTwinLeadership(tables, SCALING);
    return Promise.resolve({
      store: createTwinStore(tables),
      another: () => createTwinStore(tables),
      lead: async () => {
        await leader.resign();
        leader = createTwinLeadership(tables, SCALING);
        return (await leader.term()) ?? 0;
      },
      count: (kind) => Promise.resolve(sizes[kind](tables)),
      close: () => Promise.resolve(),
    });
  });

  describeLeadershipContract(() => {
    const tables = createTables();
    return Promise.resolve((job) => createTwinLeadership(tables, job));
  });
});
