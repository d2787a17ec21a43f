import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { wantedWarm } from "../../../apps/core/warm-pool/size.ts";

const bounds = { least: 2, most: 16 };

describe("wantedWarm", () => {
  it("is the floor while nobody asks, more as more is asked for, and the cap at last", () => {
    const wanted = [0, 0.01, 0.5, 1, 2, 3, 100].map((arrivalsPerSecond) =>
      wantedWarm({ arrivalsPerSecond, refillSeconds: 2.5 }, bounds),
    );
    assert.deepEqual(wanted, [2, 2, 4, 7, 11, 14, 16]);
  });

  it("covers what comes until one that was taken is replaced, with a reserve", () => {
    assert.equal(wantedWarm({ arrivalsPerSecond: 1, refillSeconds: 4 }, { least: 0, most: 100 }), 9);
    assert.equal(wantedWarm({ arrivalsPerSecond: 4, refillSeconds: 1 }, { least: 0, most: 100 }), 9);
    assert.equal(wantedWarm({ arrivalsPerSecond: 0, refillSeconds: 9 }, { least: 0, most: 100 }), 0);
  });

  it("is a whole number within its bounds, and never less for more demand", () => {
    const rate = fc.double({ min: 0, max: 1e6, noNaN: true });
    const seconds = fc.double({ min: 0, max: 3600, noNaN: true });
    fc.assert(
      fc.property(rate, rate, seconds, fc.nat(1000), fc.nat(1000), (one, other, refillSeconds, a, b) => {
        const within = { least: Math.min(a, b), most: Math.max(a, b) };
        const [fewer, more] = [Math.min(one, other), Math.max(one, other)].map((arrivalsPerSecond) =>
          wantedWarm({ arrivalsPerSecond, refillSeconds }, within),
        );
        assert.ok(Number.isInteger(fewer) && Number.isInteger(more));
        assert.ok((fewer ?? 0) >= within.least && (fewer ?? 0) <= (more ?? 0) && (more ?? 0) <= within.most);
      }),
    );
  });
});
