import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import { openRedis } from "../../../apps/adapters/redis/discovery.ts";
import { createHeartbeatUsers } from "../../../apps/adapters/redis/heartbeat-users.ts";
import { onRunRequested, requestRun } from "../../../apps/adapters/redis/notifications.ts";
import { endStrangers, keepStrangersOut } from "../../../apps/adapters/redis/strangers.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import type { Services } from "../../bed/services.ts";
import { sharedServices } from "../../bed/shared-services.ts";
import { until } from "../../bed/until.ts";

describe("a fleet's Redis", () => {
  let services: Services;
  before(async () => {
    services = await sharedServices();
  });
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

  describe("strangers", () => {
    const sockets: Socket[] = [];
    afterEach(() => {
      for (const socket of sockets.splice(0)) socket.destroy();
    });
    /** Opens a connection that does not log in. */
    const stranger = (onClose?: () => void) => {
      const { hostname, port } = new URL(services.redisUrl);
      const socket = connect(Number(port), hostname);
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.resume();
      if (onClose) socket.on("close", onClose);
      return socket;
    };
    const clientsOf = async (redis: Redis) =>
      String(await redis.call("CLIENT", "LIST"))
        .trim()
        .split("\n");

    it("do not push out our clients and heartbeats, however many come, and are gone when they do not log in", async () => {
      const redis = await client();
      const listener = await client();
      await createHeartbeatUsers(redis).grant("gar-1", "secret");
      const { hostname, port } = new URL(services.redisUrl);
      const heartbeat = new Redis({ host: hostname, port: Number(port), username: "host-gar-1", password: "secret" });
      clients.push(heartbeat);
      heartbeat.on("error", () => undefined);
      const heard: string[] = [];
      onRunRequested(listener, (job) => heard.push(job));
      await until("notifications are heard", async () => {
        await requestRun(redis, "scale");
        return heard.length > 0;
      });
      await beat("gar-1")(heartbeat);
      const closes: string[] = [];
      for (const [name, ours] of Object.entries({ redis, listener, heartbeat }))
        ours.on("close", () => closes.push(name));

      let turnedAway = 0;
      for (let count = 0; count < 3000; count++) {
        const socket = stranger(() => turnedAway++);
        if (count % 100 === 99) {
          await Promise.race([once(socket, "connect"), once(socket, "close")]);
          assert.equal(await beat("gar-1")(heartbeat), "OK");
          await redis.ping();
        }
      }
      await until("those who find no place are told so", () => turnedAway > 1900);
      const { ended } = (await endStrangers(redis, 0)) as { ended: number };
      assert.ok(ended > 900, `${ended} were ended`);
      assert.deepEqual(
        (await clientsOf(redis)).filter((line) => line.includes(" user=default ")),
        [],
      );
      heard.length = 0;
      await until("notifications are heard still", async () => {
        await requestRun(redis, "scale");
        return heard.length > 0;
      });
      assert.equal(await beat("gar-1")(heartbeat), "OK");
      assert.deepEqual(closes, []);
    });

    it("get their time to log in", async () => {
      const redis = await client();
      await once(stranger(), "connect");
      assert.deepEqual(await endStrangers(redis, 60_000), { ended: 0 });
    });

    it("are not told from others where anybody may log in without a name, or clients may not be ended", async () => {
      const admin = await client();
      const open = await client();
      await admin.call("ACL", "SETUSER", "default", "on", "nopass", "+@all", "~*");
      try {
        assert.deepEqual(await endStrangers(open, 0), { refusal: "its user default can log in" });
      } finally {
        await admin.call("ACL", "SETUSER", "default", "off", "resetpass", "-@all");
      }
      await admin.call("ACL", "SETUSER", "modest", "reset", "on", ">word", "+@all", "-@dangerous", "+info");
      const url = new URL(services.redisUrl);
      url.username = "modest";
      url.password = "word";
      const modest = openRedis(url.href, () => undefined);
      clients.push(modest);
      await once(modest, "ready");
      const notes: string[] = [];
      const note = (fields: object) => notes.push(JSON.stringify(fields));
      const stop = new AbortController();
      const keeping = keepStrangersOut(modest, 0, { info: note, debug: note }, stop.signal);
      await until("it is said", () => notes.length > 0);
      assert.match(notes[0] ?? "", /reason.*no permissions/i);
      stop.abort();
      await keeping;
      assert.equal(await modest.ping(), "PONG");
    });

    it("cannot be looked at while Redis is away", async () => {
      const nowhere = openRedis("redis://127.0.0.1:1", () => undefined);
      clients.push(nowhere);
      await assert.rejects(endStrangers(nowhere, 0), Unavailable);
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
