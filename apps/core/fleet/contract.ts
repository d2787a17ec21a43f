import type { CloudDroplet, DropletOrder } from "./cloud.ts";
import type { DropletCost } from "./droplet-costs.ts";
import type { DropletLife, DropletRow, OrderFailures } from "./droplets.ts";
import type { GatewayDropletRow, GatewayTimers } from "./gateway-droplets.ts";
import type { EngineHost, HeartbeatReading, HostState, HostUse, NewHost } from "./host.ts";
import type { HostTimers } from "./scaling.ts";

/** A moment of the store, as {@link Hosts}' `listChanged` gave it: what has changed since then is asked for with it. */
export type HostsMark = { readonly at: number };

/** Hosts as they are now, names of those that are gone, and the mark for the next call. */
export type ChangedHosts = {
  readonly hosts: readonly HostUse[];
  readonly gone: readonly string[];
  readonly mark: HostsMark;
};

/** Hosts as they are kept. Calls throw `Unavailable` while the store does not answer. */
export type Hosts = {
  /**
   * Adds a host with its slots, or updates a registered one (same name); its state is kept. Slots in use keep
   * their instance and port until they are free; those beyond a smaller capacity are not taken again, and are
   * deleted when the host is registered again.
   */
  readonly register: (host: NewHost, now: Date) => Promise<void>;
  /** All hosts, with their numbers of slots in use and of slots that are not free. */
  readonly list: () => Promise<HostUse[]>;
  /**
   * Hosts that may have changed since a mark, with those that are named besides; all when there is no mark. A change
   * may be missed when its transaction took long: who follows the hosts reads all again from time to time.
   */
  readonly listChanged: (mark: HostsMark | undefined, named: readonly string[]) => Promise<ChangedHosts>;
  /**
   * Opens or closes a host to hand-outs; false when there is no such host, or when it is being destroyed or has
   * a destroy request. Waits for hand-outs that hold the host's row: when this returns, no later hand-out takes
   * a slot of a closed host.
   */
  readonly setState: (name: string, state: HostState) => Promise<boolean>;
  /** When each host was registered. */
  readonly listFirstSeen: () => Promise<Map<string, Date>>;
  /** Id of this deployment: it marks what is ours on engines and in the cloud. */
  readonly readDeployment: () => Promise<string>;
};

/** An order as it is written before the cloud is asked. */
export type OrderIntent = {
  readonly namePrefix: string;
  readonly region: string;
  readonly size: string;
  readonly tokenHash: Buffer;
  readonly cap: number;
};

/**
 * Droplets as they are kept. Changes that cost money or move hosts are written by the leader alone: a `term`
 * that is not the newest one is refused, so that a process that has lost the leadership without noticing does
 * nothing. Calls throw `Unavailable` while the store does not answer.
 */
export type Droplets = {
  /** All droplets that are not gone, the oldest order first. */
  readonly list: () => Promise<DropletRow[]>;
  /** Droplets that exist, and those gone since `since`. */
  readonly listLives: (since: Date) => Promise<DropletLife[]>;
  /** Orders that ended without a host, since the last that became one. */
  readonly readOrderFailures: () => Promise<OrderFailures>;
  /** Writes the intent of an order and gives it its name; undefined when the term is over or the cap is reached. */
  readonly addOrder: (term: number, intent: OrderIntent, now: Date) => Promise<string | undefined>;
  /**
   * Notes which droplet an order has led to. False when it is no open order any more, or has another droplet,
   * or another order has this one.
   */
  readonly adopt: (name: string, dropletId: number, hourlyPrice: number) => Promise<boolean>;
  /** Closes an order that has led to no droplet. */
  readonly closeOrder: (name: string, reason: string, outOfStock: boolean, now: Date) => Promise<void>;
  /**
   * Enrols a droplet with its key: granted when the token is the one it was ordered with, and no other key has
   * used that token. The same key may ask again, in case its answer was lost.
   */
  readonly enrol: (claim: {
    readonly hostName: string;
    readonly tokenHash: Buffer;
    readonly keyHash: Buffer;
  }) => Promise<"granted" | "refused">;
  /** Turns a booted droplet into a host. False when it is not booting any more, or has a destroy request. */
  readonly admit: (host: NewHost, now: Date) => Promise<boolean>;
  /** Keeps the timers of hosts. */
  readonly keepTimers: (timers: readonly HostTimers[]) => Promise<void>;
  /** Clears since when hosts have been unhealthy: it was the control plane that could not see them. */
  readonly forgetUnhealthy: () => Promise<void>;
  /** Keeps since when engines of hosts have not answered, and clears it for those that have. */
  readonly keepReachability: (reached: readonly string[], unreached: readonly string[], now: Date) => Promise<void>;
  /** Names of the hosts whose engines have not answered when they were last asked whether they do. */
  readonly listUnreached: () => Promise<string[]>;
  /** Ids of droplets that were seen gone since `since`: lists may still show them for a while. */
  readonly listGoneIds: (since: Date) => Promise<number[]>;
  /** Closes an empty, active host to hand-outs for good. False when it is not empty or not active any more. */
  readonly beginDrain: (term: number, name: string) => Promise<boolean>;
  /**
   * Begins the end of a droplet: from here on its host takes no instance, and there is no way back. Refused
   * (false) when the term is over, and while its host has a lease, unless its leases are to be lost with it.
   */
  readonly beginDestroy: (
    term: number,
    name: string,
    reason: string,
    leases: "none" | "lost",
    now: Date,
  ) => Promise<boolean>;
  /** Closes a droplet that is gone, its host, and the instances still on it. A repeated call changes nothing. */
  readonly close: (name: string, reason: string, now: Date) => Promise<void>;
};

