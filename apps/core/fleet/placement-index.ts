import sortedBtree from "sorted-btree";
import {
  busiestFirst,
  expiryOf,
  firstFit,
  latestExpiryFirst,
  type Candidate,
  type HostOrder,
  type PlacementPolicy,
} from "./placement.ts";

const { default: BTree } = sortedBtree;

/**
 * The hosts that are open to hand-outs, kept in the order of a policy. The first host is found, and a host is moved,
 * in a time that grows with the logarithm of the number of hosts, and not with the number of instances.
 */
export type PlacementIndex = {
  /** Adds a host, or moves it to where its use and its leases put it now; costs next to nothing where it is. */
  readonly put: (host: Candidate) => void;
  /** Takes a host out: it is not open any more. */
  readonly remove: (name: string) => void;
  /** All hosts in the order of the policy, see `orderOf`; evaluated lazily. */
  readonly inOrder: (expiresAt: Date) => IterableIterator<Candidate>;
};

/** An empty index for a policy. */
export function createPlacementIndex(policy: PlacementPolicy): PlacementIndex {
  switch (policy) {
    case "busiest-first":
      return named(sortedBy(busiestFirst));
    case "first-fit":
      return named(sortedBy(firstFit));
    case "expiry-aware":
      return named(sortedByExpiry());
  }
}

/** Hosts in an order. What `add` was called with is what `drop` must be called with. */
type Sorted = {
  readonly add: (host: Candidate) => void;
  readonly drop: (host: Candidate) => void;
  readonly inOrder: (expiresAt: Date) => IterableIterator<Candidate>;
};

/** Remembers as what each host was added, by its name. */
function named(sorted: Sorted): PlacementIndex {
  const added = new Map<string, Candidate>();

  function remove(name: string): void {
    const former = added.get(name);
    if (former === undefined) return;
    added.delete(name);
    sorted.drop(former);
  }

  function put(host: Candidate): void {
    const { name } = host.host;
    const former = added.get(name);
    if (former && former.inUse === host.inUse && expiryOf(former) === expiryOf(host)) return;
    remove(name);
    added.set(name, host);
    sorted.add(host);
  }

  return { put, remove, inOrder: sorted.inOrder };
}

function sortedBy(order: HostOrder): Sorted {
  const tree = new BTree<Candidate, undefined>(undefined, order);
  return {
    add: (host) => void tree.set(host, undefined),
    drop: (host) => void tree.delete(host),
    inOrder: () => tree.keys(),
  };
}

/**
 * Two orders at once. Where the expiry does not grow, the busiest host is wanted: hosts are kept apart by their use,
 * and in each group by expiry, so that a look at a group's first host tells whether it has one. Where it grows
 * everywhere, the first host by expiry is wanted. There are no more groups than a host has slots.
 */
function sortedByExpiry(): Sorted {
  const byExpiry = new BTree<Candidate, undefined>(undefined, latestExpiryThenBusiest);
  /** By instances in use. */
  const groups: InstanceType<typeof BTree<Candidate, undefined>>[] = [];

  function add(host: Candidate): void {
    byExpiry.set(host, undefined);
    for (let use = groups.length; use <= host.inUse; use++) groups.push(new BTree(undefined, latestExpiryFirst));
    groups[host.inUse]?.set(host, undefined);
  }

  function drop(host: Candidate): void {
    byExpiry.delete(host);
    groups[host.inUse]?.delete(host);
  }

  function* inOrder(expiresAt: Date): Generator<Candidate, undefined> {
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
    yield* byExpiry.keys({ lastExpiry: expiresAt, inUse: -1, host: { name: "" } });
    return undefined;
  }

  return { add, drop, inOrder };
}

function latestExpiryThenBusiest(a: Candidate, b: Candidate): number {
  return expiryOf(b) - expiryOf(a) || b.inUse - a.inUse || latestExpiryFirst(a, b);
}
