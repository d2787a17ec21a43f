import type { HostFacts } from "./standing.ts";

/**
 * Bin-packing order: the busiest host first, so that the others become empty and can be destroyed; ties by
 * name, so that every replica fills the same host. Best fit by instances in use, as Get A Redis did (its
 * scheduler took the highest count strictly below the limit).
 */
export function busiestFirst(a: HostFacts, b: HostFacts): number {
  return b.inUse - a.inUse || (a.host.name < b.host.name ? -1 : a.host.name > b.host.name ? 1 : 0);
}