/** What a gateway that has enrolled may ask for, and what it is to do. */
export type EnrolledGateway = { readonly isDraining: boolean };

/**
 * Droplets of gateways as they are kept, like those of hosts: a term that is over writes nothing. Calls throw
 * `Unavailable` while the store does not answer.
 */
export type GatewayDroplets = Pick<Droplets, "readOrderFailures" | "adopt" | "closeOrder" | "listGoneIds"> & {
  /** All that are not gone, the oldest order first. */
  readonly list: () => Promise<GatewayDropletRow[]>;
  /** What those cost that exist, and those gone since `since`. */
  readonly listCosts: (since: Date) => Promise<DropletCost[]>;
  /** Writes the intent of an order and gives it its name; undefined when the term is over or the cap is reached. */
  readonly addOrder: (
    term: number,
    intent: OrderIntent & { readonly plan: string },
    now: Date,
  ) => Promise<string | undefined>;
  /**
   * Enrols a droplet with the hash of its secret: granted when the token is the one it was ordered with, and no other
   * secret has used that token.
   */
  readonly enrol: (claim: {
    readonly name: string;
    readonly tokenHash: Buffer;
    readonly secretHash: Buffer;
  }) => Promise<"granted" | "refused">;
  /** The gateway of this name and secret, from its enrolment until its end begins; else undefined. */
  readonly identify: (name: string, secretHash: Buffer) => Promise<EnrolledGateway | undefined>;
  /** It carries routes. False when it is not booting any more. */
  readonly admit: (name: string, now: Date) => Promise<boolean>;
  readonly keepTimers: (timers: readonly GatewayTimers[]) => Promise<void>;
  /** Clears since when gateways have been silent: it was the control plane that could not see them. */
  readonly forgetSilence: () => Promise<void>;
  /** No new clients for it. False when the term is over, or it has not joined. */
  readonly beginDrain: (term: number, name: string, now: Date) => Promise<boolean>;
  /** Begins its end. False when the term is over, or its end has begun. */
  readonly beginDestroy: (term: number, name: string, reason: string, now: Date) => Promise<boolean>;
  /** Closes a droplet that is gone. A repeated call changes nothing. */
  readonly close: (name: string, reason: string, now: Date) => Promise<void>;
};

/** A container of ours as its engine lists it. One that is about to be started again counts as running. */
export type ContainerFacts = { readonly instanceId: string; readonly running: boolean };

/** Docker Engines as the fleet needs them. Calls throw `EngineFault` when they fail. */
export type HostEngines = {
  /** Resolves when the engine answers and accepts our certificate, within `withinMs` when given. */
  readonly ping: (host: EngineHost, withinMs?: number) => Promise<void>;
  /** Makes sure that the engine has the image that instances are made of. */
  readonly ensureImage: (host: EngineHost) => Promise<void>;
  /** All containers of this deployment on the host, stopped ones included, within `withinMs` when given. */
  readonly listContainers: (host: EngineHost, withinMs?: number) => Promise<ContainerFacts[]>;
};

/**
 * The last heartbeat of each of these hosts; a host whose key does not exist now is absent from the map.
 * @throws Unavailable when Redis does not answer: which hosts are alive is unknown then
 */
export type ReadHeartbeats = (hostNames: readonly string[]) => Promise<Map<string, HeartbeatReading>>;

/** The cloud's API. Calls throw `CloudFault` when they fail. */
export type Cloud = {
  /** All droplets with a tag. A new one may be missing for a while, and one that is gone may still be there. */
  readonly listDroplets: (tag: string) => Promise<readonly CloudDroplet[]>;
  /** All droplets of a name, tagged or not. */
  readonly findDroplets: (name: string) => Promise<readonly CloudDroplet[]>;
  /** The droplet of this id; undefined when there is none. */
  readonly getDroplet: (id: number) => Promise<CloudDroplet | undefined>;
  /** One request, never repeated. */
  readonly createDroplet: (order: DropletOrder) => Promise<CloudDroplet>;
  /** Asks the cloud to delete a droplet; "gone" when there is no such droplet any more. */
  readonly deleteDroplet: (id: number) => Promise<"deleting" | "gone">;
};
