import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { changeLease } from "../../../apps/core/instances/change-lease.ts";
import { createTwinService } from "../../bed/twin-service.ts";

const start = new Date("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);

describe("changeLease", () => {
  const lease = { usual: 3600, least: 60, most: 7200 };

  /** An instance as its owner has just read it; `endsAt` and `latestEnd` in seconds from its start. */
  const open = async (endsAt = 3600) => {
    const service = createTwinService({ start });
    await service.addHost("a");
    await service.addInstance("i", "a", "running", { ttlSeconds: 7200 });
    await service.store.leases.setExpiry("i", at(endsAt), start);
    const instance = (await service.store.leases.find("i")) ?? assert.fail("no such instance");
    return { service, instance, ports: { ...service, rules: { lease } } };
  };

  it("moves the end, and shows the new one", async () => {
    const { service, instance, ports } = await open();
    service.time.pass(100_000);
    assert.deepEqual(await changeLease(ports, instance, 600), {
      kind: "changed",
      instance: { ...instance, expiresAt: at(700) },
    });
    assert.deepEqual((await service.store.leases.find("i"))?.expiresAt, at(700));
  });

  it("refuses when the lease is over, was over a moment before, or would leave its bounds", async () => {
    const over = await open();
    over.service.time.pass(3_600_000);
    assert.deepEqual(await changeLease(over.ports, over.instance, 600), { kind: "not-running" });
    const ended = await open();
    await ended.service.elsewhere.leases.beginEnd("i", "operator", start);
    assert.deepEqual(await changeLease(ended.ports, ended.instance, 600), { kind: "not-running" });
    assert.deepEqual(await changeLease(ended.ports, { ...ended.instance, state: "ending" }, 600), {
      kind: "not-running",
    });
    const { service, instance, ports } = await open();
    service.time.pass(100_000);
    for (const ttlSeconds of [7101, 59])
      assert.deepEqual(await changeLease(ports, instance, ttlSeconds), {
        kind: "lease-out-of-bounds",
        leastSeconds: 60,
        mostSeconds: 7100,
      });
    assert.deepEqual((await service.store.leases.find("i"))?.expiresAt, at(3600));
  });
});
