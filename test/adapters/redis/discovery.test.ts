import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Redis } from "ioredis";
import { createRedisDiscovery, openRedis } from "../../../apps/adapters/redis/discovery.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import type { Services } from "../../bed/services.ts";
import { sharedServices } from "../../bed/shared-services.ts";
import { beat } from "../../contracts/heartbeat.ts";
import { until } from "../../bed/until.ts";

const isUnavailable = (fault: unknown) =>
  fault instanceof Unavailable && fault.system === "redis" && fault.cause instanceof Error;

describe("redis discovery", () => {
  let services: Services;
  let admin: Redis;
  let redis: Redis;
  let discovery: ReturnType<typeof createRedisDiscovery>;
  const faults: Error[] = [];
  before(async () => {
    services = await sharedServices();
    admin = new Redis(services.redisUrl);
    admin.on("error", () => undefined);
  });
  after(() => {
    admin.disconnect();
  });
  beforeEach(async () => {
    await admin.flushall();
    redis = openRedis(services.redisUrl, (fault) => faults.push(fault));
    discovery = createRedisDiscovery(redis);
    await until("Redis answers", () => discovery.ping().then(() => true));
  });
  afterEach(() => redis.disconnect());

  const setBeat = (name: string, value: string | object = beat(name)) =>
    admin.set(`host:${name}`, typeof value === "string" ? value : JSON.stringify(value), "EX", 10);

  it("treats a key of another type as silence", async () => {
    await admin.hset("host:host-a", "name", "host-a");
    await setBeat("host-b");
    assert.deepEqual([...(await discovery.readHeartbeats(["host-a", "host-b"])).keys()], ["host-b"]);
  });

  it("throws Unavailable when Redis hangs, within its time-out, and recovers by itself", async () => {
    await setBeat("host-a");
    // Holds every other client's commands back.
    await admin.call("CLIENT", "PAUSE", "2000", "ALL");
    const started = performance.now();
    await Promise.all([
      assert.rejects(discovery.readHeartbeats(["host-a"]), isUnavailable),
      assert.rejects(discovery.ping(), isUnavailable),
    ]);
    assert.ok(performance.now() - started < 1_500);
    await until("it answers", async () => (await discovery.readHeartbeats(["host-a"])).size === 1);
  });

  it("throws Unavailable at once while Redis is gone, and reads again when it is back", async () => {
    await setBeat("host-a");
    faults.length = 0;
    await services.killRedis();
    const started = performance.now();
    for (let count = 0; count < 20; count++) {
      await assert.rejects(discovery.readHeartbeats(["host-a"]), isUnavailable);
      await assert.rejects(discovery.ping(), isUnavailable);
    }
    assert.ok(performance.now() - started < 1_000);
    await until("the fault is told", () => faults.length > 0);
    await services.startRedis();
    await until("it answers", () => discovery.ping().then(() => true));
    assert.equal(
      (await discovery.readHeartbeats(["host-a"])).size,
      0,
      "Redis came back empty: the host is silent until its next beat",
    );
    await until("the test's own client is back", () => setBeat("host-a"));
    assert.equal((await discovery.readHeartbeats(["host-a"])).size, 1);
  });

  it("can be opened while Redis is away", async () => {
    await services.killRedis();
    const early = openRedis(services.redisUrl, () => undefined);
    try {
      await assert.rejects(createRedisDiscovery(early).ping(), isUnavailable);
      await services.startRedis();
      await until("it answers", () =>
        createRedisDiscovery(early)
          .ping()
          .then(() => true),
      );
    } finally {
      early.disconnect();
      await until("the other clients are back", () => Promise.all([admin.ping(), redis.ping()]));
    }
  });
});
