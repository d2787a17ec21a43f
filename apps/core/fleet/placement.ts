import type { HostFacts } from "./standing.ts";

/** The policies that choose a host for a new instance, as the setting PLACEMENT names them. */
export const placementPolicies = ["busiest-first", "first-fit", "expiry-aware"] as const;

export type PlacementPolicy = (typeof placementPolicies)[number];

/** What a policy looks at: use, leases and name of a host. */
export type Candidate = Pick<HostFacts, "inUse" | "lastExpiry"> & {
  readonly host: Pick<HostFacts["host"], "name">;
};

/** What is placed, and how full the fleet is. */
export type PlacementCase = {
  /** When the lease ends. */
  readonly expiresAt: Date;
  /** Share of the slots that is free, of the hosts that have leases: 0 to 1. */
  readonly freeShare: number;
};

/** Order of two hosts: below 0 when an instance goes rather to `a`. No two hosts of different names are equal. */
export type HostOrder = (a: Candidate, b: Candidate) => number;

/** The order in which a policy tries hosts. */
export function orderOf(policy: PlacementPolicy, { expiresAt, freeShare }: PlacementCase): HostOrder {
  switch (policy) {
    case "busiest-first":
      return busiestFirst;
    case "first-fit":
      return firstFit;
    case "expiry-aware":
      return freeShare < FEW_FREE ? closestExpiry(expiresAt) : leastGrowth(expiresAt);
  }
}

/**
 * The policy "expiry-aware" is two rules. A host can go when the last of its leases ends, so leases that end together
 * should be together; lifetimes are known when an instance is placed, which makes this clairvoyant dynamic bin packing
 * (Ren & Tang, "Clairvoyant Dynamic Bin Packing for Job Scheduling with Minimum Server Usage Time", SPAA 2016; Azar &
 * Vainstein, "Tight Bounds for Clairvoyant Dynamic Bin Packing", SPAA 2017). While next to all slots in use are taken,
 * a new host is needed soon anyway: leases are kept apart by their ends, as those papers' algorithms do. With more free
 * slots than this share, they are filled first, without keeping hosts for longer. docs/simulation.md has what each of
 * both rules comes to, and how this figure was found.
 */
export const FEW_FREE = 0.05;

/**
 * Bin-packing order: the busiest host first, so that the others become empty and can be destroyed; ties by
 * name, so that every replica fills the same host. Best fit by instances in use, as Get A Redis did (its
 * scheduler took the highest count strictly below the limit).
 */
export function busiestFirst(a: Candidate, b: Candidate): number {
  return b.inUse - a.inUse || byName(a, b);
}

/**
 * The oldest host first, whatever its use: hosts ordered last become empty first. Droplets are numbered as they
 * are ordered, so a shorter name is an older one.
 */
export function firstFit(a: Candidate, b: Candidate): number {
  return a.host.name.length - b.host.name.length || byName(a, b);
}

/**
 * The host whose latest expiry grows least, the busiest among those where it does not grow; an empty host last. Leases
 * may be extended or end early; that makes the packing worse, and nothing wrong.
 */
export function leastGrowth(expiresAt: Date): HostOrder {
  const growth = (host: Candidate) => Math.max(0, expiresAt.getTime() - expiryOf(host));
  return (a, b) => growth(a) - growth(b) || b.inUse - a.inUse || latestExpiryFirst(a, b);
}

/** An hour by which a host outlasts a lease costs a slot, and an hour by which a lease outlasts a host costs more. */
const OUTLASTED_COST = 0.2;
/** A host that is closer than this is preferred to an empty one. */
const CLOSE_MS = 2 * 3_600_000;

/** The host whose latest expiry is closest, rather later than earlier; an empty host when none is close. */
export function closestExpiry(expiresAt: Date): HostOrder {
  return (a, b) => distanceOf(a, expiresAt) - distanceOf(b, expiresAt) || busiestFirst(a, b);
}

/** In milliseconds; that of a host that outlasts the lease counts for less. */
function distanceOf(host: Candidate, expiresAt: Date): number {
  if (host.inUse === 0) return CLOSE_MS;
  const growth = expiresAt.getTime() - expiryOf(host);
  return growth > 0 ? growth : -growth * OUTLASTED_COST;
}

/**
 * Whether a host may be preferred to the first in a policy's order because it has a warm instance. Where expiries decide
 * it must be close: an instance that is ready saves a fifth of a second, and a host that is kept for longer costs hours.
 */
export function isCloseEnough(
  policy: PlacementPolicy,
  host: Candidate,
  { expiresAt, freeShare }: PlacementCase,
): boolean {
  if (policy !== "expiry-aware") return true;
  const distance = freeShare < FEW_FREE ? distanceOf(host, expiresAt) : expiresAt.getTime() - expiryOf(host);
  return distance < CLOSE_MS;
}

/** The host first that is needed longest; ties by name. */
export function latestExpiryFirst(a: Candidate, b: Candidate): number {
  return expiryOf(b) - expiryOf(a) || byName(a, b);
}

/**
 * When the last lease of a host ends, in milliseconds since 1970. It is long past while its first lease is still on its
 * way, and longer for an empty host.
 */
export function expiryOf({ inUse, lastExpiry }: Candidate): number {
  return inUse === 0 ? 0 : (lastExpiry?.getTime() ?? 1);
}

function byName(a: Candidate, b: Candidate): number {
  return a.host.name < b.host.name ? -1 : a.host.name > b.host.name ? 1 : 0;
}
