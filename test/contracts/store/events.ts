import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at, useStore, type OpenStore } from "./bed.ts";

/** The store's contract of events. */
export function describeEvents(open: OpenStore): void {
  describe("events", () => {
    const { bed } = useStore(open);

    it("are kept with their reasons, newest first, and found by host, instance and kind", async () => {
      await bed.store.events.add(
        { actor: "scale", kind: "order", host: "gar-1", reason: "no empty host", data: { size: "small" } },
        at(1),
      );
      await bed.store.events.add({ actor: "scale", kind: "hold", alarm: true, reason: "blind" }, at(2));
      await bed.store.events.add(
        {
          actor: "reconcile",
          kind: "end",
          host: "gar-1",
          instance: "a".repeat(16),
          reason: "lost",
          data: { cause: "lost" },
        },
        at(3),
      );
      assert.deepEqual(
        (await bed.store.events.list({}, 10)).map(({ kind, reason, alarm }) => [kind, reason, alarm]),
        [
          ["end", "lost", false],
          ["hold", "blind", true],
          ["order", "no empty host", false],
        ],
      );
      assert.deepEqual((await bed.store.events.list({ host: "gar-1", kind: "order" }, 10)).length, 1);
      assert.deepEqual((await bed.store.events.list({ instance: "a".repeat(16) }, 10)).length, 1);
      for (const filter of [{ host: "gär-1" }, { instance: "日本" }, { host: "🙂", kind: "order" as const }])
        assert.deepEqual(await bed.store.events.list(filter, 10), []);
      const [newest] = await bed.store.events.list({}, 1);
      assert.deepEqual(
        (await bed.store.events.list({ before: newest?.id ?? 0 }, 10)).map(({ kind }) => kind),
        ["hold", "order"],
      );
    });

    it("are kept with what programs read of them, as it was the last time", async () => {
      const join = { actor: "admit", kind: "join", host: "gar-1", reason: "a host 3.3 s after its order" } as const;
      await bed.store.events.add({ ...join, data: { secondsAfterOrder: 3.25 } }, at(1));
      await bed.store.events.add({ actor: "operator", kind: "cordon", host: "gar-1", reason: "asked for" }, at(2));
      assert.deepEqual(
        (await bed.store.events.list({}, 10)).map(({ actor, kind, data }) => [actor, kind, data]),
        [
          ["operator", "cordon", null],
          ["admit", "join", { secondsAfterOrder: 3.25 }],
        ],
      );
      await bed.store.events.add({ ...join, data: { secondsAfterOrder: 3.3 } }, at(5));
      assert.deepEqual(
        (await bed.store.events.list({ host: "gar-1", kind: "join" }, 10)).map(({ times, data }) => [times, data]),
        [[2, { secondsAfterOrder: 3.3 }]],
        "counted up, with the data of the last time",
      );
    });

    it("that come again unchanged count up, so that a night's hold is one line", async () => {
      for (let second = 1; second <= 3; second++)
        await bed.store.events.add({ actor: "scale", kind: "hold", reason: "at the cap" }, at(second));
      await bed.store.events.add(
        { actor: "scale", kind: "order", host: "gar-1", reason: "room again", data: { size: "small" } },
        at(4),
      );
      await bed.store.events.add({ actor: "scale", kind: "hold", reason: "at the cap" }, at(5));
      await bed.store.events.add({ actor: "scale", kind: "hold", reason: "another reason" }, at(6));
      assert.deepEqual(
        (await bed.store.events.list({ kind: "hold" }, 10)).map(({ reason, times, at: first, lastAt }) => [
          reason,
          times,
          first,
          lastAt,
        ]),
        [
          ["another reason", 1, at(6), at(6)],
          ["at the cap", 4, at(1), at(5)],
        ],
      );
    });

    it("name the operator whose act they are; the same act of another one is another event", async () => {
      for (const by of ["alice", "alice", "bob", undefined])
        await bed.store.events.add({ actor: "operator", by, kind: "cordon", host: "gar-1", reason: "closed" }, at(1));
      assert.deepEqual(
        (await bed.store.events.list({}, 10)).map(({ by, times }) => [by, times]),
        [
          [undefined, 1],
          ["bob", 1],
          ["alice", 2],
        ],
      );
    });

    it("of owners are found by instance and by kind, and are not between all others", async () => {
      const instance = "b".repeat(16);
      const change = { actor: "owner", kind: "extend", host: "gar-1", instance, reason: "changed" } as const;
      for (const second of [1, 2])
        await bed.store.events.add({ ...change, data: { from: "before", to: `after ${second}` } }, at(second));
      await bed.store.events.add({ actor: "scale", kind: "hold", host: "gar-1", reason: "at the cap" }, at(3));
      assert.deepEqual(
        (await bed.store.events.list({ host: "gar-1" }, 10)).map(({ kind }) => kind),
        ["hold"],
      );
      for (const filter of [{ instance }, { kind: "extend" as const }])
        assert.deepEqual(
          (await bed.store.events.list(filter, 10)).map(({ actor, times, data }) => [actor, times, data]),
          [["owner", 2, { from: "before", to: "after 2" }]],
        );
    });

    it("too long for their column are cut, not lost", async () => {
      await bed.store.events.add({ actor: "scale", kind: "hold", reason: "x".repeat(5000) }, at(1));
      assert.equal((await bed.store.events.list({}, 1))[0]?.reason.length, 500);
    });

    describe("alarms", () => {
      it("come in the order of their last reports, however old their rows; the oldest are cut", async () => {
        const say = (reason: string, alarm: boolean, seconds: number) =>
          bed.store.events.add({ actor: "scale", kind: "hold", host: reason, reason, alarm }, at(seconds));
        await say("goes on", true, 0);
        await say("said once", true, 60);
        await say("no alarm", false, 70);
        await say("over", true, 5);
        await say("goes on", true, 80);
        const reasons = async (most: number) =>
          (await bed.store.events.listAlarms(at(60), most)).map(({ reason, times }) => `${reason} ×${times}`);
        assert.deepEqual(await reasons(10), ["goes on ×2", "said once ×1"]);
        assert.deepEqual(await reasons(1), ["goes on ×2"]);
      });
    });
  });
}
