import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { get as httpsGet } from "node:https";
import { createConnection, createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { text as textIn } from "node:stream/consumers";
import { after, afterEach, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import type { FleetOverview } from "../../apps/core/operator/fleet-overview.ts";
import { WRONG_PASSWORD } from "../../apps/core/edge/concierge.ts";
import { command, type Talk } from "../bed/lease-plane.ts";
import { startClientMachine, type ClientMachine } from "../bed/client-machine.ts";
import { CLIENTS, commandOf, readSteady } from "./edge-clients/clients.ts";
import { EDGE_DOMAIN, startEdge, type BedGateway, type EdgeBed, type EdgeLease } from "../bed/edge.ts";
import { until } from "../bed/until.ts";

const SLOTS = 4;

describe("leases through gateways", { timeout: 300_000 }, () => {
  let bed: EdgeBed;
  let machine: ClientMachine;
  const talks: Talk[] = [];
  const leases: EdgeLease[] = [];
  before(async () => {
    bed = await startEdge(["gw-1", "gw-2"], {
      capacity: SLOTS,
      env: {
        QUOTA_PER_ADDRESS: "100",
        WARM_POOL_MIN: "1",
        WARM_POOL_MAX: "1",
        APP_RENDERER: "nginx",
        APP_PORTS: "7443",
        APP_NETWORKS: "127.0.0.0/8",
        HTTP_REDIRECT: "off",
      },
    });
  });
  before(async () => {
    const addresses = bed.gateways.map(({ address }) => address);
    machine = await startClientMachine(bed.dir, { domain: EDGE_DOMAIN, addresses, caFile: bed.caFile });
  });
  after(async () => {
    machine.stop();
    await bed.stop();
  });
  afterEach(async () => {
    for (const { socket } of talks.splice(0)) socket.destroy();
    for (const lease of leases.splice(0)) await bed.endLease(lease);
  });

  const one = () => bed.gateways[0] ?? assert.fail("no gateway");
  const other = () => bed.gateways[1] ?? assert.fail("no second gateway");
  const create = async () => {
    const lease = await bed.create();
    leases.push(lease);
    return lease;
  };
  async function connect(gateway: BedGateway): Promise<Talk> {
    const talk = await bed.talk(gateway);
    talks.push(talk);
    return talk;
  }
  /** Says something, and resolves to what is answered to it. */
  async function ask(talk: Talk, ...words: string[]): Promise<string> {
    const before = talk.heard().length;
    talk.say(command(...words));
    await until(`an answer to ${words[0] ?? ""}`, () => talk.heard().length > before || talk.isClosed());
    return talk.heard().slice(before);
  }
  async function logIn(gateway: BedGateway, { password }: EdgeLease): Promise<Talk> {
    const talk = await connect(gateway);
    assert.equal(await ask(talk, "AUTH", password), "+OK\r\n");
    return talk;
  }
  const allLive = () => until("both gateways carry", async () => (await bed.live()).length === 2, 30_000);
  /**
   * The API hears of gateways a moment after they live, and the last slot may be one in which the pool is just starting an
   * instance: it comes free, and callers come again.
   */
  const created = () => until("an instance is handed out", create, 30_000);

  it("are reached through each gateway at once, cold ones and warm ones", async () => {
    for (let count = 0; count < 4; count++) {
      const lease = await created();
      for (const gateway of bed.gateways) {
        const talk = await logIn(gateway, lease);
        assert.match(await ask(talk, "SET", "through", gateway.name), /^\+OK/);
        assert.match(await ask(talk, "GET", "through"), new RegExp(gateway.name));
      }
    }
  });

  for (const client of CLIENTS)
    it(`are used by ${client.name} with nothing but the URL, its certificate verified`, async () => {
      const { url } = await created();
      assert.deepEqual(JSON.parse(await machine.run(url, ...commandOf(client))), client.can);
    });

  it("are used by redis-cli, also for masses of data and by its own ways to ask first", async () => {
    const { url } = await created();
    const cli = (...args: string[]) => machine.run(url, "redis-cli", "-u", url, ...args);
    assert.equal(await cli("PING"), "PONG");
    assert.equal(await cli("-3", "HSET", "hash", "field", "value"), "1");
    assert.match(await cli("INFO", "server"), /redis_version:7\./);
    assert.equal(await cli("--bigkeys").then((text) => /Biggest {3}hash found/.test(text)), true);
  });

  it("are refused to a client that does not know the authority, and to one that wants another name", async () => {
    const { url } = await created();
    await assert.rejects(
      machine.run(url, "env", "-u", "SSL_CERT_FILE", "redis-cli", "-u", url, "PING"),
      /verify failed/i,
    );
    const elsewhere = url.replace(/@\w+\./, "@a.b.");
    const asked =
      'const { Redis } = await import("ioredis"); const r = new Redis(process.env.REDIS_URL, { retryStrategy: null, maxRetriesPerRequest: 0 }); r.on("error", (e) => console.log(e.code)); await r.ping().catch(() => 0);';
    assert.equal(
      await machine.run(elsewhere, "node", "--input-type=module", "-e", asked),
      "ERR_TLS_CERT_ALTNAME_INVALID",
    );
  });

  it("end with all their connections, and nobody gets in any more: their id is answered as one that never was", async () => {
    const lease = await created();
    const connections = await Promise.all(bed.gateways.map((gateway) => logIn(gateway, lease)));
    assert.equal(await bed.endLease(lease), 204);
    await until("all are closed", () => connections.every((talk) => talk.isClosed()));
    for (const gateway of bed.gateways)
      assert.equal(await ask(await connect(gateway), "AUTH", lease.password), WRONG_PASSWORD);
  });

  it("never lead to the next instance on the same port", async () => {
    const portOf = async ({ id }: EdgeLease) => (await bed.service.store.leases.findAddress(id))?.port;
    let last = await created();
    // With all other slots taken, the next one gets this one's.
    while (leases.length < SLOTS) await created();
    for (let count = 0; count < 5; count++) {
      const port = await portOf(last);
      assert.equal(await bed.endLease(last), 204);
      const next = await created();
      assert.equal(await portOf(next), port);
      for (const gateway of bed.gateways) {
        assert.equal(await ask(await connect(gateway), "AUTH", last.password), WRONG_PASSWORD);
        await logIn(gateway, next);
      }
      last = next;
    }
    const repaired = await bed.service.store.events.list({ kind: "routes-repaired" }, 5);
    assert.deepEqual(repaired, [], "gateways find what they have left");
  });

  it("are carried on by HAProxy while the gateway's process is killed, and by the next one, without a break", async () => {
    const lease = await created();
    const talk = await logIn(one(), lease);
    await one().end("SIGKILL");
    await logIn(one(), lease);
    // Nothing is waited for that is gone.
    const meanwhile = await created();
    one().start();
    await allLive();
    assert.match(await ask(talk, "PING"), /PONG/);
    await logIn(one(), meanwhile);
  });

  it("are back within moments when HAProxy is killed, and others do not notice", async () => {
    const lease = await created();
    const elsewhere = await logIn(other(), lease);
    const pid = Number(await readFile(join(one().dir, "haproxy.pid"), "utf8"));
    process.kill(-pid, "SIGKILL");
    await until("they are back", () => logIn(one(), lease));
    await allLive();
    assert.match(await ask(elsewhere, "PING"), /PONG/);
  });

  it("are handed out without a gateway that is frozen, which gives its life back and hears what it missed", async () => {
    const frozen = [one().pid(), Number(await readFile(join(one().dir, "haproxy.pid"), "utf8"))];
    for (const pid of frozen) process.kill(pid === frozen[0] ? pid : -pid, "SIGSTOP");
    try {
      await until("it counts as dead", async () => (await bed.live()).join() === "gw-2");
      const lease = await created();
      await logIn(other(), lease);
      for (const pid of frozen) process.kill(pid === frozen[0] ? pid : -pid, "SIGCONT");
      await allLive();
      await logIn(one(), lease);
    } finally {
      for (const pid of frozen) process.kill(pid === frozen[0] ? pid : -pid, "SIGCONT");
    }
  });

  it("stay reachable while MySQL is away, and while Redis is, and are handed out again afterwards", async () => {
    const lease = await created();
    const talk = await logIn(one(), lease);
    for (const [kill, start] of [
      [bed.service.services.killMysql, bed.service.services.startMysql],
      [bed.service.services.killRedis, bed.service.services.startRedis],
    ] as const) {
      await kill();
      try {
        await until("nobody gets a new one", async () => (await fetch(`${bed.service.origin}/readyz`)).status !== 200);
        assert.match(await ask(talk, "PING"), /PONG/);
        for (const gateway of bed.gateways) await logIn(gateway, lease);
      } finally {
        await start();
      }
      if (start === bed.service.services.startRedis) {
        await bed.service.stopHeartbeats();
        await bed.service.startHeartbeats();
      }
      await allLive();
      await logIn(other(), await created());
    }
    assert.match(await ask(talk, "PING"), /PONG/);
  });

  it("get a renewed certificate without a break, and never a bad one", async () => {
    const lease = await created();
    const talk = await logIn(one(), lease);
    await bed.issue();
    await until(
      "the new one is served",
      async () => (await logIn(one(), lease)).fingerprint !== talk.fingerprint,
      20_000,
    );
    const { fingerprint } = await logIn(one(), lease);
    await bed.issue("other.test");
    const { store } = bed.service;
    await until(
      "it is refused, and told",
      async () => (await store.events.list({ kind: "certificate-refused" }, 1)).length > 0,
      20_000,
    );
    assert.equal((await logIn(one(), lease)).fingerprint, fingerprint);
    assert.match(await ask(talk, "PING"), /PONG/);
    await bed.issue();
  });

  it("are used on through another gateway when one dies, by every client, which does nothing but ask again", async () => {
    const { url } = await created();
    const [dies, stays] = [one(), other()];
    machine.lead([dies.address]);
    const clients = CLIENTS.map((client) => ({ ...client, ...machine.start(url, ...commandOf(client, "steady")) }));
    for (const { name, said } of clients) await until(`${name} has begun`, () => said().startsWith("steady"), 60_000);
    // As its machine is gone: its address refuses, and names lead there until it counts as dead.
    machine.lead([dies.address, stays.address]);
    const pid = Number(await readFile(join(dies.dir, "haproxy.pid"), "utf8"));
    process.kill(-pid, "SIGKILL");
    await dies.end("SIGKILL");
    try {
      await until("it counts as dead", async () => (await bed.live()).join() === stays.name);
      machine.lead([stays.address]);
      for (const { name, said } of clients)
        await until(`${name} is back`, () => readSteady(said()) !== undefined, 30_000);
    } finally {
      dies.start();
    }
    await allLive();
  });

  it("are led to by no gateway that is told to stop: it drains when it is told to, and withdraws at the end", async () => {
    const lease = await created();
    const talk = await logIn(other(), lease);
    process.kill(other().pid(), "SIGUSR2");
    await until("it drains", async () => (await bed.membership.list()).some(({ state }) => state === "draining"));
    await logIn(other(), await created());
    assert.match(await ask(talk, "PING"), /PONG/);
    await other().end("SIGTERM");
    assert.ok(!(await bed.live()).includes("gw-2"), "from the moment that it has ended");
    try {
      await logIn(one(), await created());
    } finally {
      other().start();
    }
    await allLive();
    const events = await bed.service.store.events.list({ kind: "gateway-leave" }, 5);
    assert.match(events[0]?.reason ?? "", /^gw-2 is no gateway any more: it was told to stop$/);
  });

  it("are told of by the API with what they have done: as metrics, and to those who follow the fleet", async () => {
    const lease = await created();
    await logIn(one(), lease);
    const metrics = async () => (await fetch(`${bed.service.origin}/metrics`)).text();
    const valueOf = (text: string, series: string) => Number(text.split(`\n${series} `)[1]?.split("\n")[0]);
    const told = await until("the connection is told", async () => {
      const text = await metrics();
      return valueOf(text, 'getaredis_gateway_connections{gateway="gw-1"}') >= 1 ? text : undefined;
    });
    assert.equal(valueOf(told, 'getaredis_gateways{state="live"}'), 2);
    assert.equal(valueOf(told, "getaredis_edge_enabled"), 1);
    assert.ok(valueOf(told, 'getaredis_gateway_routes{gateway="gw-2"}') >= 1);
    assert.ok(valueOf(told, 'getaredis_gateway_handshakes_total{gateway="gw-1",result="done"}') >= 1);
    const { edge } = await readOverview();
    assert.deepEqual(
      edge?.gateways?.map(({ name, state }) => [name, state]),
      [
        ["gw-1", "live"],
        ["gw-2", "live"],
      ],
    );
  });

  /** What those are told first who follow the fleet. */
  async function readOverview(): Promise<FleetOverview> {
    const answer = await fetch(`${bed.service.origin}/ops/api/stream`, {
      headers: { authorization: `Bearer ${bed.service.opsToken}` },
    });
    let text = "";
    for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      const [, picture] = /event: picture\ndata: (.*)\n\n/.exec(text) ?? [];
      // Whoever leaves the loop has closed it.
      if (picture !== undefined) return JSON.parse(picture) as FleetOverview;
    }
    return assert.fail("the stream has ended");
  }

  describe("that carry services besides", () => {
    const POOL_PORT = 7000;
    const APP_PORT = 7443;
    const servers: Server[] = [];
    let redis: Redis;
    before(() => {
      redis = new Redis(bed.service.services.redisUrl);
      redis.on("error", () => undefined);
    });
    after(async () => {
      redis.disconnect();
      for (const server of servers) server.close();
      for (const name of ["pool", "own"]) await operate("DELETE", `services/${name}`);
    });

    /** A member that says its word to whoever connects. */
    async function member(word: string): Promise<string> {
      const server = createServer((socket) => socket.on("error", () => undefined).end(word)).listen(0, "127.0.0.1");
      servers.push(server);
      await once(server, "listening");
      return `127.0.0.1:${(server.address() as AddressInfo).port}`;
    }
    /** What the members of a service say to so many connections through a gateway, in order. */
    async function words(gateway: BedGateway, port = POOL_PORT, count = 6): Promise<string> {
      const heard: string[] = [];
      for (let at = 0; at < count; at++)
        heard.push(await textIn(createConnection({ host: gateway.address, port })).catch(() => "-"));
      return heard.sort().join("");
    }
    const allSay = (expected: string) =>
      until(`all gateways lead to ${expected}`, async () => {
        const said = await Promise.all(bed.gateways.map((gateway) => words(gateway)));
        return said.every((each) => each === expected);
      });
    async function operate(method: string, path: string, body?: object): Promise<Response> {
      return fetch(`${bed.service.origin}/ops/api/${path}`, {
        method,
        headers: {
          authorization: `Bearer ${bed.service.opsToken}`,
          ...(body && { "content-type": "application/json" }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
    }
    /** An HTTPS request to a gateway for a domain: status and body. */
    const get = (gateway: BedGateway, domain: string) =>
      new Promise<string>((resolve, reject) => {
        const options = { host: gateway.address, port: APP_PORT, headers: { host: domain }, rejectUnauthorized: false };
        httpsGet({ ...options, agent: false }, (reply) => {
          textIn(reply).then((body) => resolve(`${reply.statusCode ?? ""} ${body}`), reject);
        }).on("error", reject);
      });

    it("follow a pool as l4loadbalancer has it, keep it while Redis is away, and carry it again when they were killed", async () => {
      const [a, b, c] = [await member("a"), await member("b"), await member("c")];
      await redis.set("serverPool", JSON.stringify([a, b]));
      const pool = { name: "pool", port: POOL_PORT, protocol: "tcp", poolKey: "serverPool" };
      assert.equal((await operate("POST", "services", pool)).status, 201);
      await allSay("aaabbb");
      await redis.publish("addServer", c);
      await redis.publish("addServer", "rubbish");
      await redis.publish("addServer", `${one().address}:${POOL_PORT}`);
      await allSay("aabbcc");
      await redis.publish("removeServer", a);
      await allSay("bbbccc");
      assert.deepEqual(JSON.parse((await redis.get("serverPool")) ?? ""), [b, c]);
      const { events } = bed.service.store;
      const reasons = (await events.list({ kind: "pool-refused" }, 20)).map(({ reason }) => reason);
      assert.ok(reasons.some((reason) => reason.includes('"rubbish" is no address of a member')));
      assert.ok(reasons.some((reason) => reason.includes("own address")));

      const listened = () => bed.service.log().split("gateway listens").length;
      const before = listened();
      await bed.service.services.killRedis();
      try {
        await one().end("SIGKILL");
        one().start();
        await until("it listens again", () => listened() > before);
        await allSay("bbbccc");
      } finally {
        await bed.service.services.startRedis();
      }
      await allLive();
      await allSay("bbbccc");
    });

    it("have members of their own, which the operator drains and takes out", async () => {
      const [a, b] = [await member("a"), await member("b")];
      const port = POOL_PORT + 1;
      await operate("POST", "services", { name: "own", port, protocol: "tcp", policy: "least-connections" });
      for (const address of [a, b]) await operate("PUT", `services/own/members/${address}`, { weight: 1 });
      await until("both are there", async () => (await words(other(), port)) === "aaabbb");
      await operate("PUT", `services/own/members/${a}`, { draining: true });
      await until("one drains", async () => (await words(other(), port)) === "bbbbbb");
      await operate("DELETE", `services/own/members/${b}`);
      await until("none is left", async () => (await words(other(), port)) === "");
    });

    it("serve applications that hosts announce, for as long as they do, and none that is wrong", async () => {
      const web = createHttpServer((_request, reply) => reply.end("shop")).listen(0, "127.0.0.1");
      servers.push(web);
      await once(web, "listening");
      const answer = await operate("POST", "announcers", { name: "web-1", applications: ["shop"] });
      const { user, password, key } = (await answer.json()) as Record<"user" | "password" | "key", string>;
      const url = new URL(bed.service.services.redisUrl);
      url.username = user;
      url.password = password;
      const host = new Redis(url.href, { enableReadyCheck: false });
      const announce = (...domains: readonly string[]) => {
        const ports = { "listen-port": String(APP_PORT), "application-port": (web.address() as AddressInfo).port };
        const applications = [{ name: "shop", ...ports, protocol: "http", domains }];
        return host.set(key, JSON.stringify({ address: "127.0.0.1", applications }), "EX", 30);
      };
      try {
        await announce("shop.example.org");
        for (const gateway of bed.gateways)
          await until("it is served", async () => (await get(gateway, "shop.example.org")) === "200 shop");
        assert.match(await get(one(), "other.example.org"), /^503 /);
        await announce("shop.example.org\n}");
        await until("it is told", async () =>
          (await bed.service.store.events.list({ kind: "announcement-refused" }, 20)).some(({ reason }) =>
            /host web-1, application shop: domain "shop\.example\.org\\n}" must be a domain in full/.test(reason),
          ),
        );
        await announce("www.example.org");
        await until("another one is served", async () => (await get(other(), "www.example.org")) === "200 shop");
        assert.match(await get(other(), "shop.example.org"), /^503 /);
        await assert.rejects(host.set("app:web-2", "{}"), /NOPERM/);
        await host.del(key);
        for (const gateway of bed.gateways)
          await until("it is gone", () =>
            get(gateway, "www.example.org").then(
              (text) => text.startsWith("503 "),
              () => true,
            ),
          );
      } finally {
        host.disconnect();
      }
    });
  });
});
