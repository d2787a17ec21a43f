import assert from "node:assert/strict";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { get as httpsGet } from "node:https";
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { text as textIn } from "node:stream/consumers";
import { afterEach, beforeEach, describe, it } from "node:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createHaproxy, type Haproxy } from "../../../apps/adapters/haproxy/process.ts";
import { createRuntime } from "../../../apps/adapters/haproxy/runtime.ts";
import { createServicePlane } from "../../../apps/adapters/haproxy/service-plane.ts";
import { addressAt } from "../../../apps/core/balance/address.ts";
import { carryServices, type CarriedServices } from "../../../apps/core/balance/carry-services.ts";
import type { HaproxyOptions } from "../../../apps/core/balance/haproxy.ts";
import { readServers } from "../../../apps/core/balance/servers.ts";
import { plainMember, type Balanced, type Member } from "../../../apps/core/balance/service.ts";
import { createTwinStore } from "../../../apps/twins/store/index.ts";
import { createEdgeAuthority, issueEdgeCertificate } from "../../../infra/pki/edge-certificate.ts";
import { freePort } from "../../../infra/process/free-port.ts";
import { claimOwnFolder } from "../../bed/own-folder.ts";
import { until } from "../../bed/until.ts";

const DRAIN_MS = 30_000;

describe("services in HAProxy", () => {
  let folder: string;
  let haproxy: Haproxy;
  let port: number;
  let store: ReturnType<typeof createTwinStore>;
  let ca: string;
  let now: Date;
  let carry: ReturnType<typeof carryServices>;
  const servers = new Set<Server>();
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    folder = await claimOwnFolder("getaredis-haproxy");
    const dir = join(folder, "run");
    await mkdir(dir, { mode: 0o700 });
    now = new Date();
    port = await freePort();
    haproxy = createHaproxy(dir);
    store = createTwinStore();
    const authority = await createEdgeAuthority(now);
    ca = authority.ca;
    const { chain, key } = await issueEdgeCertificate(authority, { domain: "example.org", now });
    await writeFile(haproxy.files.certificate, chain + key);
    const plane = createServicePlane(haproxy, { connections: 500, longestMs: 60_000, timeoutMs: 5_000 });
    carry = carryServices(
      { plane, store, clock: () => now, nowMs: () => now.getTime() },
      { gateway: "gateway-1", drainMs: DRAIN_MS },
    );
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    sockets.clear();
    servers.clear();
    await haproxy.kill();
    await rm(folder, { recursive: true, force: true });
  });

  interface Running {
    member: Member;
    port: number;
    open: Set<Socket>;
    stop: () => Promise<void>;
  }

  /** A member that says its word to whoever connects, unless it does something else with them. */
  async function start(word: string, over: { at?: number; serve?: (socket: Socket) => void } = {}): Promise<Running> {
    const { at = 0, serve = (socket: Socket) => void socket.write(`${word}\n`) } = over;
    const open = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      open.add(socket);
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => open.delete(socket));
      if (over.serve === undefined) socket.on("end", () => socket.end()).resume();
      serve(socket);
    }).listen(at, "127.0.0.1");
    servers.add(server);
    await once(server, "listening");
    const its = (server.address() as AddressInfo).port;
    return {
      member: plainMember(addressAt("127.0.0.1", its)),
      port: its,
      open,
      stop: async () => {
        server.close();
        for (const socket of open) socket.destroy();
        if (server.listening) await once(server, "close");
      },
    };
  }

  const service = (members: readonly Running[], over: Partial<Balanced> = {}): Balanced => ({
    name: "pool",
    port,
    protocol: "tcp",
    names: [],
    policy: "round-robin",
    probe: { kind: "tcp" },
    members: members.map(({ member }) => member),
    ...over,
  });
  const step = (services: readonly Balanced[], over: Partial<HaproxyOptions> = {}) =>
    carry(services, {
      listenOn: ["127.0.0.1"],
      certificates: haproxy.files.certificate,
      zones: [],
      redirectsPlainHttp: false,
      ...over,
    });
  const statesOf = (carried: CarriedServices, name = "pool") =>
    Array.from(carried.get(name)?.members.values() ?? [], ({ state }) => state);
  const workerPid = async () =>
    /^Pid: (\d+)$/m.exec(await createRuntime(haproxy.files.runtimeSocket, 2_000).ask("show info"))?.[1];

  interface Client {
    socket: Socket;
    /** What it has heard of the member first: its word. */
    word: string;
  }
  async function connect(from = "127.0.0.1"): Promise<Client> {
    const socket = createConnection({ host: "127.0.0.1", port, localAddress: from, allowHalfOpen: true });
    sockets.add(socket);
    socket.on("error", () => undefined);
    const [chunk] = (await Promise.race([
      once(socket, "data"),
      once(socket, "end").then(() => [""]),
      once(socket, "close").then(() => [""]),
    ])) as readonly unknown[];
    return { socket, word: String(chunk).trim() };
  }
  /** Words of the members of so many connections, one after the other. */
  async function wordsOf(count: number, from?: string): Promise<string[]> {
    const words: string[] = [];
    for (let at = 0; at < count; at++) {
      const { socket, word } = await connect(from);
      socket.destroy();
      words.push(word);
    }
    return words;
  }

  it("are added to and taken from while HAProxy runs: without a reload, and no open connection ends", async () => {
    const [a, b, c] = [await start("a"), await start("b"), await start("c")];
    await step([service([a, b])]);
    const pid = await workerPid();
    assert.deepEqual((await wordsOf(4)).sort(), ["a", "a", "b", "b"]);
    const kept = await connect();
    const gone = kept.word === "a" ? a : b;
    const others = [a, b, c].filter((each) => each !== gone);

    await step([service(others)]);
    await step([service(others)]);
    assert.ok(!(await wordsOf(6)).includes(kept.word));
    kept.socket.write("still there?");
    const [own] = gone.open;
    assert.ok(own && gone.open.size === 1);
    own.write("yes\n");
    assert.equal(String((await once(kept.socket, "data"))[0]), "yes\n");

    kept.socket.end();
    await until("it has gone", async () => {
      await step([service(others)]);
      return !(await createRuntime(haproxy.files.runtimeSocket, 2_000).ask("show stat -1 4 -1")).includes(
        `:${gone.port},`,
      );
    });
    assert.equal(await workerPid(), pid);
    assert.deepEqual(await store.events.list({}, 10), []);
  });

  it("end connections to a member that was taken out when its time is over, and leave none", async () => {
    const [a, b] = [await start("a"), await start("b")];
    await step([service([a])]);
    const { socket } = await connect();
    await step([service([b])]);
    now = new Date(now.getTime() + DRAIN_MS);
    await step([service([b])]);
    await until("it has ended", () => socket.readableEnded);
    await until("its connections have ended", () => a.open.size === 0);
    assert.deepEqual(await wordsOf(2), ["b", "b"]);
  });

  it("that are no longer wanted end as their members do: no new connections, and some time for the open ones", async () => {
    const [a, b] = [await start("a"), await start("b")];
    const other = { ...service([b], { name: "other", port: await freePort() }) };
    await step([service([a]), other]);
    const { socket } = await connect();
    await step([other]);
    assert.deepEqual(await wordsOf(1), [""]);
    const [own] = a.open;
    own?.write("still here\n");
    assert.equal(String((await once(socket, "data"))[0]), "still here\n");
    now = new Date(now.getTime() + DRAIN_MS);
    await step([other]);
    await until("it has ended", () => socket.readableEnded);
    await until("nothing of it is left", async () => ![...(await step([other])).keys()].includes("pool"));
    await assert.rejects(once(createConnection({ host: "127.0.0.1", port }), "connect"), { code: "ECONNREFUSED" });
  });

  it("leave a member that refuses for another one, without a client that notices, and a probe brings it back", async () => {
    const [a, b] = [await start("a"), await start("b")];
    await step([service([a, b])]);
    await a.stop();
    assert.deepEqual(await wordsOf(6), Array(6).fill("b"));
    let carried: CarriedServices = new Map();
    await until("it is retired", async () => statesOf((carried = await step([service([a, b])]))).includes("retired"));
    const { fault } = carried.get("pool")?.members.get(a.member.address.text) ?? {};
    assert.match(fault ?? "", /refuses connections|connections to it fail/);
    await until("what has gone through it is told", async () => {
      const { accepted = 0, bytesOut = 0 } = (await step([service([a, b])])).get("pool") ?? {};
      return accepted >= 6 && bytesOut >= 12;
    });
    await start("a", { at: a.port });
    await until("it is back", async () => statesOf(await step([service([a, b])])).every((state) => state === "up"));
    assert.deepEqual((await wordsOf(4)).sort(), ["a", "a", "b", "b"]);
    assert.deepEqual(
      (await store.events.list({}, 10)).map(({ kind, data }) => [kind, data]).reverse(),
      ["member-retired", "member-back"].map((kind) => [kind, { service: "pool", member: `127.0.0.1:${a.port}` }]),
    );
  });

  it("stay out of use over a reload where no probe has brought them back", async () => {
    const [a, b] = [await start("a"), await start("b")];
    await step([service([a, b])]);
    await a.stop();
    await until("it is retired", async () => statesOf(await step([service([a, b])])).includes("retired"));
    for (const policy of ["least-connections", "round-robin"] as const)
      assert.deepEqual(statesOf(await step([service([a, b], { policy })])).sort(), ["retired", "up"]);
    assert.deepEqual(
      (await store.events.list({}, 10)).map(({ kind }) => kind),
      ["member-retired"],
    );
    await start("a", { at: a.port });
    await until("it is back", async () => statesOf(await step([service([a, b])])).every((state) => state === "up"));
  });

  it("give a member that drains no new connections, and weights say how many others get", async () => {
    const [a, b, c] = [await start("a"), await start("b"), await start("c")];
    const members = [{ ...a.member, weight: 3 }, b.member, { ...c.member, isDraining: true }];
    await step([{ ...service([]), members }]);
    const words = await wordsOf(8);
    assert.deepEqual(
      ["a", "b", "c"].map((word) => words.filter((each) => each === word).length),
      [6, 2, 0],
    );
    const states = await step([{ ...service([]), members: members.map((each) => ({ ...each, weight: 1 })) }]);
    assert.deepEqual(statesOf(states).sort(), ["draining", "up", "up"]);
  });

  it("carry what is left of an answer when the other side has said all, in both directions", async () => {
    const heard: Buffer[] = [];
    const echo = await start("", {
      serve: (socket) => {
        socket.on("data", (chunk) => void heard.push(chunk));
        // It answers only when the client has said all.
        socket.on("end", () => socket.end(Buffer.alloc(500_000, "x")));
      },
    });
    await step([service([echo])]);
    const client = createConnection({ host: "127.0.0.1", port, allowHalfOpen: true });
    sockets.add(client);
    client.end(Buffer.alloc(200_000, "y"));
    assert.equal((await textIn(client)).length, 500_000);
    assert.equal(Buffer.concat(heard).length, 200_000);

    const farewell: Buffer[] = [];
    const first = await start("", {
      serve: (socket) => {
        // It has nothing more to say, and listens on.
        socket.end("bye\n");
        socket.on("data", (chunk) => void farewell.push(chunk));
      },
    });
    await step([service([first])]);
    const talker = createConnection({ host: "127.0.0.1", port, allowHalfOpen: true });
    sockets.add(talker);
    assert.equal(await textIn(talker), "bye\n");
    talker.end(Buffer.alloc(300_000, "z"));
    await until("all of it has come", () => Buffer.concat(farewell).length === 300_000);
  });

  it("go by location to the zone of who connects, and to any other member while none of it is up", async () => {
    const [fra, ams] = [await start("fra"), await start("ams")];
    const zones = [
      { name: "fra", networks: ["127.0.0.0/8"] },
      { name: "ams", networks: ["127.0.2.0/24"] },
    ];
    const located = {
      ...service([], { policy: "location" }),
      members: [
        { ...fra.member, zone: "fra" },
        { ...ams.member, zone: "ams" },
      ],
    };
    await step([located], { zones });
    assert.deepEqual(await wordsOf(3, "127.0.1.1"), ["fra", "fra", "fra"]);
    assert.deepEqual(await wordsOf(3, "127.0.2.1"), ["ams", "ams", "ams"]);
    await ams.stop();
    await until("it is retired", async () => statesOf(await step([located], { zones })).includes("retired"));
    assert.deepEqual(await wordsOf(3, "127.0.2.1"), ["fra", "fra", "fra"]);
    await start("ams", { at: ams.port });
    await until("it is back", async () => (await wordsOf(1, "127.0.2.1"))[0] === "ams");
  });

  it("give an address the same member each time, and keep it when another member goes", async () => {
    const members = [await start("a"), await start("b"), await start("c"), await start("d")];
    const hashed = (some: readonly Running[]) => [service(some, { policy: "consistent-hash" })];
    await step(hashed(members));
    const sources = Array.from({ length: 24 }, (_, index) => `127.0.0.${index + 2}`);
    const ownOf = async () => {
      const own = new Map<string, string>();
      for (const source of sources) {
        const words = new Set(await wordsOf(2, source));
        assert.equal(words.size, 1, source);
        own.set(source, [...words][0] ?? "");
      }
      return own;
    };
    const before = await ownOf();
    assert.ok(new Set(before.values()).size > 1);
    const [gone, ...others] = members;
    assert.ok(gone);
    await step(hashed(others));
    const after = await ownOf();
    const moved = sources.filter((source) => before.get(source) !== "a" && before.get(source) !== after.get(source));
    // A small ring: few move, not none at all.
    assert.ok(moved.length <= sources.length / 4, `${moved.length} of ${sources.length} have moved`);
    assert.ok(![...after.values()].includes("a"));
  });

  it("give a connection to the member that has the fewest", async () => {
    const [a, b] = [await start("a"), await start("b")];
    await step([service([a, b], { policy: "least-connections" })]);
    const held = [await connect(), await connect(), await connect(), await connect()];
    const [ofA, ofB] = [held.filter(({ word }) => word === "a"), held.filter(({ word }) => word === "b")];
    assert.deepEqual([ofA.length, ofB.length], [2, 2]);
    for (const { socket } of ofA) socket.end();
    await until("HAProxy has seen its connections end", async () => {
      const { servers } = readServers(await createRuntime(haproxy.files.runtimeSocket, 2_000).ask("show stat -1 6 -1"));
      return servers.get("all:pool")?.get(`127.0.0.1:${a.port}`)?.sessions === 0;
    });
    assert.deepEqual([(await connect()).word, (await connect()).word], ["a", "a"]);
  });

  it("probe members as Redis, also those that want a password, and as HTTP", async () => {
    const redis = (answer: string) =>
      start("", {
        serve: (socket) =>
          socket.on("data", (said) => {
            if (String(said) === "PING\r\n") socket.write(answer);
          }),
      });
    const [open, locked, broken] = [
      await redis("+PONG\r\n"),
      await redis("-NOAUTH no\r\n"),
      await redis("-ERR no\r\n"),
    ];
    const web = createHttpServer((request, reply) => {
      reply.statusCode = request.url === "/health" ? 204 : 500;
      reply.end();
    }).listen(0, "127.0.0.1");
    servers.add(web);
    await once(web, "listening");
    const member = plainMember(addressAt("127.0.0.1", (web.address() as AddressInfo).port));
    const [good, bad] = [await freePort(), await freePort()];
    const http = (name: string, at: number, path: string): Balanced => ({
      ...service([], { name, port: at, probe: { kind: "http", path } }),
      members: [member],
    });
    const services = [
      service([open, locked, broken], { probe: { kind: "redis" } }),
      http("good", good, "/health"),
      http("bad", bad, "/sick"),
    ];
    let states: unknown;
    await until("all are known", async () => {
      const carried = await step(services);
      states = ["pool", "good", "bad"].map((name) => statesOf(carried, name).sort());
      return JSON.stringify(states) === JSON.stringify([["retired", "up", "up"], ["up"], ["retired"]]);
    }).catch((cause: unknown) => assert.fail(`${JSON.stringify(states)}: ${String(cause)}`));
  });

  it("are told apart by their names in TLS and by their domains in HTTP, on one port each", async () => {
    const [a, b] = [await start("a"), await start("b")];
    const web = createHttpServer((request, reply) => reply.end(String(request.headers["x-forwarded-for"]))).listen(0);
    servers.add(web);
    await once(web, "listening");
    const httpPort = await freePort();
    await step([
      service([a], { name: "a", protocol: "tls", names: ["a.example.org"] }),
      service([b], { name: "b", protocol: "tls" }),
      {
        ...service([], { name: "web", protocol: "http", port: httpPort, names: ["web.example.org"] }),
        members: [plainMember(addressAt("127.0.0.1", (web.address() as AddressInfo).port))],
      },
    ]);
    const wordOf = async (servername: string) => {
      const socket = connectTls({ host: "127.0.0.1", port, servername, ca });
      sockets.add(socket);
      const [word] = (await once(socket, "data")) as readonly unknown[];
      return String(word).trim();
    };
    assert.equal(await wordOf("a.example.org"), "a");
    assert.equal(await wordOf("other.example.org"), "b");
    const ask = (domain: string) =>
      new Promise<string>((resolve, reject) => {
        const headers = { host: domain, "x-forwarded-for": "10.9.9.9" };
        httpsGet({ host: "127.0.0.1", port: httpPort, servername: domain, ca, headers, agent: false }, (reply) => {
          textIn(reply).then((body) => resolve(`${reply.statusCode} ${body}`), reject);
        }).on("error", reject);
      });
    assert.equal(await ask("web.example.org"), "200 127.0.0.1");
    assert.match(await ask("other.example.org"), /^503 /);
  });

  it("come and go by reloads without a connection that fails, and those that are open go on", async () => {
    const a = await start("a");
    await step([service([a])]);
    const { socket } = await connect();
    let isOver = false;
    const words: string[] = [];
    const clients = Array.from({ length: 4 }, async () => {
      while (!isOver) words.push(...(await wordsOf(1)));
    });
    try {
      for (let more = 1; more <= 5; more++) {
        const others = await Promise.all(
          Array.from({ length: more }, async (_, index) =>
            service([a], { name: `other-${index}`, port: await freePort() }),
          ),
        );
        await step([service([a]), ...others]);
      }
    } finally {
      isOver = true;
      await Promise.all(clients);
    }
    assert.deepEqual(new Set(words), new Set(["a"]));
    const [own] = a.open;
    own?.write("still here\n");
    assert.equal(String((await once(socket, "data"))[0]), "still here\n");
  });

  it("come back with their members when HAProxy is killed, and when it has lost what it was told", async () => {
    const [a, b] = [await start("a"), await start("b")];
    await step([service([a])]);
    await step([service([a, b])]);
    await haproxy.kill();
    await assert.rejects(step([service([a, b])]), { name: "PlaneFault" });
    await step([service([a, b])]);
    assert.deepEqual((await wordsOf(4)).sort(), ["a", "a", "b", "b"]);

    const path = `all:pool/127.0.0.1:${b.port}`;
    const runtime = createRuntime(haproxy.files.runtimeSocket, 2_000);
    await runtime.ask(`set server ${path} state maint; shutdown sessions server ${path}; del server ${path}`);
    assert.deepEqual(await wordsOf(2), ["a", "a"]);
    await step([service([a, b])]);
    assert.deepEqual((await wordsOf(4)).sort(), ["a", "a", "b", "b"]);
  });

  it("stay when HAProxy cannot take on a new one, and an alarm says why", async () => {
    const [a, b] = [await start("a"), await start("b")];
    await step([service([a])]);
    const stranger = createServer().listen(0, "127.0.0.1");
    servers.add(stranger);
    await once(stranger, "listening");
    const taken = service([a], { name: "taken", port: (stranger.address() as AddressInfo).port });
    const carried = await step([service([a]), taken], { certificates: "/nowhere" });
    assert.deepEqual([...carried.keys()], ["pool"]);
    assert.deepEqual(await wordsOf(2), ["a", "a"]);
    await step([service([a, b]), taken], { certificates: "/nowhere" });
    assert.deepEqual((await wordsOf(2)).sort(), ["a", "b"], "members of what is in force come and go all the same");
    await step([service([a]), taken], { certificates: "/nowhere" });
    await haproxy.kill();
    const other = service([a], { name: "tls", protocol: "tls", port: await freePort() });
    await step([service([a]), other], { certificates: "/nowhere" }).catch(() => undefined);
    await step([service([a]), other], { certificates: "/nowhere" });
    assert.deepEqual(await wordsOf(2), ["a", "a"], "killed meanwhile, it serves what was good");
    const alarms = await store.events.listAlarms(new Date(0), 10);
    assert.ok(alarms.length > 0);
    for (const { kind, reason } of alarms) {
      assert.equal(kind, "configuration-refused");
      assert.match(reason, /HAProxy refuses .* on gateway gateway-1: .*The last good one stays in force/);
    }
  });
});
