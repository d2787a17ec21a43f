import type { HostFacts } from "./standing.ts";

/** The policies that choose a host for a new instance, as the setting PLACEMENT names them. */
export const placementPolicies = ["busiest-first", "first-fit", "expiry-aware"] as const;

export type PlacementPolicy = (typeof placementPolicies)[number];

/** What a policy looks at: use, leases and name of a host that is open to hand-outs. */
export type Candidate = Pick<HostFacts, "inUse" | "lastExpiry"> & {
  readonly host: Pick<HostFacts["host"], "name">;
};

/** Order of two hosts: below 0 when an instance goes rather to `a`. No two hosts of different names are equal. */
export type HostOrder = (a: Candidate, b: Candidate) => number;

/** The order in which a policy tries hosts for a lease that ends at `expiresAt`. */
export function orderOf(policy: PlacementPolicy, expiresAt: Date): HostOrder {
  switch (policy) {
    case "busiest-first":
      return busiestFirst;
    case "first-fit":
      return firstFit;
    case "expiry-aware":
      return expiryAware(expiresAt);
  }
}

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
 * The host whose latest expiry grows least, the busiest among those where it does not grow: a host can go when
 * the last of its leases ends, and so leases that end together should be together. Lifetimes are known when an
 * instance is placed, which makes this a case of clairvoyant dynamic bin packing, where departure times are worth
 * more than any fit by size: Ren & Tang, "Clairvoyant Dynamic Bin Packing for Job Scheduling with Minimum Server
 * Usage Time" (SPAA 2016); Azar & Vainstein, "Tight Bounds for Clairvoyant Dynamic Bin Packing" (SPAA 2017).
 * Leases may be extended or end early; that makes the packing worse, and nothing wrong.
 */
export function expiryAware(expiresAt: Date): HostOrder {
  const growth = (host: Candidate) => Math.max(0, expiresAt.getTime() - expiryOf(host));
  return (a, b) => growth(a) - growth(b) || b.inUse - a.inUse || latestExpiryFirst(a, b);
}

/** The host first that is needed longest; ties by name. */
export function latestExpiryFirst(a: Candidate, b: Candidate): number {
  return expiryOf(b) - expiryOf(a) || byName(a, b);
}

/** When the last lease of a host ends, in milliseconds since 1970: long ago when it has none. */
export function expiryOf({ lastExpiry }: Candidate): number {
  return lastExpiry?.getTime() ?? 0;
}

function byName(a: Candidate, b: Candidate): number {
  return a.host.name < b.host.name ? -1 : a.host.name > b.host.name ? 1 : 0;
}
