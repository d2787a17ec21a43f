import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { MinuteFigures } from "../../../apps/core/figures/figures.ts";
import { at, host, start, useStore, type OpenStore } from "./bed.ts";

/** The store's contract of figures, of pruning, and of runs of jobs. */
export function describeHistory(open: OpenStore): void {
  describe("history", () => {
    const { bed, take, lease } = useStore(open);

    it("deletes what ended long ago, and still counts it", async () => {
      await bed.store.hosts.register(host("a", { capacity: 10 }), start);
      const ids = [
        await lease({ quota: 9 }),
        await lease({ quota: 9 }),
        await lease({ quota: 9, address: "198.51.100.2" }),
      ];
      const { id: failed } = await take({ quota: 9 });
      for (const [index, id] of [...ids, failed].entries()) {
        await bed.store.leases.beginEnd(id, index === 3 ? "failed" : "owner", at(10));
        await bed.store.leases.close(id, at(index === 1 ? 100 : 10));
      }
      const running = await lease({ now: at(100), address: "198.51.100.1" });
      assert.deepEqual(await bed.store.history.countHandouts(at(101)), { running: 1, startedEver: 4 });
      assert.equal(await bed.store.history.prune(at(50)), 3);
      assert.deepEqual(await bed.store.history.countHandouts(at(101)), { running: 1, startedEver: 4 });
      assert.deepEqual(
        await Promise.all([...ids, running].map(async (id) => (await bed.store.leases.find(id))?.state)),
        [undefined, "ended", undefined, "running"],
      );
      assert.equal(await bed.count("addresses"), 1, "the one that has a lease");
      assert.equal(await bed.store.history.prune(at(50)), 0);
    });

    it("erases who held what has ended, some time after, and keeps that it was handed out", async () => {
      await bed.store.hosts.register(host("a"), start);
      const [old, late, running] = [await lease(), await lease({ address: "198.51.100.2" }), await lease()];
      for (const [id, seconds] of [
        [old, 10],
        [late, 60],
      ] as const) {
        await bed.store.leases.beginEnd(id, "owner", at(seconds));
        await bed.store.leases.close(id, at(seconds));
      }
      assert.equal(await bed.store.history.eraseHolders(at(50)), 1);
      assert.deepEqual(
        await Promise.all([old, late, running].map(async (id) => (await bed.store.leases.find(id))?.address)),
        ["", "198.51.100.2", "198.51.100.1"],
      );
      assert.equal(await bed.store.history.eraseHolders(at(50)), 0);
      assert.equal((await bed.store.history.countHandouts(at(70))).startedEver, 3);
      assert.equal(await bed.count("addresses"), 1, "the one that holds an instance");
    });

    it("does not count leases past their end as running", async () => {
      await bed.store.hosts.register(host("a"), start);
      await lease({ ttlSeconds: 60 });
      assert.equal((await bed.store.history.countHandouts(at(59))).running, 1);
      assert.equal((await bed.store.history.countHandouts(at(60))).running, 0);
    });

    it("keeps when each job last ran and last succeeded", async () => {
      await bed.store.runs.begin("reap", at(1));
      await bed.store.runs.finish("reap", at(2), undefined);
      await bed.store.runs.begin("reap", at(3));
      await bed.store.runs.finish("reap", at(4), "x".repeat(600));
      await bed.store.runs.begin("prune", at(5));
      assert.deepEqual(await bed.store.runs.list(), [
        { job: "prune", startedAt: at(5), finishedAt: null, succeededAt: null, fault: null },
        { job: "reap", startedAt: at(3), finishedAt: at(4), succeededAt: at(2), fault: "x".repeat(500) },
      ]);
    });

    it("keeps the outcome of the last run of each job", async () => {
      await bed.store.runs.begin("scale", at(1));
      await bed.store.runs.finish("scale", at(2), undefined);
      await bed.store.runs.begin("health", at(3));
      await bed.store.runs.finish("health", at(4), "no answer");
      assert.deepEqual(await bed.store.runs.list(), [
        { job: "health", startedAt: at(3), finishedAt: at(4), succeededAt: null, fault: "no answer" },
        { job: "scale", startedAt: at(1), finishedAt: at(2), succeededAt: at(2), fault: null },
      ]);
    });

    describe("minutes", () => {
      it("are kept whole by each source, again and again", async () => {
        await bed.store.figures.keepMinute(at(0), "one", { handouts: { created: 1 } });
        await bed.store.figures.keepMinute(at(0), "one", { handouts: { created: 2 } });
        await bed.store.figures.keepMinute(at(0), "two", { handouts: { created: 5 } });
        await bed.store.figures.keepMinute(at(-60), "one", { leases: 1 });
        const kept = await bed.store.figures.readMinutes(at(0));
        assert.deepEqual(kept.map(({ figures }) => figures.handouts?.created).sort(), [2, 5]);
        assert.ok(kept.every(({ minute }) => minute.getTime() === start.getTime()));
      });

      it("are read as they were kept, figure by figure, and hold nothing that a later writing leaves out", async () => {
        const whole: MinuteFigures = {
          handouts: { created: 2, "quota-exceeded": 1 },
          began: { warm: 3, cold: 2 },
          took: [
            { boundSeconds: 0.005, count: 1 },
            { boundSeconds: 10, count: 1 },
            { boundSeconds: Infinity, count: 3 },
          ],
          ends: { owner: 4 },
          leases: 0,
          slots: { inUse: 1, all: 4 },
          hosts: { open: 1, "engine-silent": 2 },
          droplets: { joined: 3 },
        };
        const read = () => bed.store.figures.readMinutes(at(0));
        await bed.store.figures.keepMinute(at(0), "one", whole);
        assert.deepEqual(await read(), [{ minute: at(0), figures: whole }]);
        const less: MinuteFigures = { leases: 7, hosts: { open: 3 } };
        await bed.store.figures.keepMinute(at(0), "one", { ...less, ends: {} });
        assert.deepEqual(await read(), [{ minute: at(0), figures: less }]);
        await bed.store.figures.keepMinute(at(0), "one", {});
        assert.deepEqual(await read(), []);
      });

      it("are whole, one writing or the other, when two processes keep the same source's at once", async () => {
        const versions: readonly MinuteFigures[] = [
          { leases: 1, hosts: { open: 1 }, droplets: { joined: 1 } },
          { ends: { lost: 2 }, hosts: { full: 2 }, droplets: { booting: 2 } },
        ];
        const stores = [bed.store, bed.another()];
        for (let round = 0; round < 20; round++) {
          await Promise.all(
            stores.map((each, index) => each.figures.keepMinute(at(round * 60), "one", versions[index] ?? {})),
          );
          const [kept] = await bed.store.figures.readMinutes(at(round * 60));
          assert.ok(
            versions.some((version) => isDeepStrictEqual(kept?.figures, version)),
            JSON.stringify(kept?.figures),
          );
        }
      });

      it("are known by the last one that a source has kept", async () => {
        assert.equal(await bed.store.figures.lastMinute("one"), undefined);
        for (const [seconds, source] of [
          [60, "one"],
          [0, "one"],
          [120, "two"],
        ] as const)
          await bed.store.figures.keepMinute(at(seconds), source, { leases: 0 });
        assert.deepEqual(
          [await bed.store.figures.lastMinute("one"), await bed.store.figures.lastMinute("two")],
          [at(60), at(120)],
        );
      });

      it("have their ends counted by cause, and are pruned with history", async () => {
        await bed.store.hosts.register(host("a"), start);
        const [one, two, three] = [
          await lease({ now: at(10) }),
          await lease({ now: at(10) }),
          await lease({ now: at(10) }),
        ];
        for (const [id, cause, ended] of [
          [one, "owner", 65],
          [two, "operator", 70],
          [three, "owner", 130],
        ] as const) {
          await bed.store.leases.beginEnd(id, cause, at(ended));
          await bed.store.leases.close(id, at(ended));
        }
        const ends = await bed.store.figures.countEnds(at(0), at(180));
        assert.deepEqual(
          ends
            .map(({ minute, cause, ends: count }) => `${minute.getTime() - start.getTime()} ${cause} ${count}`)
            .sort(),
          ["120000 owner 1", "60000 operator 1", "60000 owner 1"],
        );
        assert.deepEqual(await bed.store.figures.countEnds(at(0), at(60)), []);
        await bed.store.figures.keepMinute(at(0), "ends", { ends: { owner: 1 } });
        await bed.store.history.prune(at(100_000));
        assert.deepEqual(await bed.store.figures.readMinutes(at(0)), []);
      });
    });
  });
}
