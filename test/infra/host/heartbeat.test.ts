import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { endProcess, sendSignal } from "../../../infra/process/processes.ts";
import { grantHeartbeat, startRedis } from "../../../infra/servers/redis.ts";
import type { RedisServer } from "../../../infra/servers/redis.ts";
import { until } from "../../bed/until.ts";

const SCRIPT = fileURLToPath(new URL("../../../infra/host/heartbeat.sh", import.meta.url));
/** Nothing listens there: the engine is away, and the other fields of a heartbeat have to come all the same. */
const NO_ENGINE = "unix:///nonexistent/docker.sock";

describe("heartbeat.sh", () => {
  let dir: string;
  let server: RedisServer;
  let redis: Redis;
  const scripts = new Set<ReturnType<typeof startScript>>();

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-heartbeat-"));
    server = await startRedis({ dir });
    redis = quietClient(server.url);
  });
  afterEach(async () => {
    await Promise.all([...scripts].map((script) => script.stop()));
    scripts.clear();
  });
  after(async () => {
    redis.disconnect();
    await server.stop();
    await rm(dir, { recursive: true });
  });

  const start = (env: Record<string, string>) => {
    const script = startScript({ ...addressOf(server.url), ...env });
    scripts.add(script);
    return script;
  };
  const startGranted = async (name: string, env: Record<string, string> = {}) =>
    start({ HOST_NAME: name, HEARTBEAT_REDIS_PASSWORD: await grantHeartbeat(server.url, name), ...env });

  it("writes exactly the fields that belong to a heartbeat", async () => {
    const earliest = Math.floor(Date.now() / 1000) * 1000;
    await startGranted("fields", { PRIVATE_IP: "10.9.9.9", DOCKER_PORT: "2376" });
    const text = await until("a beat is there", () => redis.get("host:fields"));

    const { sentAt, memAvailableMb, ...rest } = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual(rest, {
      name: "fields",
      publicIp: "192.0.2.1",
      privateIp: "10.9.9.9",
      dockerPort: 2376,
      containers: null,
    });
    assert.ok(Number.isInteger(memAvailableMb) && Number(memAvailableMb) > 0);
    assert.match(String(sentAt), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(Date.parse(String(sentAt)) >= earliest && Date.parse(String(sentAt)) <= Date.now());
  });

  it("sets the lifetime in the same command as the value", async () => {
    const seen = await recordCommands((url) =>
      start({ ...addressOf(url), HOST_NAME: "once", HEARTBEAT_REDIS_PASSWORD: "any" }),
    );
    assert.deepEqual(seen[0], ["AUTH", "host-once", "any"]);
    assert.deepEqual([seen[1]?.[0], seen[1]?.[1], ...(seen[1]?.slice(3) ?? [])], ["SET", "host:once", "EX", "10"]);
    assert.equal((JSON.parse(seen[1]?.[2] ?? "") as { name: string }).name, "once");
  });

  it("keeps sending heartbeats, and the key is gone one lifetime after the last one", async () => {
    const script = await startGranted("steady");
    const first = await until("a beat is there", () => redis.get("host:steady"));
    await until("another beat follows", async () => (await redis.get("host:steady")) !== first);
    const ttlMs = await redis.pttl("host:steady");
    assert.ok(ttlMs > 0 && ttlMs <= 3_000, `lifetime left: ${ttlMs} ms`);
    await script.stop();
    await until("the key is gone", async () => (await redis.exists("host:steady")) === 0);
  });

  it("says loudly that its password is refused, and ends", async () => {
    await grantHeartbeat(server.url, "refused");
    const script = start({ HOST_NAME: "refused", HEARTBEAT_REDIS_PASSWORD: "wrong" });
    assert.equal(await script.exitCode, 77);
    assert.match(script.complaints(), /REFUSED by Redis as user host-refused: WRONGPASS/);
    assert.doesNotMatch(script.complaints(), /wrong$/m);
  });

  it("ends when Redis forbids it the key of another host", async () => {
    const password = await grantHeartbeat(server.url, "one");
    const script = start({ HOST_NAME: "other", HEARTBEAT_REDIS_USER: "host-one", HEARTBEAT_REDIS_PASSWORD: password });
    assert.equal(await script.exitCode, 77);
    assert.match(script.complaints(), /NOPERM/);
    assert.equal(await redis.exists("host:other"), 0);
  });

  it("goes on after Redis was restarted", async () => {
    const script = await startGranted("patient");
    await until("a beat is there", () => redis.get("host:patient"));

    // A stand-in for a Redis that keeps its users: same address, same password.
    await endProcess(server.pid, 5_000, "SIGKILL");
    await until("the script noticed", () => /no connection to Redis/.test(script.complaints()));
    server = await startRedis({ dir, port: Number(new URL(server.url).port) });
    redis.disconnect();
    redis = quietClient(server.url);
    await redis.acl(
      "SETUSER",
      "host-patient",
      "reset",
      "on",
      `>${script.password}`,
      "%W~host:patient",
      "+set",
      "+ping",
    );
    await until("beats come again", () => redis.get("host:patient"), 20_000);
  });

  it("notices a Redis that hangs, and comes back when it answers again", async () => {
    const script = await startGranted("hanging");
    await until("a beat is there", () => redis.get("host:hanging"));
    await sendSignal(server.pid, "SIGSTOP");
    try {
      await until("the script noticed", () => /no answer to SET/.test(script.complaints()));
    } finally {
      await sendSignal(server.pid, "SIGCONT");
    }
    await until("beats come again", () => redis.get("host:hanging"), 20_000);
  });

  it("sends nothing when a setting could break the message", async () => {
    for (const [setting, value] of [
      ["HOST_NAME", 'a","containers":0,"x":"'],
      ["HOST_NAME", "a\r\nFLUSHALL"],
      ["PUBLIC_IP", '1.2.3.4"'],
      ["PRIVATE_IP", "10.0.0.1\n"],
      ["DOCKER_PORT", "2376,1"],
      ["HEARTBEAT_TTL_SECONDS", "1"],
      ["HEARTBEAT_REDIS_PASSWORD", ""],
    ] as const) {
      const script = start({ HOST_NAME: "strict", HEARTBEAT_REDIS_PASSWORD: "any", [setting]: value });
      assert.equal(await script.exitCode, 64, `${setting}=${JSON.stringify(value)}`);
      assert.ok(script.complaints().includes(setting), script.complaints());
    }
  });

  it("ends at once when told to, also while it waits", async () => {
    const script = await startGranted("obedient", { HEARTBEAT_SECONDS: "60", HEARTBEAT_TTL_SECONDS: "90" });
    await until("a beat is there", () => redis.get("host:obedient"));
    const startedAt = performance.now();
    await script.stop();
    assert.ok(performance.now() - startedAt < 1_000);
    assert.equal(await script.exitCode, 0);
  });

  it("can do nothing with its user but send its heartbeat", async () => {
    const password = await grantHeartbeat(server.url, "modest");
    const url = new URL(server.url);
    const client = new Redis({
      host: url.hostname,
      port: Number(url.port),
      username: "host-modest",
      password,
      enableReadyCheck: false,
    });
    try {
      assert.equal(await client.set("host:modest", "{}", "EX", 10), "OK");
      await assert.rejects(client.set("host:another", "{}"), /NOPERM/);
      await assert.rejects(client.get("host:modest"), /NOPERM/);
      await assert.rejects(client.del("host:modest"), /NOPERM/);
      await assert.rejects(client.keys("*"), /NOPERM/);
      await assert.rejects(client.publish("news", "x"), /NOPERM/);
      await assert.rejects(client.acl("LIST"), /NOPERM/);
    } finally {
      client.disconnect();
    }
  });
});

