import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Budgets } from "../../../apps/core/instances/budgets.ts";
import { at, host, kinds, start, useStore, type OpenStore } from "./bed.ts";

const HOUR = 3600;
const NETWORK = "198.51.100.0/24";

/** The store's contract of what addresses and networks may hold and begin. */
export function describeBudgets(open: OpenStore): void {
  describe("budgets", () => {
    const { bed, take, lease } = useStore(open);

    const budgets = ({
      live = 100,
      startsPerDay = 100,
      networks = [{ key: NETWORK, live: 100, startsPerDay: 100 }],
      newcomersOnly,
    }: Partial<Budgets & Budgets["address"]> = {}): Budgets => ({
      address: { live, startsPerDay },
      networks,
      newcomersOnly,
    });
    const inNetwork = (live: number, startsPerDay = 100, key = NETWORK) =>
      budgets({ networks: [{ key, live, startsPerDay }] });

    it("give a network exactly its live instances, out of many addresses at four processes", async () => {
      await bed.store.hosts.register(host("a", { capacity: 40 }), start);
      const processes = [bed.store, bed.another(), bed.another(), bed.another()];
      const results = await Promise.all(
        Array.from({ length: 24 }, (_, index) =>
          take({ address: `198.51.100.${index}`, budgets: inNetwork(5), from: processes[index % 4] ?? bed.store }),
        ),
      );
      assert.deepEqual(kinds(results), { taken: 5, "network-quota-exceeded": 19 });
      assert.equal(await bed.count("instances"), 5);
      const other = await take({ address: "203.0.113.1", budgets: inNetwork(5, 100, "203.0.113.0/24") });
      assert.equal(other.kind, "taken", "another network has its own");
    });

    it("give a network exactly its starts of a day, at four processes", async () => {
      await bed.store.hosts.register(host("a", { capacity: 40 }), start);
      const processes = [bed.store, bed.another(), bed.another(), bed.another()];
      const results = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          take({ address: `198.51.100.${index}`, budgets: inNetwork(99, 4), from: processes[index % 4] ?? bed.store }),
        ),
      );
      assert.deepEqual(kinds(results), { taken: 4, "starts-exceeded": 8 });
    });

    it("count an instance in each of its networks, and name the one that ends first", async () => {
      await bed.store.hosts.register(host("a"), start);
      const both = (live: number, of = NETWORK) =>
        budgets({
          networks: [
            { key: of, live: 100, startsPerDay: 100 },
            { key: "list:Example", live, startsPerDay: 100 },
          ],
        });
      await lease({ budgets: both(2), ttlSeconds: 500 });
      await lease({ budgets: both(2, "203.0.113.0/24"), address: "203.0.113.1", ttlSeconds: 100 });
      const refused = await take({ budgets: both(2, "192.0.2.0/24"), address: "192.0.2.1", now: at(50) });
      assert.deepEqual(refused, { kind: "network-quota-exceeded", most: 2, nextFreeAt: at(100), id: refused.id });
    });

    it("are free again as soon as an instance ends, and when its lease is over before the reaper runs", async () => {
      await bed.store.hosts.register(host("a"), start);
      const first = await lease({ budgets: inNetwork(1), ttlSeconds: 60 });
      assert.equal((await take({ address: "198.51.100.2", budgets: inNetwork(1) })).kind, "network-quota-exceeded");
      assert.ok(await bed.store.leases.beginEnd(first, "owner", at(1)));
      await lease({ address: "198.51.100.2", budgets: inNetwork(1), now: at(2), ttlSeconds: 60 });
      assert.equal(
        (await take({ address: "198.51.100.3", budgets: inNetwork(1), now: at(61) })).kind,
        "network-quota-exceeded",
      );
      assert.equal((await take({ address: "198.51.100.3", budgets: inNetwork(1), now: at(62) })).kind, "taken");
    });

    it("count starts of the last day by the hour, whatever has become of them, and tell when one is over", async () => {
      await bed.store.hosts.register(host("a"), start);
      const two = budgets({ startsPerDay: 2 });
      const first = await lease({ budgets: two, now: at(100) });
      await bed.store.leases.beginEnd(first, "owner", at(200));
      const { id } = await take({ budgets: two, now: at(HOUR + 100) });
      await bed.store.leases.beginEnd(id, "abandoned", at(HOUR + 200));
      const refused = await take({ budgets: two, now: at(2 * HOUR) });
      assert.deepEqual(refused, {
        kind: "starts-exceeded",
        of: "address",
        most: 2,
        nextFreeAt: at(24 * HOUR),
        id: refused.id,
      });
      assert.equal((await take({ budgets: two, now: at(24 * HOUR - 1) })).kind, "starts-exceeded");
      assert.equal((await take({ budgets: two, now: at(24 * HOUR) })).kind, "taken");
    });

    it("get back a start that failed on our side, and no place or start of a refused hand-out", async () => {
      await bed.store.hosts.register(host("a", { capacity: 1 }), start);
      const one = budgets({ startsPerDay: 1, networks: [{ key: NETWORK, live: 1, startsPerDay: 1 }] });
      const { id } = await take({ budgets: one });
      assert.ok(await bed.store.leases.beginEnd(id, "failed", at(1)));
      assert.equal((await take({ budgets: one, now: at(2) })).kind, "host-full");
      await bed.store.leases.close(id, at(3));
      assert.equal((await take({ budgets: one, now: at(4) })).kind, "taken");
      assert.equal((await take({ budgets: one, now: at(5) })).kind, "starts-exceeded");
    });

    it("keep the last places for newcomers: who holds none, has begun none, and is in a network with few", async () => {
      await bed.store.hosts.register(host("a", { capacity: 10 }), start);
      const kept = { ...budgets(), newcomersOnly: { mostInNetwork: 2 } };
      const taken = await take({ address: "198.51.100.1", budgets: kept });
      assert.equal(taken.kind, "taken", "nobody has had any");
      assert.equal((await take({ address: "198.51.100.1", budgets: kept })).kind, "kept-for-newcomers", "holds one");
      await bed.store.leases.beginEnd(taken.id, "owner", at(1));
      const again = await take({ address: "198.51.100.1", budgets: kept, now: at(2) });
      assert.equal(again.kind, "kept-for-newcomers", "had one today");
      for (const address of ["198.51.100.2", "198.51.100.3"])
        assert.equal((await take({ address, budgets: kept, now: at(3) })).kind, "taken");
      const crowded = await take({ address: "198.51.100.4", budgets: kept, now: at(4) });
      assert.equal(crowded.kind, "kept-for-newcomers", "its network holds two");
    });
  });
}
