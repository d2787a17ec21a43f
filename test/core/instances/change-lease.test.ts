import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { changeLease } from "../../../apps/core/instances/change-lease.ts";
import type { Instance } from "../../../apps/core/instances/instance.ts";

const start = new Date("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);

describe("changeLease", () => {
  const lease = { usual: 3600, least: 60, most: 7200 };
  const instance = { id: "i", state: "running", latestEnd: at(7200), expiresAt: at(3600) } as Instance;

  it("moves the end, and shows the new one", async () => {
    const set: unknown[] = [];
    const ports = {
      clock: () => at(100),
      rules: { lease },
      store: { leases: { setExpiry: (...values: unknown[]) => Promise.resolve(set.push(values) > 0) } },
    };
    assert.deepEqual(await changeLease(ports, instance, 600), {
      kind: "changed",
      instance: { ...instance, expiresAt: at(700) },
    });
    assert.deepEqual(set, [["i", at(700), at(100)]]);
  });

  it("refuses when the lease is over, was over a moment before, or would leave its bounds", async () => {
    const ports = (now: Date) => ({
      clock: () => now,
      rules: { lease },
      store: { leases: { setExpiry: () => Promise.resolve(false) } },
    });
    assert.deepEqual(await changeLease(ports(at(3600)), instance, 600), { kind: "not-running" });
    assert.deepEqual(await changeLease(ports(at(100)), instance, 600), { kind: "not-running" });
    assert.deepEqual(await changeLease(ports(at(100)), { ...instance, state: "ending" }, 600), { kind: "not-running" });
    assert.deepEqual(await changeLease(ports(at(100)), instance, 7101), {
      kind: "lease-out-of-bounds",
      leastSeconds: 60,
      mostSeconds: 7100,
    });
  });
});
