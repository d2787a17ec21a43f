import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { changedExpiry, leaseSeconds, shownState } from "../../../apps/core/instances/instance.ts";

const bounds = { usual: 3600, least: 60, most: 7200 };
const createdAt = new Date("2026-01-01T00:00:00Z");
const after = (seconds: number) => new Date(createdAt.getTime() + seconds * 1000);

/** Any bounds that settings can have: least <= usual <= most. */
const anyBounds = fc
  .tuple(fc.integer({ min: 1, max: 86_400 }), fc.nat(86_400), fc.nat(86_400))
  .map(([least, more, evenMore]) => ({ least, usual: least + more, most: least + more + evenMore }));

describe("leaseSeconds", () => {
  it("gives the usual lifetime when none is asked for", () => {
    assert.equal(leaseSeconds(undefined, bounds), 3600);
  });

  it("gives what is asked for from the least to the most", () => {
    assert.equal(leaseSeconds(60, bounds), 60);
    assert.equal(leaseSeconds(7200, bounds), 7200);
  });

  it("refuses everything outside with the bounds", () => {
    for (const asked of [59, 7201, 0, -1, 1e300])
      assert.deepEqual(leaseSeconds(asked, bounds), {
        kind: "lease-out-of-bounds",
        leastSeconds: 60,
        mostSeconds: 7200,
      });
  });
});

describe("changedExpiry", () => {
  it("counts the new lifetime from now, whether that is earlier or later than before", () => {
    assert.deepEqual(changedExpiry(after(7200), 60, bounds.least, after(10)), after(70));
    assert.deepEqual(changedExpiry(after(7200), 7000, bounds.least, after(100)), after(7100));
  });

  it("reaches the latest end, and no further", () => {
    assert.deepEqual(changedExpiry(after(7200), 7100, bounds.least, after(100)), after(7200));
    assert.deepEqual(changedExpiry(after(7200), 7101, bounds.least, after(100)), {
      kind: "lease-out-of-bounds",
      leastSeconds: 60,
      mostSeconds: 7100,
    });
  });

  it("never names a negative bound when the latest end is over", () => {
    assert.deepEqual(changedExpiry(after(7200), 60, bounds.least, after(8000)), {
      kind: "lease-out-of-bounds",
      leastSeconds: 60,
      mostSeconds: 0,
    });
  });

  it("grants exactly what the bounds it names allow", () => {
    fc.assert(
      fc.property(anyBounds, fc.integer({ min: -10, max: 300_000 }), fc.nat(300_000_000), (any, ttlSeconds, ageMs) => {
        const now = new Date(createdAt.getTime() + ageMs);
        const latestEnd = new Date(createdAt.getTime() + any.most * 1000);
        const expiry = changedExpiry(latestEnd, ttlSeconds, any.least, now);
        if (expiry instanceof Date) {
          assert.ok(ttlSeconds >= any.least);
          assert.ok(expiry <= latestEnd);
          assert.equal(expiry.getTime() - now.getTime(), ttlSeconds * 1000);
        } else {
          assert.ok(ttlSeconds < expiry.leastSeconds || ttlSeconds > expiry.mostSeconds);
          if (expiry.mostSeconds >= expiry.leastSeconds)
            assert.ok(
              changedExpiry(latestEnd, expiry.mostSeconds, any.least, now) instanceof Date,
              "the bound that was named is granted",
            );
        }
      }),
    );
  });
});

describe("shownState", () => {
  it("shows a running lease as ending from the moment its time is over", () => {
    const lease = { state: "running", expiresAt: after(60) } as const;
    assert.equal(shownState(lease, after(59)), "running");
    assert.equal(shownState(lease, after(60)), "ending");
  });

  it("shows every other state as it is, whatever the time", () => {
    for (const state of ["starting", "ending", "ended"] as const)
      assert.equal(shownState({ state, expiresAt: after(0) }, after(60)), state);
  });
});
