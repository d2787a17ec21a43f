import sortedBtree from "sorted-btree";
import {
  busiestFirst,
  closestExpiry,
  expiryOf,
  FEW_FREE,
  firstFit,
  latestExpiryFirst,
  type Candidate,
  type HostOrder,
  type PlacementCase,
  type PlacementPolicy,
} from "./placement.ts";
import type { HostFacts } from "./standing.ts";

const { default: BTree } = sortedBtree;

/** A host as it is put into an index. */
export type RankedHost = Candidate &
  Pick<HostFacts, "occupied" | "warm"> & { readonly host: { readonly capacity: number } };

/**
 * The hosts that are open to hand-outs, kept in the order of a policy. The first host is found, and a host is moved,
 * in a time that grows with the logarithm of the number of hosts, and not with the number of instances.
 */
export type PlacementIndex = {
  /**
   * Adds a host, or moves it to where its use and its leases put it now; costs next to nothing where it is.
   * @param isOpen whether it takes instances; a full host takes none, and counts among those in use all the same
   */
  readonly put: (host: RankedHost, isOpen: boolean) => void;
  /** Takes a host out: it is closed, or gone. */
  readonly remove: (name: string) => void;
  /** Open hosts in the order of the policy, see `orderOf`; evaluated lazily. */
  readonly inOrder: (expiresAt: Date) => IterableIterator<Candidate>;
  /** Share of the slots that is free, of the hosts that have leases: 0 to 1. */
  readonly freeShare: () => number;
};

/**
 * An empty index for a policy.
 * @param fleetsFreeShare that of the whole fleet, for an index of some hosts only
 */
export function createPlacementIndex(policy: PlacementPolicy, fleetsFreeShare?: () => number): PlacementIndex {
  const sorted = sortedFor(policy);
  const added = new Map<string, { readonly host: RankedHost; readonly isOpen: boolean }>();
  /** Slots of the hosts that have leases. */
  const slots = { all: 0, free: 0 };

  function put(host: RankedHost, isOpen: boolean): void {
    const { name, capacity } = host.host;
    const former = added.get(name);
    if (
      former?.isOpen === isOpen &&
      former.host.inUse === host.inUse &&
      freeOf(former.host) === freeOf(host) &&
      former.host.host.capacity === capacity &&
      expiryOf(former.host) === expiryOf(host)
    )
      return;
    remove(name);
    added.set(name, { host, isOpen });
    count(host, 1);
    if (isOpen) sorted.add(host);
  }

  function remove(name: string): void {
    const former = added.get(name);
    if (former === undefined) return;
    added.delete(name);
    count(former.host, -1);
    if (former.isOpen) sorted.drop(former.host);
  }

  function count(host: RankedHost, times: 1 | -1): void {
    if (host.inUse === 0) return;
    slots.all += times * host.host.capacity;
    slots.free += times * freeOf(host);
  }

  return {
    put,
    remove,
    freeShare,
    inOrder: (expiresAt) => sorted.inOrder({ expiresAt, freeShare: (fleetsFreeShare ?? freeShare)() }),
  };

  function freeShare(): number {
    return slots.all === 0 ? 0 : slots.free / slots.all;
  }
}

/** Slots that a host has for leases. One whose capacity was lowered may have taken more. */
function freeOf({ host, occupied, warm }: RankedHost): number {
  return Math.max(0, host.capacity - occupied + warm);
}

/** Hosts in an order. What `add` was called with is what `drop` must be called with. */
type Sorted = {
  readonly add: (host: Candidate) => void;
  readonly drop: (host: Candidate) => void;
  readonly inOrder: (placement: PlacementCase) => IterableIterator<Candidate>;
};

function sortedFor(policy: PlacementPolicy): Sorted {
  switch (policy) {
    case "busiest-first":
      return sortedBy(busiestFirst);
    case "first-fit":
      return sortedBy(firstFit);
    case "expiry-aware":
      return sortedByExpiry();
  }
}

