import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { LONGEST_ANNOUNCEMENT } from "../../apps/core/balance/announcement.ts";
import type { AnnouncementBoard, Pools } from "../../apps/core/balance/contract.ts";
import { applyMessage, LONGEST_POOL_TEXT, POOL_KEY, readPool } from "../../apps/core/balance/pool.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";

/** Pools and announcements, none at first, to hold those who keep them to their contract, real or twins. */
export type BalanceBed = {
  readonly pools: Pools;
  readonly board: AnnouncementBoard;
  readonly setPool: (key: string, text: string | undefined) => unknown;
  /** Sets a host's key for so many milliseconds; null: for ever. */
  readonly announce: (host: string, text: string, lifeMs: number | null) => unknown;
  readonly leave: (host: string) => unknown;
  /** Ends the system, which loses all its data; it answers again when the last of these resolves. */
  readonly kill: () => Promise<void>;
  readonly restart: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const LIFE_MS = 30_000;
const rules = { own: { ips: [], ports: [] }, mostMembers: 1000 };
const isUnavailable = (fault: unknown) => fault instanceof Unavailable && fault.system === "redis";

/** What everybody keeps to who keeps pools and announcements. */
export function describeBalanceContract(open: () => Promise<BalanceBed>): void {
  let bed: BalanceBed;
  const use = () => {
    beforeEach(async () => {
      bed = await open();
    });
    afterEach(() => bed.close());
  };
  const add = (entry: string) =>
    bed.pools.change(POOL_KEY, (text) => applyMessage(text, { kind: "add", entry }, rules));
  const remove = (entry: string) =>
    bed.pools.change(POOL_KEY, (text) => applyMessage(text, { kind: "remove", entry }, rules));

  describe("pools", () => {
    use();

    it("are read as they stand; no key is no pool, and not an empty one", async () => {
      assert.equal(await bed.pools.read(POOL_KEY), undefined);
      await bed.setPool(POOL_KEY, '["127.0.0.1:6000","127.0.0.1:3000"]');
      assert.equal(await bed.pools.read(POOL_KEY), '["127.0.0.1:6000","127.0.0.1:3000"]');
      await bed.setPool(POOL_KEY, "");
      assert.equal(await bed.pools.read(POOL_KEY), "");
    });

    it("are refused when they are too long, however long they are", async () => {
      await bed.setPool(POOL_KEY, JSON.stringify(["x".repeat(2 * LONGEST_POOL_TEXT)]));
      assert.equal(readPool((await bed.pools.read(POOL_KEY)) ?? "", rules).kind, "refused");
      assert.equal((await add("10.0.0.1:1")).kind, "refused");
    });

    it("are changed by a rule, and by what it refuses they are not", async () => {
      assert.equal((await add("10.0.0.1:1")).kind, "changed");
      assert.equal((await add("10.0.0.1:1")).kind, "unchanged");
      assert.equal((await add("rubbish")).kind, "refused");
      assert.equal(await bed.pools.read(POOL_KEY), '["10.0.0.1:1"]');
      assert.equal((await remove("10.0.0.1:1")).kind, "changed");
      assert.equal(await bed.pools.read(POOL_KEY), "[]");
    });

    it("lose no change when many change one at once", async () => {
      const entries = Array.from({ length: 20 }, (_, index) => `10.0.0.${index + 1}:1`);
      await Promise.all([...entries, ...entries].map(add));
      const kept = JSON.parse((await bed.pools.read(POOL_KEY)) ?? "") as string[];
      assert.deepEqual(kept.toSorted(), entries.toSorted());
    });
  });

  describe("announcements", () => {
    use();

    it("are read for the hosts that are asked for, with the time that they have left", async () => {
      await bed.announce("web-1", "one", LIFE_MS);
      await bed.announce("web-2", "two", null);
      await bed.announce("web-3", "three", LIFE_MS);
      const { kept } = await bed.board.read(["web-2", "web-1", "web-4"]);
      assert.deepEqual(
        kept.map(({ host, text }) => [host, text]),
        [
          ["web-2", "two"],
          ["web-1", "one"],
        ],
      );
      assert.equal(kept[0]?.lifeMs, null);
      const lifeMs = kept[1]?.lifeMs ?? 0;
      assert.ok(lifeMs > 0 && lifeMs <= LIFE_MS);
      await bed.leave("web-1");
      assert.deepEqual((await bed.board.read(["web-1"])).kept, []);
    });

    it("are cut off where they are too long", async () => {
      await bed.announce("web-1", "x".repeat(3 * LONGEST_ANNOUNCEMENT), LIFE_MS);
      assert.ok(((await bed.board.read(["web-1"])).kept[0]?.text.length ?? 0) > LONGEST_ANNOUNCEMENT);
    });

    it("have owners of which the first of two that write one decides", async () => {
      const claim = "domain:shop.example.org";
      const [one, other] = await Promise.all([
        bed.board.changeOwners([{ claim, from: null, to: "shop" }]),
        bed.board.changeOwners([{ claim, from: null, to: "blog" }]),
      ]);
      const { owners } = await bed.board.read([]);
      assert.equal(owners.size, 1);
      assert.ok([one.get(claim), other.get(claim)].includes(owners.get(claim)));
      const owner = owners.get(claim) ?? null;
      assert.equal((await bed.board.changeOwners([{ claim, from: "somebody", to: "wiki" }])).get(claim), owner);
      assert.equal((await bed.board.changeOwners([{ claim, from: owner, to: "wiki" }])).get(claim), "wiki");
      assert.equal((await bed.board.changeOwners([{ claim, from: "wiki", to: null }])).size, 0);
    });

    it("tell when the system has begun anew, and lost them", async () => {
      await bed.announce("web-1", "one", LIFE_MS);
      await bed.board.changeOwners([{ claim: "port:7000", from: null, to: "mail" }]);
      const before = await bed.board.read(["web-1"]);
      assert.equal((await bed.board.read(["web-1"])).serverRun, before.serverRun);
      await bed.kill();
      try {
        await assert.rejects(bed.board.read(["web-1"]), isUnavailable);
        await assert.rejects(bed.board.changeOwners([]), isUnavailable);
        await assert.rejects(bed.pools.read(POOL_KEY), isUnavailable);
        await assert.rejects(add("10.0.0.1:1"), isUnavailable);
      } finally {
        await bed.restart();
      }
      const after = await bed.board.read(["web-1"]);
      assert.notEqual(after.serverRun, before.serverRun);
      assert.deepEqual([after.kept, after.owners.size], [[], 0]);
    });
  });
}
