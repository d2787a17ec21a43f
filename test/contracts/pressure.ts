import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Pressure } from "../../apps/core/admission/contract.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";

/** Counts without a start, to hold to their contract, real or a twin. */
export type PressureBed = {
  readonly pressure: Pressure;
  /** Ends the system; it answers again when the last of these resolves. */
  readonly kill: () => Promise<void>;
  readonly restart: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Opens the counts; the suite closes them after each test. */
export type OpenPressure = () => Promise<PressureBed>;

/** What every system that counts the pressure keeps to. */
export function describePressureContract(open: OpenPressure): void {
  describe("pressure", () => {
    let bed: PressureBed;
    beforeEach(async () => {
      bed = await open();
    });
    afterEach(() => bed.close());

    // Real systems end keys by their own clock.
    const start = new Date(Math.ceil(Date.now() / 60_000) * 60_000);
    const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);

    it("counts starts of each budget and of all, and takes them back", async () => {
      const { pressure } = bed;
      assert.deepEqual(await pressure.read(["a", "n"], at(0)), { starts: [0, 0], lastMinute: 0 });
      assert.equal(await pressure.count(["a", "n"], 1, at(0)), 1);
      assert.equal(await pressure.count(["b", "n"], 1, at(1)), 2);
      assert.deepEqual(await pressure.read(["a", "b", "n", "x"], at(2)), { starts: [1, 1, 2, 0], lastMinute: 2 });
      await pressure.count(["b", "n"], -1, at(3));
      assert.deepEqual(await pressure.read(["b", "n"], at(4)), { starts: [0, 1], lastMinute: 1 });
      await pressure.count(["y"], -1, at(5));
      assert.deepEqual(await pressure.read(["y"], at(5)), { starts: [0], lastMinute: 0 });
    });

    it("lets the starts of a minute fade away over the next one", async () => {
      const { pressure } = bed;
      for (let count = 0; count < 4; count++) await pressure.count([], 1, at(0));
      const seen = [];
      for (const seconds of [59, 60, 75, 90, 120]) seen.push((await pressure.read([], at(seconds))).lastMinute);
      assert.deepEqual(seen, [4, 4, 3, 2, 0]);
      assert.equal(await pressure.count([], 1, at(90)), 3);
    });

    it("counts exactly, out of many at once", async () => {
      const counts = await Promise.all(Array.from({ length: 20 }, () => bed.pressure.count(["a"], 1, at(0))));
      assert.deepEqual(
        counts.sort((one, other) => one - other),
        Array.from({ length: 20 }, (_, index) => index + 1),
      );
      assert.deepEqual((await bed.pressure.read(["a"], at(0))).starts, [20]);
    });

    it("lets a proof be used once, out of many at once, and again when it is returned", async () => {
      const { pressure } = bed;
      const uses = await Promise.all(Array.from({ length: 5 }, () => pressure.useProof("p", at(60), at(0))));
      assert.deepEqual(uses.filter(Boolean).length, 1);
      assert.equal(await pressure.useProof("q", at(60), at(0)), true);
      await pressure.returnProof("p");
      assert.deepEqual(
        [await pressure.useProof("p", at(60), at(1)), await pressure.useProof("p", at(60), at(2))],
        [true, false],
      );
    });

    it("throws Unavailable while the system is gone", async () => {
      const { pressure } = bed;
      await bed.kill();
      try {
        for (const call of [
          () => pressure.read(["a"], at(0)),
          () => pressure.count(["a"], 1, at(0)),
          () => pressure.useProof("p", at(60), at(0)),
          () => pressure.returnProof("p"),
        ])
          await assert.rejects(call, (fault) => fault instanceof Unavailable && fault.system === "redis");
      } finally {
        await bed.restart();
      }
      assert.equal(await pressure.count(["a"], 1, at(0)), 1);
    });
  });
}