function sortedBy(order: HostOrder): Sorted {
  const tree = new BTree<Candidate, undefined>(undefined, order);
  return {
    add: (host) => void tree.set(host, undefined),
    drop: (host) => void tree.delete(host),
    inOrder: () => tree.keys(),
  };
}

/** Hosts by their expiry, in both directions, and by expiry in groups of the same use: one group a slot. */
function sortedByExpiry(): Sorted {
  const latestFirst = new BTree<Candidate, undefined>(undefined, byLatestExpiry);
  const soonestFirst = new BTree<Candidate, undefined>(undefined, bySoonestExpiry);
  /** By instances in use. */
  const groups: InstanceType<typeof BTree<Candidate, undefined>>[] = [];

  function add(host: Candidate): void {
    for (let use = groups.length; use <= host.inUse; use++) groups.push(new BTree(undefined, latestExpiryFirst));
    for (const tree of [latestFirst, soonestFirst, groups[host.inUse]]) tree?.set(host, undefined);
  }

  function drop(host: Candidate): void {
    for (const tree of [latestFirst, soonestFirst, groups[host.inUse]]) tree?.delete(host);
  }

  function inOrder({ expiresAt, freeShare }: PlacementCase): IterableIterator<Candidate> {
    return freeShare < FEW_FREE ? byDistance(expiresAt) : byGrowth(expiresAt);
  }

  /** The order of `leastGrowth`: a look at a group's first host tells whether the expiry does not grow on any of it. */
  function* byGrowth(expiresAt: Date): Generator<Candidate, undefined> {
    const end = expiresAt.getTime();
    for (let use = groups.length - 1; use >= 0; use--) {
      const group = groups[use];
      const latest = group?.minKey();
      if (!group || latest === undefined || expiryOf(latest) < end) continue;
      for (const host of group.keys()) {
        if (expiryOf(host) < end) break;
        yield host;
      }
    }
    yield* latestFirst.keys(earlierThan(expiresAt));
    return undefined;
  }

  /** The order of `closestExpiry`: the closest hosts are those on both sides of the expiry. */
  function byDistance(expiresAt: Date): Generator<Candidate, undefined> {
    return merged(closestExpiry(expiresAt), [
      soonestFirst.keys({ lastExpiry: expiresAt, inUse: Infinity, host: { name: "" } }),
      whileInUse(latestFirst.keys(earlierThan(expiresAt))),
      latestFirst.keys({ lastExpiry: null, inUse: 0, host: { name: "" } }),
    ]);
  }

  return { add, drop, inOrder };
}

function byLatestExpiry(a: Candidate, b: Candidate): number {
  return expiryOf(b) - expiryOf(a) || busiestFirst(a, b);
}

function bySoonestExpiry(a: Candidate, b: Candidate): number {
  return expiryOf(a) - expiryOf(b) || busiestFirst(a, b);
}

/** By latest expiry, the first place of the hosts whose expiry is earlier than this one. */
function earlierThan(expiresAt: Date): Candidate {
  return { lastExpiry: new Date(expiresAt.getTime() - 1), inUse: Infinity, host: { name: "" } };
}

function* whileInUse(hosts: Iterable<Candidate>): Generator<Candidate, undefined> {
  for (const host of hosts) {
    if (host.inUse === 0) return undefined;
    yield host;
  }
  return undefined;
}

/** Hosts that are in an order, in several parts, as one. */
function* merged(order: HostOrder, parts: readonly Iterator<Candidate>[]): Generator<Candidate, undefined> {
  const heads = parts.map((part) => ({ part, next: part.next() }));
  for (;;) {
    let first: (typeof heads)[number] | undefined;
    for (const head of heads)
      if (!head.next.done && (!first || order(head.next.value, first.next.value as Candidate) < 0)) first = head;
    if (!first) return undefined;
    yield first.next.value as Candidate;
    first.next = first.part.next();
  }
}