function startScript(env: Record<string, string>) {
  const child = spawn("bash", [SCRIPT], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      PATH: process.env.PATH,
      PUBLIC_IP: "192.0.2.1",
      DOCKER_HOST: NO_ENGINE,
      ...(env.HOST_NAME === "once" ? {} : { HEARTBEAT_SECONDS: "1", HEARTBEAT_TTL_SECONDS: "3" }),
      ...env,
    },
  });
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  const exitCode = once(child, "close").then(([code]) => code as number | null);
  return {
    exitCode,
    complaints: () => complaints,
    password: env.HEARTBEAT_REDIS_PASSWORD ?? "",
    stop: async () => {
      if (child.pid !== undefined) await endProcess(child.pid, 5_000);
      await exitCode;
    },
  };
}

function addressOf(url: string): Record<string, string> {
  const { hostname, port } = new URL(url);
  return { HEARTBEAT_REDIS_HOST: hostname, HEARTBEAT_REDIS_PORT: port };
}

function quietClient(url: string): Redis {
  const redis = new Redis(url);
  redis.on("error", () => undefined);
  return redis;
}

/** Says OK to everything for two commands, and returns what they were. */
async function recordCommands(connect: (url: string) => unknown): Promise<string[][]> {
  const sockets = new Set<Socket>();
  let text = "";
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      text += chunk.toString();
      socket.write("+OK\r\n");
    });
  }).listen(0, "127.0.0.1");
  try {
    await once(listener, "listening");
    connect(`redis://127.0.0.1:${(listener.address() as AddressInfo).port}`);
    return await until("two commands came", () => {
      const commands = commandsIn(text);
      return commands.length >= 2 ? commands : undefined;
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    listener.close();
  }
}

function commandsIn(text: string): string[][] {
  return text
    .split(/^\*\d+\r\n/m)
    .slice(1)
    .map((command) => [...command.matchAll(/\$\d+\r\n(.*)\r\n/g)].map(([, word = ""]) => word));
}
