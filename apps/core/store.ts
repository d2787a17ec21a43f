import type { Announcers, Services } from "./balance/contract.ts";
import type { Routes } from "./edge/contract.ts";
import type { Events } from "./events/contract.ts";
import type { Figures, History } from "./figures/contract.ts";
import type { Droplets, GatewayDroplets, Hosts } from "./fleet/contract.ts";
import type { HostPorts, Workloads } from "./ports/contract.ts";
import type { Handouts, Leases, Transfers } from "./instances/contract.ts";
import type { WarmPool } from "./warm-pool/contract.ts";
import type { Notifications } from "./notifications/contract.ts";
import type {
  Blocks,
  DestroyRequests,
  InstanceDirectory,
  JobRuns,
  Logins,
  Misuse,
  Operators,
  Slots,
  Switches,
} from "./operator/contract.ts";

/**
 * Everything that is kept, by noun: what an adapter of a store offers. Programs pass on the nouns that a part
 * needs; no part takes the whole store.
 */
export type Store = {
  readonly handouts: Handouts;
  readonly leases: Leases;
  readonly warmPool: WarmPool;
  readonly transfers: Transfers;
  readonly routes: Routes;
  readonly hosts: Hosts;
  readonly droplets: Droplets;
  readonly gatewayDroplets: GatewayDroplets;
  readonly ports: HostPorts;
  readonly workloads: Workloads;
  readonly events: Events;
  readonly services: Services;
  readonly announcers: Announcers;
  readonly switches: Switches;
  readonly blocks: Blocks;
  readonly misuse: Misuse;
  readonly notifications: Notifications;
  readonly destroyRequests: DestroyRequests;
  readonly search: InstanceDirectory;
  readonly slots: Slots;
  readonly operators: Operators;
  readonly logins: Logins;
  readonly runs: JobRuns;
  readonly figures: Figures;
  readonly history: History;
  /** Resolves when the store answers. @throws Unavailable when it does not */
  readonly ping: () => Promise<void>;
  readonly disconnect: () => Promise<void>;
};
