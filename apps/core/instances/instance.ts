import type { EndCause, RestartCause } from "../events/names.ts";
import type { ServerVersion } from "../services/server-version.ts";
import type { EngineHost } from "../fleet/host.ts";

/**
 * Life of an instance: `starting` (slot and quota place taken, container on its way), `running`
 * (handed out), `ending` (lease over, container not yet seen gone), `ended` (container gone, slot free).
 */
export type InstanceState = "starting" | "running" | "ending" | "ended";

/** Until when an instance lasts: the deadline of its hand-out, and once handed out, the end of its lease. */
type InstanceTerm =
  | { readonly handedOutAt: null; readonly deadline: Date; readonly expiresAt: null }
  | { readonly handedOutAt: Date; readonly deadline: null; readonly expiresAt: Date };

/** One Redis container that a person holds for a while. */
export type Instance = InstanceTerm & {
  readonly id: string;
  readonly state: InstanceState;
  readonly hostName: string;
  /** Name or address that users connect to. */
  readonly publicHost: string;
  readonly port: number;
  /** Key of the holder's address, see `addressKey`; "" once it is erased, some time after the end. */
  readonly address: string;
  /** SHA-256 of the owner's token. */
  readonly tokenHash: Buffer;
  /** SHA-256 of the password; null when it was handed out by an earlier replica, which did not keep it. */
  readonly passwordHash: Buffer | null;
  readonly createdAt: Date;
  /** Since when it was ready before anybody asked for it; null when it was started for its holder. */
  readonly warmSince: Date | null;
  /** Bytes that it has sent, as they were read last. */
  readonly sentBytes: number;
  /** Latest time that an extension can reach. */
  readonly latestEnd: Date;
  readonly endedAt: Date | null;
  readonly endCause: EndCause | null;
  /** What runs in it; null until it is handed out, and when it was handed out by an earlier replica. */
  readonly server: ServerVersion | null;
  /** Null while its server runs that was handed out. */
  readonly lastRestart: Restart | null;
};

/**
 * A start of an instance's server after it had ended by itself: its data is gone, its address and password are the
 * same.
 */
export type Restart = {
  /** When it had ended, by its host's clock. */
  readonly at: Date;
  readonly cause: RestartCause;
};

/** An instance that has been handed out. */
export type Lease = Extract<Instance, { expiresAt: Date }>;

/** An instance's container: whose it is and where. */
export type ContainerPlace = { readonly instanceId: string; readonly state: InstanceState; readonly host: EngineHost };

/** An instance that starts or runs. */
export type HeldInstance = ContainerPlace & {
  /** Key of the holder's address. */
  readonly address: string;
  /** Address and port at which the control plane reaches it. */
  readonly checkHost: string;
  readonly port: number;
};

/** Bounds of a lease, in seconds. `most` counts from creation, extensions included. */
export type LeaseBounds = { readonly usual: number; readonly least: number; readonly most: number };

/** A lifetime that cannot be granted, with the bounds it broke, in seconds from now. */
export type LeaseRefusal = {
  readonly kind: "lease-out-of-bounds";
  readonly leastSeconds: number;
  readonly mostSeconds: number;
};

const SECOND = 1000;
/** An extension by less than this is not worth a button. */
const LEAST_GAIN_MS = 60 * SECOND;

/** Seconds that a new lease lasts: the requested ones when within bounds, the usual ones when none are requested. */
export function leaseSeconds(asked: number | undefined, bounds: LeaseBounds): number | LeaseRefusal {
  const seconds = asked ?? bounds.usual;
  if (seconds < bounds.least || seconds > bounds.most)
    return { kind: "lease-out-of-bounds", leastSeconds: bounds.least, mostSeconds: bounds.most };
  return seconds;
}

/**
 * New end of a running lease that is to last `ttlSeconds` from `now`, `leastSeconds` at least, and not past
 * `latestEnd`.
 */
export function changedExpiry(
  latestEnd: Date,
  ttlSeconds: number,
  leastSeconds: number,
  now: Date,
): Date | LeaseRefusal {
  const expiry = now.getTime() + ttlSeconds * SECOND;
  if (ttlSeconds < leastSeconds || expiry > latestEnd.getTime()) {
    return {
      kind: "lease-out-of-bounds",
      leastSeconds,
      mostSeconds: Math.max(0, Math.floor((latestEnd.getTime() - now.getTime()) / SECOND)),
    };
  }
  return new Date(expiry);
}

/**
 * Seconds from `now` that an instance lasts once its lease is extended by the usual time, or as far as it can reach;
 * 0 when that is not worth asking for.
 */
export function longestExtension(
  { expiresAt, latestEnd }: Pick<Instance, "expiresAt" | "latestEnd">,
  usualSeconds: number,
  now: Date,
): number {
  if (expiresAt === null) return 0;
  const end = Math.min(expiresAt.getTime() + usualSeconds * SECOND, latestEnd.getTime());
  return end - expiresAt.getTime() < LEAST_GAIN_MS ? 0 : Math.floor((end - now.getTime()) / SECOND);
}

/** State as its owner sees it: a lease past its end is ending, whether or not the reaper has run since. */
export function shownState({ state, expiresAt }: Pick<Instance, "state" | "expiresAt">, now: Date): InstanceState {
  return state === "running" && expiresAt !== null && expiresAt <= now ? "ending" : state;
}

/**
 * Until when an instance lasts, as its owner and the operator see it: the end of its lease, or its hand-out's
 * deadline.
 */
export function shownEnd(instance: Instance): Date {
  return instance.expiresAt ?? instance.deadline;
}
