import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { afterEach, beforeEach } from "node:test";
import type { NewHost } from "../../../apps/core/fleet/host.ts";
import type { IdempotencyClaim, TakeResult } from "../../../apps/core/instances/handout.ts";
import type { Store } from "../../../apps/core/store.ts";
import type { Budgets } from "../../../apps/core/instances/budgets.ts";
import type { WarmOffer } from "../../../apps/core/warm-pool/contract.ts";
import { liveOnly } from "../../bed/budgets.ts";

/** Kinds of what a store keeps, for counts that no port gives. */
export type KeptKind = "addresses" | "droplets" | "events" | "hosts" | "instances" | "logins" | "quotaPlaces" | "slots";

/** An empty store to hold to its contract, real or a twin. */
export type StoreBed = {
  readonly store: Store;
  /** The store of another process. */
  readonly another: () => Store;
  /** Begins a new term as leader of the scaling, in the place of the previous leader. */
  readonly lead: () => Promise<number>;
  /** How many there are of a kind. */
  readonly count: (kind: KeptKind) => Promise<number>;
  readonly close: () => Promise<void>;
};

/** Opens an empty store; the suite closes it. */
export type OpenStore = () => Promise<StoreBed>;

/** Instances that an address may hold in these suites. */
export const QUOTA = 3;
export const start = new Date("2026-01-01T00:00:00Z");
export const at = (seconds: number): Date => new Date(start.getTime() + seconds * 1000);
export const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
export const newId = (): string => randomBytes(8).toString("hex");
export const claimFor = (key: string, request = "{}"): IdempotencyClaim => ({
  keyHash: hash(key),
  requestHash: hash(request),
});

/** A host as it is registered, with five slots when no capacity is given. */
export function host(name: string, over: Partial<NewHost> = {}): NewHost {
  return {
    name,
    engineUrl: "unix:///run/docker.sock",
    publicHost: "192.0.2.1",
    checkHost: "127.0.0.1",
    bindAddress: "0.0.0.0",
    capacity: 5,
    basePort: 20_000,
    ...over,
  };
}

/** How many results there are of each kind. */
export function kinds(results: readonly TakeResult[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(results, ({ kind }) => kind)].map(([kind, group]) => [kind, group.length]));
}

/** What {@link useStore}'s `take` does otherwise than usual. */
export type Taking = {
  readonly id?: string;
  readonly address?: string;
  readonly now?: Date;
  readonly hostName?: string;
  readonly quota?: number;
  /** Instead of `quota`. */
  readonly budgets?: Budgets;
  readonly claim?: IdempotencyClaim;
  /** Which instances of the warm pool it may take; none, when it is not given. */
  readonly offer?: WarmOffer;
  readonly from?: Store;
};

/** A new store for each test of the suite that calls this, and what tests do with it again and again. */
export function useStore(open: OpenStore) {
  let opened: StoreBed | undefined;
  beforeEach(async () => {
    opened = await open();
  });
  afterEach(() => opened?.close());

  const bed = {
    get store(): Store {
      return current().store;
    },
    another: () => current().another(),
    lead: () => current().lead(),
    count: (kind: KeptKind) => current().count(kind),
  };

  function current(): StoreBed {
    return opened ?? assert.fail("the store is used outside a test");
  }

  /** Begins a hand-out on host "a"; `id` is that of a warm instance when one was taken. */
  async function take({
    id = newId(),
    address = "198.51.100.1",
    now = start,
    hostName = "a",
    quota = QUOTA,
    budgets,
    claim,
    offer,
    from = bed.store,
  }: Taking = {}): Promise<TakeResult & { id: string }> {
    const draft = {
      id,
      address,
      tokenHash: hash("token"),
      passwordHash: hash("password"),
      createdAt: now,
      deadline: new Date(now.getTime() + 30_000),
      latestEnd: new Date(now.getTime() + 86_400_000),
    };
    return { id, ...(await from.handouts.takeSlot(draft, hostName, budgets ?? liveOnly(quota), claim, offer)) };
  }

  /** Hands one out, for an hour. */
  async function lease(over: Taking & { readonly ttlSeconds?: number } = {}): Promise<string> {
    const { now = start, ttlSeconds = 3600 } = over;
    const taken = await take(over);
    assert.equal(taken.kind, "taken");
    assert.ok(await bed.store.handouts.complete(taken.id, new Date(now.getTime() + ttlSeconds * 1000), now, undefined));
    return taken.id;
  }

  /** Hosts with the instances that run or start there, and the slots that are not free. */
  async function usage(): Promise<(string | number)[][]> {
    return (await bed.store.hosts.list()).map(({ host: { name }, inUse, occupied }) => [name, inUse, occupied]);
  }

  /** A droplet that was ordered in this term, and that the cloud has made. */
  async function booting(term: number, dropletId: number): Promise<string> {
    const name =
      (await bed.store.droplets.addOrder(
        term,
        { namePrefix: "gar", region: "fra1", size: "small", tokenHash: hash("token"), cap: 1000 },
        start,
      )) ?? assert.fail("the order is refused");
    assert.ok(await bed.store.droplets.adopt(name, dropletId, 0.01786));
    return name;
  }

  /** A droplet that has become a host. */
  async function joined(term: number, dropletId: number, over: Partial<NewHost> = {}): Promise<string> {
    const name = await booting(term, dropletId);
    assert.ok(await bed.store.droplets.admit(host(name, { capacity: 2, ...over }), at(60)));
    return name;
  }

  return { bed, take, lease, usage, booting, joined };
}
