import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InstanceSearch } from "../../../apps/core/operator/instance-search.ts";
import { at, host, start, useStore, type OpenStore } from "./bed.ts";

/** The store's contract of the list of instances. */
export function describeSearch(open: OpenStore): void {
  describe("the list of instances", () => {
    const { bed, lease } = useStore(open);

    const any: InstanceSearch = { state: "all", order: "created", descending: true };
    const found = async (over: Partial<InstanceSearch>, most = 100) =>
      (await bed.store.search.find({ ...any, ...over }, most)).map(({ id }) => id);

    it("is searched by id, holder, host and place, and narrowed by state and host", async () => {
      await bed.store.hosts.register(host("alpha", { publicHost: "192.0.2.5" }), start);
      await bed.store.hosts.register(host("beta_1", { publicHost: "2001:db8::5" }), start);
      const [a, b, c] = [
        await lease({ hostName: "alpha", now: at(10), id: "aaaa000000000000" }),
        await lease({ hostName: "alpha", now: at(10), id: "aabb000000000000", address: "203.0.113.77" }),
        await lease({ hostName: "beta_1", now: at(10), id: "bbbb000000000000", address: "2001:db8:1:2::/64" }),
      ];
      assert.deepEqual(await found({ text: "aa", order: "created", descending: false }), [a, b]);
      assert.deepEqual(await found({ text: b }), [b]);
      assert.deepEqual(await found({ text: "203.0.113" }), [b]);
      assert.deepEqual(await found({ text: "2001:db8:1" }), [c]);
      for (const text of ["203.0.113", "203.0.113.77", "2001:db8:1:2::", "2"])
        assert.deepEqual(await found({ text, withoutHolders: true }), [], "a holder is not found by guessing");
      assert.deepEqual(await found({ text: "aabb", withoutHolders: true }), [b]);
      assert.deepEqual(await found({ text: "eta" }), [c]);
      assert.deepEqual(await found({ text: "192.0.2.5:20001" }), [b]);
      assert.deepEqual(await found({ text: "[2001:db8::5]:20000" }), [c]);
      assert.deepEqual(await found({ text: "192.0.2.5:1" }), []);
      for (const text of [
        "%",
        "_",
        "\\",
        "'; DROP TABLE instances; --",
        "a%",
        "beta%1",
        "alphä",
        "日本",
        "🙂:20001",
        "\u0000",
      ])
        assert.deepEqual(await found({ text }), text === "_" ? [c] : [], text);
      assert.deepEqual(await found({ host: "beta_1" }), [c]);
      for (const name of ["nobody", "bêta_1", "🙂"]) assert.deepEqual(await found({ host: name }), [], name);
      await bed.store.leases.beginEnd(a, "owner", at(20));
      assert.deepEqual(await found({ state: "ending" }), [a]);
      assert.equal(await bed.store.search.count({ ...any, state: "open" }), 3);
      await bed.store.leases.close(a, at(21));
      assert.deepEqual(await found({ state: "open", descending: false }), [b, c]);
      assert.deepEqual(
        [await bed.store.search.count({ ...any, state: "ended" }), await bed.store.search.count(any)],
        [1, 3],
      );
      assert.deepEqual((await bed.store.leases.find(b))?.handedOutAt, at(10));
      assert.equal(await bed.store.leases.find("c".repeat(16)), undefined);
    });

    it("tells who had an address and port at a moment, by when it had its slot", async () => {
      await bed.store.hosts.register(host("alpha", { publicHost: "192.0.2.5", capacity: 1 }), start);
      await bed.store.hosts.register(host("beta", { publicHost: "192.0.2.6", capacity: 1 }), start);
      const first = await lease({ hostName: "alpha", now: at(10), address: "203.0.113.1" });
      await bed.store.leases.beginEnd(first, "owner", at(20));
      await bed.store.leases.close(first, at(21));
      const second = await lease({ hostName: "alpha", now: at(30), address: "203.0.113.2" });
      const other = await lease({ hostName: "beta", now: at(30), address: "203.0.113.3" });
      const text = "192.0.2.5:20000";
      for (const [seconds, held] of [
        [9, []],
        [10, [first]],
        [21, [first]],
        [22, []],
        [30, [second]],
        [9999, [second]],
      ] as const)
        assert.deepEqual(await found({ text, heldAt: at(seconds) }), held, `after ${seconds} s`);
      const anywhere = { ...any, text: ":20000", heldAt: at(30) };
      assert.deepEqual((await found(anywhere)).sort(), [second, other].sort());
      assert.equal(await bed.store.search.count(anywhere), 2);
      assert.deepEqual(await found({ text: ":20001" }), []);
    });

    it("finds by a whole address this holder's only: no longer address, and no neighbour of an IPv6 /64", async () => {
      await bed.store.hosts.register(host("alpha", { publicHost: "192.0.2.5" }), start);
      const [one, ten] = [
        await lease({ hostName: "alpha", now: at(10), address: "198.51.100.1" }),
        await lease({ hostName: "alpha", now: at(10), address: "198.51.100.10" }),
      ];
      const [six, neighbour] = [
        await lease({ hostName: "alpha", now: at(10), address: "2001:db8:1:2::/64" }),
        await lease({ hostName: "alpha", now: at(10), address: "2001:db8:1:20::/64" }),
      ];
      for (const text of ["198.51.100.1", "::ffff:198.51.100.1"]) assert.deepEqual(await found({ text }), [one], text);
      for (const text of [
        "2001:db8:1:2::/64",
        "2001:db8:1:2::1",
        "2001:DB8:1:2:ffff:0:0:1",
        "2001:0db8:0001:0002::/64",
        "2001:db8:1:2::9/64",
      ])
        assert.deepEqual(await found({ text }), [six], text);
      assert.deepEqual((await found({ text: "198.51.100." })).sort(), [one, ten].sort());
      assert.deepEqual((await found({ text: "2001:db8:1:2" })).sort(), [six, neighbour].sort());
      assert.deepEqual(await found({ text: "198.51.100.1/64" }), []);
    });

    it("comes in each order, both ways, page after page, without a gap or a repeat", async () => {
      for (const name of ["one", "two", "three"]) await bed.store.hosts.register(host(name), start);
      for (let index = 0; index < 12; index++)
        await lease({
          hostName: ["one", "two", "three"][index % 3] ?? "",
          quota: 12,
          address: `198.51.100.${index % 4}`,
          now: at(Math.floor(index / 2)),
          ttlSeconds: 100 + (index % 5),
        });
      for (const order of ["created", "expires", "address", "host"] as const) {
        for (const descending of [true, false]) {
          const whole = await found({ order, descending });
          const paged: string[] = [];
          for (;;) {
            const page = await found({ order, descending, ...(paged.length > 0 && { after: paged.at(-1) ?? "" }) }, 5);
            paged.push(...page);
            if (page.length < 5) break;
          }
          assert.deepEqual(paged, whole, `${order} ${descending ? "down" : "up"}`);
          assert.equal(new Set(whole).size, 12);
        }
      }
      const [first] = await bed.store.search.find({ ...any, order: "expires", descending: false }, 1);
      const all = await bed.store.search.find(any, 100);
      assert.equal(
        first?.expiresAt?.getTime(),
        Math.min(...all.map(({ expiresAt }) => expiresAt?.getTime() ?? assert.fail("a lease"))),
      );
    });
  });
}
