import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import { openRedis } from "../../../apps/adapters/redis/discovery.ts";
import { createAnnouncerUsers } from "../../../apps/adapters/redis/announcer-users.ts";
import { createAnnouncementBoard } from "../../../apps/adapters/redis/announcements.ts";
import {
  createRedisMembership,
  createRedisRouteNews,
  createRedisServiceReports,
} from "../../../apps/adapters/redis/gateways.ts";
import { createGatewayUsers } from "../../../apps/adapters/redis/gateway-users.ts";
import { createRedisPools, onPoolMessage } from "../../../apps/adapters/redis/pools.ts";
import { createHeartbeatUsers } from "../../../apps/adapters/redis/heartbeat-users.ts";
import { createPortMaps } from "../../../apps/adapters/redis/port-maps.ts";
import { onRunRequested, requestRun } from "../../../apps/adapters/redis/notifications.ts";
import { endStrangers, keepStrangersOut } from "../../../apps/adapters/redis/strangers.ts";
import { applyMessage } from "../../../apps/core/balance/pool.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { gateway as liveGateway } from "../../../apps/twins/gateways.ts";
import type { Services } from "../../bed/services.ts";
import { sharedServices } from "../../bed/shared-services.ts";
import { until } from "../../bed/until.ts";
import { describePortMapsContract } from "../../contracts/port-maps.ts";

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
  const asHost = (hostName: string, password: string, command: (redis: Redis) => Promise<unknown>) =>
    asUser(`host-${hostName}`, password, command);
  const asUser = async (
    username: string,
    password: string,
    command: (redis: Redis) => Promise<unknown>,
  ): Promise<string> => {
    const { hostname, port } = new URL(services.redisUrl);
    const redis = new Redis({
      host: hostname,
      port: Number(port),
      username,
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

  describePortMapsContract(async () => {
    const redis = await client();
    await redis.del(...["a", "b", "c"].flatMap((host) => [`port-map:${host}`, `port-map-state:${host}`]));
    return {
      portMaps: createPortMaps(redis),
      report: async (host, report) => {
        await redis.set(`port-map-state:${host}`, JSON.stringify(report));
      },
    };
  });

  describe("users of heartbeats", () => {
    it("may write their own host's keys and read what its ports should be, and do nothing else", async () => {
      await createHeartbeatUsers(await client()).grant("gar-1", "secret");
      for (const allowed of [
        beat("gar-1"),
        (redis: Redis) => redis.set("port-map-state:gar-1", "{}", "EX", 10),
        (redis: Redis) => redis.hget("port-map:gar-1", "revision").then((revision) => revision ?? "OK"),
        (redis: Redis) => redis.blpop("port-map-nudge:gar-1", 0.01).then((nudge) => nudge?.[1] ?? "OK"),
      ])
        assert.equal(await asHost("gar-1", "secret", allowed), "OK");
      for (const forbidden of [
        beat("gar-2"),
        (redis: Redis) => redis.get("host:gar-1"),
        (redis: Redis) => redis.hget("port-map:gar-2", "revision"),
        (redis: Redis) => redis.hset("port-map:gar-1", "revision", "1"),
        (redis: Redis) => redis.set("port-map:gar-1", "1"),
        (redis: Redis) => redis.get("port-map-state:gar-1"),
        (redis: Redis) => redis.blpop("port-map-nudge:gar-2", 0.01),
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

  describe("users of announcers", () => {
    const announcer = (name: string, last: number) => ({
      name,
      applications: null,
      nonce: Buffer.alloc(32, last),
      createdAt: new Date(0),
      createdBy: "admin",
    });
    const announce = (name: string) => (redis: Redis) => redis.set(`app:${name}`, "{}", "EX", 10);

    it("may set and delete their own key alone, and are kept as those who may announce", async () => {
      const redis = await client();
      const users = createAnnouncerUsers(redis, "secret of the service");
      const [web, old] = [announcer("web-1", 1), announcer("old", 2)];
      const as = (name: string, of = web, command = announce(name)) =>
        asUser(`getaredis-app-${of.name}`, users.passwordOf(of), command);
      await redis.acl("SETUSER", "app-somebody", "on", ">password", "+ping");
      for (const each of [web, old]) await users.grant(each);
      assert.equal(await as("web-1"), "OK");
      assert.equal(await as("", web, (its) => its.del("app:web-1").then(() => "OK" as const)), "OK");
      for (const forbidden of [
        announce("old"),
        announce("web-1:x"),
        (its: Redis) => its.get("app:web-1"),
        (its: Redis) => its.set("serverPool", "[]"),
        (its: Redis) => its.hset("application-owners", "domain:shop.example.org", "me"),
        (its: Redis) => its.publish("addServer", "10.0.0.1:1"),
        (its: Redis) => its.acl("LIST"),
        (its: Redis) => its.keys("*"),
      ])
        assert.match(await asUser("getaredis-app-web-1", users.passwordOf(web), forbidden), /NOPERM/);
      await redis.acl("DELUSER", "getaredis-app-web-1");
      await users.keep([web]);
      assert.equal(await as("web-1"), "OK");
      assert.match(await as("old", old), /WRONGPASS/);
      assert.match(
        await asUser("getaredis-app-web-1", users.passwordOf(announcer("web-1", 3)), announce("web-1")),
        /WRONG/,
      );
      await users.revoke("web-1");
      assert.match(await as("web-1"), /WRONGPASS/);
      assert.ok((await redis.acl("USERS")).includes("app-somebody"));
    });
  });

  describe("users of gateways on droplets", () => {
    const password = "a-password-of-a-gateway";
    const users = async () => createGatewayUsers(await client());
    const as = (name: string, command: (redis: Redis) => Promise<unknown>) =>
      asUser(`gateway-${name}`, password, command);

    it("live, hear and acknowledge, follow pools and announcements, as gateways do", async () => {
      await (await users()).keep("gar-x-", ["gar-x-gw-1"], () => password);
      const { hostname, port } = new URL(services.redisUrl);
      const url = `redis://gateway-gar-x-gw-1:${encodeURIComponent(password)}@${hostname}:${port}`;
      const [own, listener] = [openRedis(url, () => undefined), openRedis(url, () => undefined)];
      const admin = await client();
      try {
        for (const each of [own, listener]) await until("it is logged in", () => each.ping().then(() => true));
        const membership = createRedisMembership(own);
        await membership.join(liveGateway("gar-x-gw-1"), 10_000);
        assert.equal(await membership.renew(liveGateway("gar-x-gw-1"), 10_000), true);
        await createRedisServiceReports(own).tell({ gateway: "gar-x-gw-1", serviceCount: 0, services: [] }, 10_000);
        await admin.sadd("gateway::names", "one-that-is-gone");
        for (const redis of [own, admin]) {
          const [found, ...others] = await createRedisMembership(redis).list();
          assert.deepEqual([found?.name, others], ["gar-x-gw-1", []]);
        }
        const [heard, messages] = [[] as string[], [] as string[]];
        const news = createRedisRouteNews(own, listener);
        news.onNudge((ids) => heard.push(...ids));
        onPoolMessage(listener, (key, { entry }) => messages.push(`${key} ${entry}`));
        await until("it is told", async () => {
          await createRedisRouteNews(admin, admin).nudge(["abc"]);
          await admin.publish("addServer:web", "10.0.0.1:80");
          return heard.includes("abc") && messages.includes("serverPool:web 10.0.0.1:80");
        });
        await news.acknowledge("gar-x-gw-1", [{ id: "abc", target: null }]);
        const pools = createRedisPools(own);
        const rules = { own: { ips: [], ports: [] }, mostMembers: 10 };
        const entry = { kind: "add", entry: "10.0.0.1:80" } as const;
        const { kind } = await pools.change("serverPool:web", (text) => applyMessage(text, entry, rules));
        assert.equal(kind, "changed");
        const board = createAnnouncementBoard(own);
        await admin.set("app:web-1", "{}", "EX", 60);
        assert.deepEqual(
          (await board.read(["web-1", "web-2"])).kept.map(({ host }) => host),
          ["web-1"],
        );
        const owners = await board.changeOwners([{ claim: "domain:example.org", from: null, to: "web-1" }]);
        assert.equal(owners.get("domain:example.org"), "web-1");
        await membership.withdraw("gar-x-gw-1");
      } finally {
        own.disconnect();
        listener.disconnect();
        await admin.del("app:web-1", "application-owners", "serverPool:web", "gateway::names");
      }
    });

    it("use nobody else's life, no host's key, no rate and no script of their own on them", async () => {
      await (await users()).keep("gar-x-", ["gar-x-gw-1"], () => password);
      for (const command of [
        (redis: Redis) => redis.set("gateway:gar-x-gw-2", "{}", "PX", 1000),
        (redis: Redis) => redis.del("gateway:gar-x-gw-2"),
        (redis: Redis) => redis.del("gateway::names"),
        (redis: Redis) => redis.srem("gateway::names", "gar-x-gw-2"),
        (redis: Redis) => redis.set("host:gar-x-1", "{}"),
        (redis: Redis) => redis.set("app:web-1", "{}"),
        (redis: Redis) => redis.del("serverPool"),
        (redis: Redis) => redis.get("rate:1"),
        (redis: Redis) => redis.eval('return redis.call("set", KEYS[1], "{}")', 1, "host:gar-x-1"),
        (redis: Redis) => redis.eval('return redis.call("set", "host:gar-x-1", "{}")', 1, "serverPool"),
        (redis: Redis) => redis.publish("getaredis:run", "x"),
        (redis: Redis) => redis.subscribe("getaredis:run"),
        (redis: Redis) => redis.keys("*"),
        (redis: Redis) => redis.flushall(),
        (redis: Redis) => redis.acl("LIST"),
        (redis: Redis) => redis.config("GET", "*"),
      ])
        assert.match(await as("gar-x-gw-1", command), /NOPERM|No permission|can't access/i, command.toString());
    });

    it("are removed with their gateways, and no others with them", async () => {
      const { keep } = await users();
      await keep("gar-x-", ["gar-x-gw-1"], () => password);
      await keep("gar-y-", ["gar-y-gw-1"], () => password);
      await keep("gar-x-", [], () => password);
      const ping = (redis: Redis) => redis.ping();
      assert.match(await as("gar-x-gw-1", ping), /WRONGPASS/);
      assert.equal(await as("gar-y-gw-1", ping), "PONG");
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
