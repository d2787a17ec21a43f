import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import { createAnnouncementBoard } from "../../../apps/adapters/redis/announcements.ts";
import { createRedisDiscovery, openRedis } from "../../../apps/adapters/redis/discovery.ts";
import {
  createRedisMembership,
  createRedisRouteNews,
  createRedisServiceReports,
} from "../../../apps/adapters/redis/gateways.ts";
import { createRedisPools, onPoolMessage } from "../../../apps/adapters/redis/pools.ts";
import { createRedisPressure } from "../../../apps/adapters/redis/pressure.ts";
import { applyMessage, POOL_KEY, type PoolMessage } from "../../../apps/core/balance/pool.ts";
import type { Services } from "../../bed/services.ts";
import { sharedServices } from "../../bed/shared-services.ts";
import { until } from "../../bed/until.ts";
import { describeBalanceContract } from "../../contracts/balance.ts";
import { describeDiscoveryContract } from "../../contracts/discovery.ts";
import { describeGatewaysContract } from "../../contracts/gateways.ts";
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

  describeGatewaysContract(async () => {
    await admin.flushall();
    const [redis, heard, otherHeard] = [1, 2, 3].map(() => openRedis(services.redisUrl, () => undefined));
    if (!redis || !heard || !otherHeard) throw new Error("three were opened");
    const clients = [redis, heard, otherHeard];
    const areReady = () => until("all are connected", () => clients.every(({ status }) => status === "ready"));
    await areReady();
    return {
      membership: createRedisMembership(redis),
      news: { gateway: createRedisRouteNews(redis, heard), starter: createRedisRouteNews(redis, otherHeard) },
      services: createRedisServiceReports(redis),
      set: async (name, value, lifeMs) => {
        await admin.set(`gateway:${name}`, value, "PX", lifeMs);
      },
      setServices: async (name, value, lifeMs) => {
        await admin.set(`gateway::services:${name}`, value, "PX", lifeMs);
      },
      outlive: async (name) => {
        const keys = [`gateway:${name}`, `gateway::services:${name}`];
        await until("its keys have ended", async () => (await admin.exists(...keys)) === 0);
      },
      kill: services.killRedis,
      restart: async () => {
        await services.startRedis();
        await areReady();
        await until("the test's own client is back", () => admin.ping());
      },
      close: () => {
        for (const client of clients) client.disconnect();
        return Promise.resolve();
      },
    };
  });

  describeBalanceContract(async () => {
    await admin.flushall();
    const redis = openRedis(services.redisUrl, () => undefined);
    const answers = () => until("Redis answers", () => redis.ping().then(() => true));
    await answers();
    return {
      pools: createRedisPools(redis),
      board: createAnnouncementBoard(redis),
      setPool: (key, text) => (text === undefined ? admin.del(key) : admin.set(key, text)),
      announce: (host, text, lifeMs) =>
        lifeMs === null ? admin.set(`app:${host}`, text) : admin.set(`app:${host}`, text, "PX", lifeMs),
      leave: (host) => admin.del(`app:${host}`),
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

  describe("pools", () => {
    it("follow what anybody publishes as l4loadbalancer has it, also after Redis was away", async () => {
      await admin.flushall();
      const rules = { own: { ips: [], ports: [] }, mostMembers: 10 };
      const [redis, listener] = [0, 1].map(() => openRedis(services.redisUrl, () => undefined)) as [Redis, Redis];
      try {
        await until("Redis answers", () => redis.ping().then(() => true));
        const pools = createRedisPools(redis);
        onPoolMessage(listener, (key, message: PoolMessage) => {
          void pools.change(key, (text) => applyMessage(text, message, rules));
        });
        const heard = (channel: string, entry: string) =>
          until("somebody listens", async () => (await admin.publish(channel, entry)) === 1);
        const isPool = (key: string, text: string) =>
          until(`${key} is ${text}`, async () => (await admin.get(key)) === text);
        await admin.set(POOL_KEY, '["127.0.0.1:6000","127.0.0.1:3000"]');
        await heard("addServer", "127.0.0.1:5000");
        await isPool(POOL_KEY, '["127.0.0.1:6000","127.0.0.1:3000","127.0.0.1:5000"]');
        await heard("removeServer", "127.0.0.1:6000");
        await isPool(POOL_KEY, '["127.0.0.1:3000","127.0.0.1:5000"]');
        await heard("addServer:web", "10.0.0.1:80");
        await isPool(`${POOL_KEY}:web`, '["10.0.0.1:80"]');
        await services.killRedis();
        await services.startRedis();
        await until("the test's own client is back", () => admin.ping());
        await heard("addServer", "127.0.0.1:5000");
        await isPool(POOL_KEY, '["127.0.0.1:5000"]');
      } finally {
        redis.disconnect();
        listener.disconnect();
      }
    });

    it("that are no text, and announcements that are none, are refused and not taken for missing", async () => {
      await admin.flushall();
      await admin.sadd(POOL_KEY, "10.0.0.1:1");
      await admin.hset("app:web-1", "field", "value");
      const redis = openRedis(services.redisUrl, () => undefined);
      try {
        await until("Redis answers", () => redis.ping().then(() => true));
        assert.equal(await createRedisPools(redis).read(POOL_KEY), "");
        assert.deepEqual((await createAnnouncementBoard(redis).read(["web-1"])).kept, [
          { host: "web-1", text: "", lifeMs: null },
        ]);
      } finally {
        redis.disconnect();
      }
    });
  });
});
