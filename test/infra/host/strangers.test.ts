import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { instanceLimits } from "../../../apps/core/settings/instances.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { redisService } from "../../../apps/core/services/redis.ts";
import { createDockerEngines } from "../../../apps/adapters/docker/engines.ts";
import { projectPath } from "../../../infra/process/project-path.ts";
import { startEngineHost, type EngineHost } from "../../bed/engine-host.ts";
import { until } from "../../bed/until.ts";

const FIREWALL = projectPath("infra/host/firewall.sh");
const JANITOR = projectPath("infra/host/janitor.sh");
const STRANGERS = fileURLToPath(new URL("../../bed/strangers.ts", import.meta.url));
const PASSWORD = "of-the-owner-alone";
const DEPLOYMENT = "strangers";
const run = promisify(execFile);

/** Instances as people get them, behind the firewall and the janitor as hosts have them. */
describe("strangers to an instance", { timeout: 60_000 }, () => {
  let host: EngineHost;
  /** Of ours, each in a network of its own. */
  let addresses: string[];
  let second: string;
  let home: string;
  const engines = createDockerEngines(15_000);
  let janitorsEnd: unknown;
  const clients: { disconnect: () => unknown }[] = [];

  before(async () => {
    host = await startEngineHost({ name: "strangers" });
    // Out of a range for tests, and of this host alone: several may run at once.
    const [, , third = 0, last = 0] = host.testAddress.split(".").map(Number);
    const all = Array.from({ length: 11 }, (_, index) => `198.19.${index * 16 + (third % 16)}.${last}`);
    for (const address of all) {
      await run("ip", ["address", "add", `${address}/32`, "dev", "lo"]);
      await host.exec("ip", "route", "replace", address, "via", host.testAddress);
    }
    home = host.testAddress;
    [second = "", ...addresses] = all;
    await firewall("LOGIN_SECONDS=2");
    // It ends with its host.
    void host
      .exec("env", "JANITOR_SECONDS=1", `DOCKER_HOST=${host.url}`, "bash", JANITOR)
      .catch((error: unknown) => (janitorsEnd = error));
    await start("a", 20_001);
    await until("it answers", async () => /NOAUTH/.test(await host.exec("redis-cli", "-p", "20001", "ping")));
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.disconnect();
    await host.exec("nft", "flush", "set", "inet", "getaredis", "known");
  });
  after(async () => {
    for (const address of [second, ...addresses]) await run("ip", ["address", "del", `${address}/32`, "dev", "lo"]);
    await host.stop();
  });

  const firewall = (...settings: string[]) => host.exec("env", ...settings, "sh", FIREWALL, "up");
  const engine = () => ({ name: host.name, engineUrl: host.url, deployment: DEPLOYMENT });
  const idOf = (name: string) => name.padEnd(16, "0");
  const start = async (name: string, port: number) => {
    const { instances } = loadSettings({ INSTANCE_IMAGE: host.image }, ["INSTANCE_IMAGE"]);
    const spec = redisService(instanceLimits(instances)).containerOf({
      id: idOf(name),
      deployment: DEPLOYMENT,
      bindAddress: "0.0.0.0",
      port,
      passwordHash: createHash("sha256").update(PASSWORD).digest(),
      watchHash: Buffer.alloc(32),
      notAfter: new Date(Date.now() + 3_600_000),
    });
    await engines.startContainer(engine(), spec, AbortSignal.timeout(15_000));
  };
  const isKnown = async (address: string) =>
    (await host.exec("nft", "list", "set", "inet", "getaredis", "known")).includes(`${address} . `);
  const packetsDropped = async () =>
    [...(await host.exec("nft", "list", "chain", "inet", "getaredis", "newcomer")).matchAll(/packets (\d+) bytes/g)]
      .map(([, count]) => Number(count))
      .reduce((sum, count) => sum + count, 0);

  /** A client's plain connection, closed at the end of the test. */
  const wire = (port: number, localAddress = home): Socket => {
    const socket = connect({ host: host.address, port, localAddress });
    socket.on("error", () => undefined);
    clients.push({ disconnect: () => socket.destroy() });
    return socket;
  };
  const closed = async (socket: Socket) => {
    if (!socket.closed) await new Promise((resolve) => socket.resume().once("close", resolve));
  };
  const ask = async (socket: Socket, request: string) => {
    socket.write(request);
    const [answer] = (await once(socket, "data")) as [Buffer];
    return answer.toString().trim();
  };
  /** A client that has the password, closed at the end of the test. */
  const owner = (port: number) => {
    const redis = new Redis({ host: host.address, port, password: PASSWORD, retryStrategy: () => null });
    redis.on("error", () => undefined);
    clients.push(redis);
    return redis;
  };
  const answerToOwner = async (port: number) => {
    const redis = owner(port);
    try {
      return await redis.ping();
    } finally {
      redis.disconnect();
    }
  };

  it("are gone after some seconds, idle or not, and nobody is who has logged in, however that was done", async () => {
    const [elsewhere = "", another = ""] = addresses;
    const talking = wire(20_001, elsewhere).on("data", () => undefined);
    const ping = setInterval(() => talking.write("PING\r\n"), 100);
    try {
      const silent = wire(20_001);
      assert.equal(await ask(silent, `AUTH ${PASSWORD}\r\n`), "+OK");
      const hasty = wire(20_001);
      assert.match(await ask(hasty, `PING\r\nAUTH ${PASSWORD}\r\n`), /^-NOAUTH[^]*\+OK$/);
      assert.equal(await ask(hasty, "PING\r\n"), "+PONG");
      const listening = owner(20_001);
      await listening.subscribe("news");
      const popped = owner(20_001).blpop("queue", 0);
      const modern = createClient({
        socket: { host: host.address, port: 20_001 },
        password: PASSWORD,
        RESP: 3,
      });
      await modern.connect();
      clients.push({ disconnect: () => modern.destroy() });
      const [list, ...pool] = Array.from({ length: 30 }, () => owner(20_001));
      await Promise.all(pool.map((client) => client.ping()));

      // Later than all of them: when its time is over, theirs would be as well.
      const last = wire(20_001, another);
      await Promise.all([talking, last].map(closed));
      assert.equal(janitorsEnd, undefined);
      // Redis hears of it a moment after the client.
      const connections = async () => ((await list?.client("LIST")) as string).trim().split("\n").length;
      await until("the strangers are gone, and nobody else", async () => (await connections()) === 35);
      assert.equal(await ask(silent, "PING\r\n"), "+PONG");
      assert.equal(await ask(hasty, "PING\r\n"), "+PONG");
      assert.equal(await modern.ping(), "PONG");
      const news = once(listening, "message");
      await list?.publish("news", "hello");
      assert.deepEqual(await news, ["news", "hello"]);
      await list?.rpush("queue", "item");
      assert.deepEqual(await popped, ["queue", "item"]);
    } finally {
      clearInterval(ping);
    }
  });

  it("keep no owner out who comes while ten of them, in ten networks, take all they can", async () => {
    const attacks = ["shout", "hold"].map((way) =>
      spawn(process.execPath, [STRANGERS, way, host.address, "20002", ...addresses], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    try {
      await Promise.all(attacks.map(({ stdout }) => once(stdout, "data")));
      // They are at the port before anybody has it.
      await start("b", 20_002);
      const kept = await until("the owner is in", async () => {
        const redis = owner(20_002);
        await redis.ping();
        return redis;
      });
      await until("strangers are there, too", async () =>
        /connected_clients:[3-9]\d|connected_clients:\d{3}/.test(await kept.info("clients")),
      );
      for (let time = 0; time < 30; time++) {
        assert.equal(await answerToOwner(20_002), "PONG", `time ${time}`);
        assert.equal(await kept.ping(), "PONG");
      }
      // All the places that were promised, the first one counted.
      const rest = Array.from({ length: 49 }, (_, index) => wire(20_002, index < 39 ? home : second));
      const answers = await Promise.all(rest.map((socket) => ask(socket, `AUTH ${PASSWORD}\r\n`)));
      assert.deepEqual(answers, Array(49).fill("+OK"));
      assert.equal(janitorsEnd, undefined);
    } finally {
      await Promise.all(
        attacks.map((attack) => {
          attack.stdin.end();
          return once(attack, "exit");
        }),
      );
    }
  });

  it("are not taken for somebody who has logged in, whatever they have Redis say", async () => {
    const [elsewhere = ""] = addresses;
    const words = [
      ":1",
      "$5",
      "*1",
      "%7",
      "+OK",
      "+PONG",
      "\r\n:1\r\n",
      "\r\n",
      "'",
      '"',
      "HELLO",
      "AUTH",
      "3",
      "RESET",
    ];
    const commands = words.flatMap((first) => words.map((second) => [first, second, `${second}\r\n`]));
    let said = "";
    for (const isLast of [false, true]) {
      const socket = wire(20_001, elsewhere);
      socket.on("data", (chunk: Buffer) => (said += chunk.toString("latin1")));
      socket.write(
        commands
          .map((command) => `*3\r\n${command.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`)
          .concat(isLast ? 'SET "\\r\\n:1\\r\\n" +OK\r\nQUIT\r\n' : "*1\r\n:1\r\n")
          .join(""),
      );
      await closed(socket);
    }
    assert.ok(said.split("\r\n").length > 2 * commands.length);
    assert.match(said, /\+OK\r\n$/, "the last word is for QUIT");
    // Packets may begin anywhere.
    assert.doesNotMatch(said, /\+OK\r\n[^]|\+PONG\r\n|[$*:%~>][-0-9]+\r\n/);
    assert.equal(await isKnown(elsewhere), false);
    assert.equal(await answerToOwner(20_001), "PONG");
    assert.equal(await isKnown(home), true);
  });

  it("do not slow down a pool that opens all it may at once, nor a script that connects for each command", async () => {
    const nobodyIsConnected = () =>
      until(
        "nobody is connected",
        async () => !(await host.exec("nft", "list", "set", "inet", "getaredis", "callers")).includes("elements"),
      );
    await nobodyIsConnected();
    const before = await packetsDropped();
    const pool = Array.from({ length: 40 }, () => owner(20_001));
    assert.deepEqual(await Promise.all(pool.map((client) => client.set("key", "value"))), Array(40).fill("OK"));
    for (const client of pool) client.disconnect();
    await nobodyIsConnected();
    for (let time = 0; time < 100; time++) {
      const socket = wire(20_001);
      assert.equal(await ask(socket, `AUTH ${PASSWORD}\r\n`), "+OK");
      assert.equal(await ask(socket, "SET key value\r\n"), "+OK");
      socket.destroy();
    }
    assert.equal(await packetsDropped(), before);
  });

  it("are again whom an instance knew that is gone, when another has its address", async () => {
    await start("c", 20_003);
    await until("the owner is known", async () => {
      await answerToOwner(20_003);
      return isKnown(home);
    });
    await engines.removeContainer(engine(), idOf("c"));
    await until("it is forgotten", async () => !(await isKnown(home)));
  });

  it("are so too when the instance came and went between two looks at the engine", async () => {
    await host.exec("nft", "add", "element", "inet", "getaredis", "known", `{ ${home} . 172.31.255.254 }`);
    assert.equal(await isKnown(home), true);
    await until("it is forgotten", async () => !(await isKnown(home)));
  });

  it("may be behind a gateway: that has as many connections as it likes, and who comes by it logs in in time", async () => {
    const [gateway = "", another = ""] = addresses;
    await firewall("LOGIN_SECONDS=2", "CONNECTIONS_PER_ADDRESS=3", `GATEWAY_NETWORK=${gateway}/32`);
    try {
      const idle = wire(20_001, gateway);
      const many = Array.from({ length: 30 }, () => wire(20_001, gateway));
      const answers = await Promise.all(many.map((socket) => ask(socket, `AUTH ${PASSWORD}\r\n`)));
      assert.deepEqual(answers, Array(30).fill("+OK"));
      const few = Array.from({ length: 3 }, () => wire(20_001, another));
      await Promise.all(few.map((socket) => ask(socket, `AUTH ${PASSWORD}\r\n`)));
      await closed(wire(20_001, another));
      await closed(idle);
      assert.deepEqual(
        many.map(({ closed: isClosed }) => isClosed),
        Array(30).fill(false),
      );
    } finally {
      await firewall("LOGIN_SECONDS=2");
    }
  });

  it("do not even connect where ports are for gateways alone, and what is connected stays", async () => {
    const [gateway = "", another = ""] = addresses;
    const early = wire(20_001, another);
    assert.equal(await ask(early, `AUTH ${PASSWORD}\r\n`), "+OK");
    await firewall("LOGIN_SECONDS=2", `GATEWAY_NETWORK=${gateway}/32`, "INSTANCES_OPEN_TO=gateways");
    try {
      const late = wire(20_001, another);
      let isIn = false;
      late.on("connect", () => (isIn = true));
      await closed(late);
      assert.equal(isIn, false);
      assert.equal(await ask(wire(20_001, gateway), `AUTH ${PASSWORD}\r\n`), "+OK");
      assert.match(await host.exec("redis-cli", "-p", "20001", "ping"), /NOAUTH/);
      assert.equal(await ask(early, "PING\r\n"), "+PONG");
      for (const wrong of [
        ["INSTANCES_OPEN_TO=gateways"],
        ["INSTANCES_OPEN_TO=all"],
        ["GATEWAY_NETWORK=10.0.0.0/8; flush ruleset"],
      ])
        await assert.rejects(firewall(...wrong), /must be/);
    } finally {
      await firewall("LOGIN_SECONDS=2");
    }
  });

  it("are told of when the kernel cannot tell who has logged in, and the other rules hold", async () => {
    const nft = (await host.exec("sh", "-c", "command -v nft")).trim();
    const old = `[ -t 0 ] || rules=$(cat); case $rules in *@ih*) echo "syntax error, unexpected @" >&2; exit 1 ;; esac
      printf '%s\n' "$rules" | ${nft} "$@"`;
    const said = await host.exec(
      "sh",
      "-c",
      `mkdir -p /run/old && printf '#!/bin/sh\n%s\n' "$0" >/run/old/nft && chmod 755 /run/old/nft &&
        PATH=/run/old:$PATH sh "$1" up 2>&1`,
      old,
      FIREWALL,
    );
    try {
      assert.match(said, /STRANGERS ARE NOT BOUNDED .*Linux 5\.16.*syntax error, unexpected @/);
      const rules = await host.exec("nft", "list", "table", "inet", "getaredis");
      assert.match(rules, /answers_only[^]*ct count over 40/);
      assert.doesNotMatch(rules, /pending/);
    } finally {
      await firewall("LOGIN_SECONDS=2");
    }
  });
});
