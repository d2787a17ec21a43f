import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { after, afterEach, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import { createContainers, sendArchive } from "../../../apps/adapters/docker/containers.ts";
import { createDockerEngines } from "../../../apps/adapters/docker/engines.ts";
import { createPortMaps } from "../../../apps/adapters/redis/port-maps.ts";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import type { HeartbeatReading } from "../../../apps/core/fleet/host.ts";
import type { PortMaps } from "../../../apps/core/ports/contract.ts";
import { createPortFollower } from "../../../apps/core/ports/follow-ports.ts";
import { keepWorkloads } from "../../../apps/core/ports/keep-workloads.ts";
import {
  mapPorts,
  renderPortMap,
  type HostLook,
  type PortMap,
  type PortMapDocument,
} from "../../../apps/core/ports/port-map.ts";
import { whyNotBalanced, type HostPort } from "../../../apps/core/ports/port.ts";
import type { WorkloadSpec } from "../../../apps/core/ports/workload.ts";
import { realTime } from "../../../apps/lib/time.ts";
import { createTwinStore } from "../../../apps/twins/store/index.ts";
import { childrenOf, endProcess } from "../../../infra/process/processes.ts";
import { projectPath } from "../../../infra/process/project-path.ts";
import { grantHeartbeat, startRedis, type RedisServer } from "../../../infra/servers/redis.ts";
import { startEngineHost, type EngineHost } from "../../bed/engine-host.ts";
import { until } from "../../bed/until.ts";
import { beat } from "../../contracts/heartbeat.ts";

const PORT_MAP = projectPath("infra/host/port-map.sh");
const TABLE = ["table", "inet", "getaredis_port_map"];
const SIZE = 251;
const PATIENCE_MS = 30_000;

describe("port-map.sh on a host with containers that publish nothing", () => {
  let host: EngineHost;
  let dir: string;
  let look: HostLook;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "port-map-"));
    host = await startEngineHost({ name: "port-map" });
    await host.docker.createNetwork({
      Name: "containers",
      Driver: "bridge",
      Options: { "com.docker.network.bridge.name": "containers" },
    });
    const containers = await Promise.all(["one", "two", "three"].map(startContainer));
    look = { address: host.address, containers };
  });
  after(async () => {
    await host.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const startContainer = async (name: string) => {
    const container = await host.docker.createContainer({
      name,
      Image: host.image,
      Cmd: ["--protected-mode", "no", "--save", ""],
      HostConfig: { NetworkMode: "containers" },
    });
    await container.start();
    const { Id, NetworkSettings } = await container.inspect();
    const address = NetworkSettings.Networks["containers"]?.IPAddress ?? null;
    return { id: Id, name, image: "web", address, isPaused: false, isInstance: false };
  };
  const portMap = (...args: string[]) => host.exec("env", `PORT_MAP_DIR=${dir}/state`, "bash", PORT_MAP, ...args);
  const loadText = async (document: string) => {
    await writeFile(join(dir, "document"), document);
    await portMap("load", join(dir, "document"));
  };
  const load = (map: PortMap) => loadText(renderPortMap(map).text);
  const port = (facts: Partial<HostPort> = {}): HostPort => ({
    host: "here",
    port: 8080,
    image: "web",
    imagePort: 6379,
    state: "on",
    children: [],
    ...facts,
  });
  /** The map of these ports over these of the containers; paused ones rest. */
  const mapOf = (ports: readonly HostPort[], names = ["one", "two", "three"], paused: readonly string[] = []) => {
    const containers = look.containers
      .filter(({ name }) => names.includes(name))
      .map((container) => ({ ...container, isPaused: paused.includes(container.name) }));
    const map = mapPorts("here", ports, new Map([["here", { ...look, containers }]]), SIZE);
    assert.ok(map);
    return map;
  };

  /** A session with whoever gets a new connection to a port of the host. */
  const open = async (to = 8080) => {
    const patience = { connectTimeout: 2_000, commandTimeout: 2_000 };
    const redis = new Redis({
      host: host.address,
      port: to,
      lazyConnect: true,
      retryStrategy: () => null,
      ...patience,
    });
    const faults: Error[] = [];
    redis.on("error", (fault) => void faults.push(fault));
    sessions.add(redis);
    await redis.connect().catch((fault: unknown) => {
      throw faults[0] ?? fault;
    });
    const info = String(await redis.call("CLIENT", "INFO"));
    const [, from] = / addr=([^:]+):/.exec(info) ?? [];
    const [, at] = / laddr=([^:]+):/.exec(info) ?? [];
    const member = look.containers.find(({ address }) => address === at)?.name;
    assert.ok(member, `nobody of ours answered: ${info}`);
    return { redis, from, member };
  };
  const sessions = new Set<Redis>();
  afterEach(() => {
    for (const redis of sessions) redis.disconnect();
    sessions.clear();
  });
  /** So many sessions, one after the other. */
  const openSome = async (number: number) => {
    const opened = [];
    for (let each = 0; each < number; each++) opened.push(await open());
    return opened;
  };
  const membersOf = (opened: readonly { readonly member: string }[]) =>
    [...new Set(opened.map(({ member }) => member))].sort();
  const refused = (to: number) => assert.rejects(open(to), /ECONNREFUSED/);
  const goesOn = async ({ redis }: { readonly redis: Redis }) => assert.equal(await redis.ping(), "PONG");
  const isReset = ({ redis }: { readonly redis: Redis }) => assert.rejects(redis.ping());
  const listed = () => host.exec("nft", "list", "ruleset");
  const forwarding = async (value?: string) => {
    const file = "/proc/sys/net/ipv4/ip_forward";
    if (value !== undefined) await host.exec("sh", "-c", `echo ${value} >${file}`);
    return (await host.exec("cat", file)).trim();
  };
  const dockersRules = () => host.exec("iptables", "--list-rules");

  it("sends each new connection to a member, which sees the client's own address", async () => {
    await load(mapOf([port()]));
    const opened = await openSome(40);
    assert.deepEqual(membersOf(opened), ["one", "three", "two"]);
    assert.deepEqual([...new Set(opened.map(({ from }) => from))], [host.testAddress]);
  });

  it("serves the host itself, too", async () => {
    assert.match(await host.exec("redis-cli", "-h", host.address, "-p", "8080", "ping"), /PONG/);
  });

  it("gives a member that rests no new connection, and lets it keep those it has", async () => {
    await load(mapOf([port()]));
    const before = await openSome(40);
    await load(mapOf([port()], undefined, ["one"]));
    assert.deepEqual(membersOf(await openSome(40)), ["three", "two"]);
    for (const session of before) await goesOn(session);
  });

  it("resets the connections of who is no member any more, and no others", async () => {
    await load(mapOf([port()]));
    const before = await openSome(40);
    await load(mapOf([port()], ["two", "three"]));
    assert.deepEqual(membersOf(await openSome(40)), ["three", "two"]);
    for (const session of before) await (session.member === "one" ? isReset(session) : goesOn(session));
  });

  it("lets connections of a stopped port go on and refuses new ones, and resets those of one that is removed", async () => {
    await load(mapOf([port(), port({ port: 8081 })]));
    const [stopped, removed] = [await open(8080), await open(8081)];
    await load(mapOf([port({ state: "stopped" })]));
    await refused(8080);
    await refused(8081);
    await goesOn(stopped);
    await isReset(removed);
    await load(mapOf([]));
    await isReset(stopped);
  });

  it("refuses connections while there is no member", async () => {
    await load(mapOf([port()], []));
    await refused(8080);
  });

  it("sends a child its share from the host's own address, so that the answers find their way back", async () => {
    const child = createServer((socket) => socket.end(`from ${socket.remoteAddress ?? ""}\n`));
    child.listen(0, host.testAddress);
    await once(child, "listening");
    try {
      const { port: childPort } = child.address() as AddressInfo;
      const other = { host: "child", port: childPort };
      const looks = new Map<string, HostLook>([
        ["here", { ...look, containers: [] }],
        ["child", { address: host.testAddress, containers: look.containers }],
      ]);
      const map = mapPorts("here", [port({ image: null, children: [other] }), port(other)], looks, SIZE);
      await load(map ?? []);
      const socket = connect(8080, host.address);
      assert.equal(await text(socket), `from ${host.address}\n`);
    } finally {
      child.close();
    }
  });

  it("refuses a document that is not as it has to be, says why, and leaves all as it was", async () => {
    await load(mapOf([port()]));
    const before = await listed();
    const good = renderPortMap(mapOf([port()])).text;
    const bad: [RegExp | string, string, RegExp][] = [
      ["port-map 1", "port-map 2", /no document that we know/],
      [/member 0 [\d.]+/, "member 0 127.0.0.1", /no address/],
      [/member 0 [\d.]+/, "member 0 169.254.169.254", /no address/],
      [/member 0 [\d.]+/, "member 0 1.2.3.4;drop", /no address/],
      ["direct takes", "direct takes; flush ruleset", /cannot be read/],
      ["direct takes", "direct rests", /a bucket has no member/],
      ["member 1", "member 7", /out of place/],
      [/buckets \d/, "buckets 9", /a bucket has no member/],
      [/,\d\nend/, "\nend", /not as many buckets/],
      [`port 8080 ${SIZE}`, "port 0 13", /a port is wrong/],
      ["end\n", "", /the end is missing/],
      ["end\n", "end\nport 1 13 on\n", /after the end/],
    ];
    for (const [from, to, why] of bad) {
      assert.notEqual(good.replace(from, to), good);
      await assert.rejects(loadText(good.replace(from, to)), why);
    }
    assert.equal(await listed(), before);
  });

  it("loads what somebody has taken away or changed again when it looks", async () => {
    await load(mapOf([port()]));
    const before = await listed();
    for (const change of [
      "delete table inet getaredis_port_map",
      "delete element inet getaredis_port_map p8080 { 7 }",
      "flush chain inet getaredis_port_map forward",
    ]) {
      await host.exec("nft", change);
      await forwarding("0");
      await portMap("look");
      assert.equal(await listed(), before);
      assert.equal(await forwarding(), "1");
    }
  });

  describe("watching what the control plane wants", () => {
    const documentOf = (names?: readonly string[]) => renderPortMap(mapOf([port()], names && [...names]));
    let redisDir: string;
    let server: RedisServer;
    let redis: Redis;
    let portMaps: PortMaps;
    let watch: ChildProcess;
    let ended: Promise<unknown>;
    before(async () => {
      redisDir = join(dir, "redis");
      await startServer();
      await startWatch({ PORT_MAP_FAREWELL_SECONDS: "0" });
    });
    after(async () => {
      await endWatch();
      redis.disconnect();
      await server.stop();
    });

    const startServer = async (at?: number) => {
      server = await startRedis({
        dir: redisDir,
        addresses: [host.testAddress],
        ...(at !== undefined && { port: at }),
      });
      redis = new Redis(server.url);
      redis.on("error", () => undefined);
      portMaps = createPortMaps(redis);
    };
    const startWatch = async (env: Record<string, string>) => {
      const password = await grantHeartbeat(server.url, "here");
      const variables = {
        ...env,
        PORT_MAP_DIR: `${dir}/state`,
        HOST_NAME: "here",
        HEARTBEAT_REDIS_HOST: host.testAddress,
        HEARTBEAT_REDIS_PORT: new URL(server.url).port,
        HEARTBEAT_REDIS_PASSWORD: password,
      };
      const [command, ...args] = host.command("bash", PORT_MAP, "watch");
      assert.ok(command);
      watch = spawn(command, args, { env: { PATH: process.env["PATH"], ...variables }, stdio: "ignore" });
      ended = once(watch, "exit");
    };
    const endWatch = async () => {
      const [script] = watch.pid === undefined ? [] : await childrenOf(watch.pid);
      if (script !== undefined) await endProcess(script, 5_000);
      await ended;
    };
    /** Resolves when the program has reported on this document. */
    const reported = (document: PortMapDocument) =>
      until(`${document.revision} is reported`, async () => {
        const report = (await portMaps.read(["here"])).get("here")?.report;
        return report?.revision === document.revision ? report : undefined;
      });

    it("loads a document, and reports it after it is in force", async () => {
      const document = documentOf(["two"]);
      await portMaps.put("here", document);
      assert.deepEqual(await reported(document), { revision: document.revision, result: "loaded", reason: "" });
      assert.deepEqual(membersOf(await openSome(5)), ["two"]);
    });

    it("reports why it refuses a document, and goes on with the one it had", async () => {
      const text = "port-map 1 bad\nport 0 13 on\nend\n";
      const document = { revision: "bad", text };
      await portMaps.put("here", document);
      const { result, reason } = await reported(document);
      assert.equal(result, "refused");
      assert.match(reason, /line 2: a port is wrong/);
      assert.deepEqual(membersOf(await openSome(5)), ["two"]);
    });

    it("loads again what somebody takes away", async () => {
      await host.exec("nft", "delete", ...TABLE);
      await until("the table is there again", () => listed().then((rules) => rules.includes("getaredis_port_map")));
      assert.deepEqual(membersOf(await openSome(5)), ["two"]);
    });

    it("keeps what is loaded while Redis is away, and when it comes back empty, and follows it again", async () => {
      const at = Number(new URL(server.url).port);
      await endProcess(server.pid, 5_000, "SIGKILL");
      redis.disconnect();
      await host.exec("nft", "delete", ...TABLE);
      await until("the table is there without Redis", () => listed().then((rules) => rules.includes("port_map")));
      await startServer(at);
      // With it went the user: the program ends, and is started again with another password.
      assert.deepEqual(await ended, [77, null]);
      await startWatch({ PORT_MAP_FAREWELL_SECONDS: "0" });
      await until("the program is back", async () =>
        ((await redis.client("LIST")) as string).includes("user=host-here"),
      );
      assert.deepEqual(membersOf(await openSome(5)), ["two"]);
      const document = documentOf(["three"]);
      await portMaps.put("here", document);
      await reported(document);
      assert.deepEqual(membersOf(await openSome(5)), ["three"]);
    });

    describe("and who the members are, by the engine's own events", () => {
      const clock = () => new Date();
      const store = createTwinStore();
      const engines = createDockerEngines(10_000);
      const containers = createContainers(engines, 5_000);
      const stopping = new AbortController();
      const faults: unknown[] = [];
      let following: Promise<void>;
      before(async () => {
        const place = { checkHost: host.address, publicHost: host.address, bindAddress: host.address };
        const more = { engineUrl: host.url, capacity: 1, basePort: 20_000 };
        await store.hosts.register({ name: "here", ...place, ...more }, clock());
        const wanted = port({ image: host.image });
        await store.ports.change(wanted, () => wanted, whyNotBalanced, clock());
        const parts = { store, engines: containers, ...realTime };
        const readHeartbeats = (names: readonly string[]) =>
          Promise.resolve(
            new Map(names.map((name): [string, HeartbeatReading] => [name, { kind: "beat", beat: beat(name) }])),
          );
        // So long that only what the engine tells can be why a change is followed.
        const rules = { tableSize: SIZE, stepMs: 1000, lookMs: 3_600_000, reportMs: 30_000, concurrency: 1 };
        const follower = createPortFollower({ ...parts, portMaps, readHeartbeats }, rules, (fault) => {
          if (fault !== undefined) faults.push(fault);
        });
        following = follower.run(stopping.signal);
      });
      after(async () => {
        stopping.abort();
        await following;
        assert.deepEqual(faults, []);
      });
      /** Resolves when new connections get to these members and to no others. */
      const isBalancedOver = (...names: string[]) =>
        until(
          `it is balanced over ${names.join(", ")}`,
          async () => {
            const met = membersOf(await openSome(30));
            return names.length === met.length && names.every((name, index) => name === met[index]);
          },
          PATIENCE_MS,
        );
      const containerOf = (name: string) => host.docker.getContainer(name);

      it("finds all containers of the image", async () => {
        await isBalancedOver("one", "three", "two");
      });

      it("goes on without one that has stopped, and with it once it runs again", async () => {
        await containerOf("one").kill();
        await isBalancedOver("three", "two");
        await containerOf("one").start();
        const { NetworkSettings } = await containerOf("one").inspect();
        const address = NetworkSettings.Networks["containers"]?.IPAddress ?? null;
        look = {
          ...look,
          containers: look.containers.map((each) => (each.name === "one" ? { ...each, address } : each)),
        };
        await isBalancedOver("one", "three", "two");
      });

      it("gives one that is paused no new connection, until it is not", async () => {
        const before = await openSome(12);
        await containerOf("two").pause();
        await isBalancedOver("one", "three");
        await containerOf("two").unpause();
        await isBalancedOver("one", "three", "two");
        for (const session of before) await goesOn(session);
      });

      it("knows a container by the name that it was made with, whatever the image's name means by now", async () => {
        // As a process that has not seen them before.
        const fresh = createContainers(engines, 5_000);
        const seen = async () => (await fresh.listRunning(engineHost())).map(({ image }) => image);
        const [repo = "", tag = ""] = host.image.split(":");
        const kept = host.docker.getImage(host.image);
        await kept.tag({ repo: "kept", tag: "as-it-was" });
        await containerOf("three").commit({ repo, tag });
        try {
          assert.deepEqual(new Set(await seen()), new Set([host.image]));
        } finally {
          await host.docker.getImage("kept:as-it-was").tag({ repo, tag });
        }
      });

      it("gets the images of an archive, which nobody keeps on the way", async () => {
        const hasSent = () => containers.hasImage(engineHost(), "sent:1");
        await host.docker.getImage(host.image).tag({ repo: "sent", tag: "1" });
        const archive = Readable.from([await buffer(await host.docker.getImage("sent:1").get())]);
        await host.docker.getImage("sent:1").remove();
        assert.equal(await hasSent(), false);
        assert.deepEqual(await sendArchive(engines, engineHost(), archive, 30_000), ["sent:1"]);
        assert.equal(await hasSent(), true);
        const rubbish = Readable.from([Buffer.from("no archive")]);
        await assert.rejects(sendArchive(engines, engineHost(), rubbish, 30_000), EngineFault);
      });

      it("runs a workload beside them, takes it in, and leaves nothing of it when it is removed", async () => {
        const place = { host: "here", name: "more" };
        const spec: WorkloadSpec = {
          ...{ ...place, image: host.image, command: ["--protected-mode", "no", "--save", ""] },
          ...{ memoryMb: 32, millicpus: 500, copies: 2, state: "running" },
        };
        const change = (facts: Partial<WorkloadSpec>) =>
          store.workloads.change(place, () => ({ ...spec, ...facts }), clock());
        const keep = async () => {
          const { failed } = await keepWorkloads({ store, engines: containers, clock }, 1);
          assert.equal(failed, 0, JSON.stringify(await store.workloads.list()));
        };
        await change({});
        await keep();
        const running = async () =>
          (await containers.listRunning(engineHost())).filter(({ name }) => name.startsWith("workload-"));
        const made = await running();
        assert.deepEqual(made.map(({ name }) => name).sort(), ["workload-more-1", "workload-more-2"]);
        const before = look;
        look = { ...look, containers: [...look.containers, ...made] };
        await isBalancedOver("one", "three", "two", "workload-more-1", "workload-more-2");
        await change({ state: "paused" });
        await keep();
        await keep();
        assert.deepEqual(
          (await running()).map(({ isPaused }) => isPaused),
          [true, true],
        );
        const { HostConfig, Config } = await containerOf("workload-more-1").inspect();
        assert.deepEqual(
          [HostConfig.Memory, HostConfig.NanoCpus, Config.Cmd],
          [32 * 1024 ** 2, 5e8, ["--protected-mode", "no", "--save", ""]],
        );
        await change({ state: "removed" });
        await keep();
        assert.deepEqual(await containers.listWorkloads(engineHost()), []);
        assert.deepEqual(await store.workloads.list(), []);
        look = before;
        await isBalancedOver("one", "three", "two");
      });

      const engineHost = () => ({ name: "here", engineUrl: host.url, deployment: "twintwintwin" });
    });

    it("takes all away when no port is left", async () => {
      const document = renderPortMap([]);
      await portMaps.put("here", document);
      await reported(document);
      await until("the table is gone", () => listed().then((rules) => !rules.includes("port_map")));
    });
  });

  it("leaves nothing behind, and puts ip_forward back as it was found", async () => {
    await portMap("down");
    const rules = await listed();
    const docker = await dockersRules();
    assert.doesNotMatch(rules, /port_map/);
    for (const found of ["0", "1"]) {
      await forwarding(found);
      await load(mapOf([port()]));
      assert.equal(await forwarding(), "1");
      assert.notEqual(await dockersRules(), docker);
      await portMap("down");
      assert.equal(await forwarding(), found);
      assert.equal(await listed(), rules);
      assert.equal(await dockersRules(), docker);
    }
    await forwarding("1");
    await portMap("down");
    assert.equal(await listed(), rules, "it can be repeated");
  });
});
