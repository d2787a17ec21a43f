import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createKeptAnswer } from "../../apps/lib/kept-answer.ts";

/** A kept answer whose readings the test ends; answers are kept for 100 ms. */
function kept() {
  const readings: PromiseWithResolvers<string>[] = [];
  const clock = { nowMs: 0 };
  const ask = createKeptAnswer(
    () => {
      const reading = Promise.withResolvers<string>();
      readings.push(reading);
      return reading.promise;
    },
    () => 100,
    () => clock.nowMs,
  );
  return { ask, readings, clock };
}

describe("a kept answer", () => {
  it("is read once for all who ask meanwhile, and for those who ask until it is too old", async () => {
    const { ask, readings, clock } = kept();
    const asked = [ask(), ask(), ask()];
    readings[0]?.resolve("first");
    assert.deepEqual(await Promise.all(asked), ["first", "first", "first"]);
    clock.nowMs = 99;
    assert.equal(await ask(), "first");
    assert.equal(readings.length, 1);
    clock.nowMs = 100;
    const later = ask();
    readings[1]?.resolve("second");
    assert.equal(await later, "second");
  });

  it("is as old as the beginning of its reading: what took long is not kept on top of that", async () => {
    const { ask, readings, clock } = kept();
    const slow = ask();
    clock.nowMs = 5_000;
    readings[0]?.resolve("slow");
    assert.equal(await slow, "slow");
    void ask();
    assert.equal(readings.length, 2);
  });

  it("is not kept when the reading failed, nor after the clock was set back", async () => {
    const { ask, readings, clock } = kept();
    const failing = ask();
    readings[0]?.reject(new Error("away"));
    await assert.rejects(failing, /away/);
    const next = ask();
    readings[1]?.resolve("there");
    assert.equal(await next, "there");
    clock.nowMs = -1_000;
    void ask();
    assert.equal(readings.length, 3);
  });
});
