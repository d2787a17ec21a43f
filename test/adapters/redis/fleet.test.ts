import assert from "node:assert/strict";
import { once } from "node:events";
import { after, afterEach, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import { openRedis } from "../../../apps/adapters/redis/discovery.ts";
import { createHeartbeatUsers } from "../../../apps/adapters/redis/heartbeat-users.ts";
import { onRunRequested, requestRun } from "../../../apps/adapters/redis/notifications.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { startServices, type Services } from "../../bed/services.ts";
import { until } from "../../bed/until.ts";

describe("a fleet's Redis", () => {
  let services: Services;
  before(async () => {
    services = await startServices();
  });
  after(() => services.stop());
  const clients: Redis[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect();
  });

  const client = async () => {
    const redis = openRedis(services.redisUrl, () => undefined);
    clients.push(redis);
    await once(redis, "ready");
    return redis;
  };
  /** What a host's heartbeat can do with a password. */
  const asHost = async (
    hostName: string,
    password: string,
    command: (redis: Redis) => Promise<unknown>,
  ): Promise<string> => {
    const { hostname, port } = new URL(services.redisUrl);
    const redis = new Redis({
      host: hostname,
      port: Number(port),
      username: `host-${hostName}`,
      password,
      lazyConnect: true,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
    });
    const faults: string[] = [];
    redis.on("error", (fault: Error) => faults.push(fault.message));
    try {
      await redis.connect();
      return String(await command(redis));
    } catch (fault) {
      return faults[0] ?? (fault as Error).message;
    } finally {
      redis.disconnect();
    }
  };
  const beat = (hostName: string) => (redis: Redis) => redis.set(`host:${hostName}`, "{}", "EX", 10);

  describe("users of heartbeats", () => {
    it("may write their own host's key, and do nothing else", async () => {
      await createHeartbeatUsers(await client()).grant("gar-1", "secret");
      assert.equal(await asHost("gar-1", "secret", beat("gar-1")), "OK");
      for (const forbidden of [
        beat("gar-2"),
        (redis: Redis) => redis.get("host:gar-1"),
        (redis: Redis) => redis.acl("LIST"),
        (redis: Redis) => redis.publish("getaredis:run", "scale"),
        (redis: Redis) => redis.keys("*"),
        (redis: Redis) => redis.flushall(),
      ]) {
        assert.match(await asHost("gar-1", "secret", forbidden), /NOPERM/);
      }
      assert.match(await asHost("gar-1", "wrong", beat("gar-1")), /WRONGPASS/);
    });

    it("are granted again when Redis has lost them, and removed with their hosts, others left alone", async () => {
      const redis = await client();
      const users = createHeartbeatUsers(redis);
      const password = (hostName: string) => `password of ${hostName}`;
      await users.grant("box", "somebody else's");
      await users.keep("gar", ["gar-1", "gar-2"], password);
      await redis.acl("DELUSER", "host-gar-1");
      assert.match(await asHost("gar-1", password("gar-1"), beat("gar-1")), /WRONGPASS/);
      await users.keep("gar", ["gar-1"], password);
      assert.equal(await asHost("gar-1", password("gar-1"), beat("gar-1")), "OK");
      assert.match(await asHost("gar-2", password("gar-2"), beat("gar-2")), /WRONGPASS/);
      assert.equal(await asHost("box", "somebody else's", beat("box")), "OK");
    });

    it("cannot be kept while Redis does not answer", async () => {
      const nowhere = openRedis("redis://127.0.0.1:1", () => undefined);
      clients.push(nowhere);
      await assert.rejects(
        createHeartbeatUsers(nowhere).keep("gar", ["gar-1"], () => "x"),
        Unavailable,
      );
    });
  });

  describe("a notification", () => {
    it("reaches the processes that run jobs, also after Redis was away", async () => {
      const heard: string[] = [];
      const listener = openRedis(services.redisUrl, () => undefined);
      clients.push(listener);
      onRunRequested(listener, (job) => heard.push(job));
      const sender = await client();
      const arrives = () =>
        until("it is heard", async () => {
          await requestRun(sender, "scale");
          return heard.includes("scale");
        });
      await arrives();
      heard.length = 0;
      await services.killRedis();
      await requestRun(sender, "scale");
      await services.startRedis();
      await arrives();
    });
  });
});
