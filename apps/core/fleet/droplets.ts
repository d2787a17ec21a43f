import type { CloudDroplet } from "./cloud.ts";
import type { HostFacts } from "./standing.ts";

/**
 * Life of a droplet of ours: `ordered` (the intent is written, the cloud has perhaps been asked), `booting`
 * (its id is known), `joined` (it is a host), `destroying` (its end has begun; no way back), `gone` (the cloud
 * reports that there is no such droplet, or never made it).
 */
export type DropletState = "ordered" | "booting" | "joined" | "destroying" | "gone";

/** One order of a droplet, from intent to end, as it is kept. */
export type DropletRow = {
  /** Also the name of the droplet, and of the host it becomes. */
  readonly name: string;
  readonly state: DropletState;
  /** The cloud's id; null until an answer contains it. */
  readonly dropletId: number | null;
  readonly orderedAt: Date;
  readonly joinedAt: Date | null;
  /** Since when it has been a host without any lease; null while it has one. */
  readonly idleSince: Date | null;
  /** Since when it has been a host without a good heartbeat or without an answering engine. */
  readonly unhealthySince: Date | null;
};

/**
 * A droplet from its order to its end, which is null while it exists. Price in US dollars, null while the cloud
 * has not named it.
 */
export type DropletLife = {
  readonly name: string;
  readonly state: DropletState;
  readonly dropletId: number | null;
  readonly region: string;
  readonly size: string;
  readonly hourlyPrice: number | null;
  readonly orderedAt: Date;
  readonly joinedAt: Date | null;
  readonly goneAt: Date | null;
};

/**
 * What the cloud reports about a droplet that we track: the droplet; `unlisted`, when the list lacks it, which
 * may lag; or `gone` for certain.
 */
export type CloudWord = CloudDroplet | "unlisted" | "gone";

/** A droplet of ours with all that is known of it at one moment. */
export type DropletFacts = {
  readonly row: DropletRow;
  /** The host it has become, with heartbeat and use. */
  readonly host: HostFacts | undefined;
  readonly cloud: CloudWord;
};

/** Orders that led to no host, since the last one that led to one. */
export type OrderFailures = {
  readonly inARow: number;
  /** Those among them that failed because the size was out of stock. */
  readonly outOfStock: number;
  readonly lastAt: Date | null;
};

/**
 * What the operator has asked of the fleet: to pause scaling, and to destroy hosts, by name: without leases, or
 * with their leases lost.
 */
export type OperatorRequests = {
  readonly isPaused: boolean;
  readonly destroyRequests: ReadonlyMap<string, "none" | "lost">;
};

/** A snapshot of everything that decides about the fleet's size. */
export type FleetSnapshot = {
  readonly droplets: readonly DropletFacts[];
  /** Droplets that carry our tag and that no row tracks. */
  readonly untracked: readonly CloudDroplet[];
  readonly failures: OrderFailures;
  /** Hand-outs a second, of late. */
  readonly arrivalsPerSecond: number;
  readonly operator: OperatorRequests;
};

/** Why no snapshot of the fleet can be taken: nothing is decided then, in either direction. */
export type BlindSnapshot = { readonly blind: string };
