import { after, before, describe } from "node:test";
import { Redis } from "ioredis";
import { createRedisDiscovery, openRedis } from "../../../apps/adapters/redis/discovery.ts";
import { createRedisPressure } from "../../../apps/adapters/redis/pressure.ts";
import type { Services } from "../../bed/services.ts";
import { sharedServices } from "../../bed/shared-services.ts";
import { until } from "../../bed/until.ts";
import { describeDiscoveryContract } from "../../contracts/discovery.ts";
import { describePressureContract } from "../../contracts/pressure.ts";

describe("redis discovery", () => {
  let services: Services;
  let admin: Redis;
  before(async () => {
    services = await sharedServices();
    admin = new Redis(services.redisUrl);
    admin.on("error", () => undefined);
  });
  after(() => {
    admin.disconnect();
  });

  describeDiscoveryContract(async () => {
    await admin.flushall();
    const redis = openRedis(services.redisUrl, () => undefined);
    const discovery = createRedisDiscovery(redis);
    const answers = () => until("Redis answers", () => discovery.ping().then(() => true));
    await answers();
    return {
      discovery,
      set: async (hostName, value, lifeMs) => {
        const key = `host:${hostName}`;
        await (lifeMs === null ? admin.set(key, value) : admin.set(key, value, "PX", lifeMs));
      },
      outlive: async (hostName) => {
        await until("its key has ended", async () => (await admin.exists(`host:${hostName}`)) === 0);
      },
      kill: services.killRedis,
      restart: async () => {
        await services.startRedis();
        await answers();
        await until("the test's own client is back", () => admin.ping());
      },
      close: () => {
        redis.disconnect();
        return Promise.resolve();
      },
    };
  });

  describePressureContract(async () => {
    await admin.flushall();
    const redis = openRedis(services.redisUrl, () => undefined);
    const answers = () => until("Redis answers", () => redis.ping().then(() => true));
    await answers();
    return {
      pressure: createRedisPressure(redis),
      kill: services.killRedis,
      restart: async () => {
        await services.startRedis();
        await answers();
        await until("the test's own client is back", () => admin.ping());
      },
      close: () => {
        redis.disconnect();
        return Promise.resolve();
      },
    };
  });
});
