import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { readClientUsage } from "../../../apps/adapters/redis/client-usage.ts";
import { waitForPong } from "../../../apps/adapters/redis/probe.ts";
import { redisService } from "../../../apps/core/services/redis.ts";
import { instanceLimits } from "../../../apps/core/settings/instances.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { hashSecret } from "../../../apps/lib/secrets.ts";
import { freePort } from "../../../infra/process/free-port.ts";

const run = promisify(execFile);

describe("asking an instance", () => {
  const children: ChildProcess[] = [];
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.splice(0).map((server) => once(server.close(), "close")));
    for (const child of children.splice(0)) {
      if (child.exitCode !== null) continue;
      child.kill();
      await once(child, "exit");
    }
  });

  const redisOn = (port: number, ...options: string[]) => {
    children.push(
      spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", ...options], {
        stdio: "ignore",
      }),
    );
  };
  /** Listens and answers everything with the same bytes, or with nothing. */
  const strangerOn = async (answer: string | undefined): Promise<number> => {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("data", () => answer !== undefined && socket.write(answer));
    });
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };
  const probe = (port: number, timeoutMs: number, password = "password") =>
    waitForPong("127.0.0.1", port, password, AbortSignal.timeout(timeoutMs));

  it("waits until the server listens, and returns what runs there when it answers to the password", async () => {
    const port = await freePort();
    const waiting = probe(port, 5_000);
    redisOn(port, "--requirepass", "password");
    const { engine, version } = await waiting;
    const { stdout } = await run("redis-server", ["--version"]);
    assert.ok(stdout.toLowerCase().startsWith(`${engine} server v=${version} `), `${engine} ${version}`);
  });

  it("does not take a server for ours that knows another password", async () => {
    const port = await freePort();
    redisOn(port, "--requirepass", "another");
    await assert.rejects(probe(port, 1_000));
  });

  it("does not take a server for ours that asks for no password", async () => {
    const port = await freePort();
    redisOn(port);
    await assert.rejects(probe(port, 1_000));
  });

  it("does not take what is no Redis for ours", async () => {
    await assert.rejects(probe(await strangerOn("HTTP/1.1 400 Bad Request\r\n\r\n"), 500));
    await assert.rejects(probe(await strangerOn("+OK\r\n"), 500));
  });

  it("gives up in time on a server that accepts and never answers", async () => {
    const port = await strangerOn(undefined);
    const started = performance.now();
    await assert.rejects(probe(port, 500));
    const ms = performance.now() - started;
    assert.ok(ms >= 450 && ms < 1_500, `${ms} ms`);
  });

  describe("as the user that only the service knows", () => {
    const ask = (port: number, password = "of the service") => readClientUsage("127.0.0.1", port, password, 2_000);
    const clients: Redis[] = [];
    afterEach(() => clients.splice(0).forEach((client) => client.disconnect()));

    /** An instance's server with its users, and clients of it, closed after the test. */
    const open = async () => {
      const port = await freePort();
      const { Cmd } = redisService(
        instanceLimits(loadSettings({ INSTANCE_IMAGE: "redis" }, ["INSTANCE_IMAGE"]).instances),
      ).containerOf({
        id: "0".repeat(16),
        deployment: "d",
        bindAddress: "127.0.0.1",
        port,
        passwordHash: hashSecret("password"),
        watchHash: hashSecret("of the service"),
        notAfter: new Date(0),
      });
      redisOn(port, ...Cmd.slice(Cmd.indexOf("--user")));
      await probe(port, 5_000);
      /** Says lines from an address, each after the answer to the one before; the connection stays until the end. */
      const say = async (localAddress: string, ...lines: string[]) => {
        const socket = connect({ host: "127.0.0.1", port, localAddress });
        sockets.add(socket);
        for (const line of lines) {
          socket.write(`${line}\r\n`);
          await once(socket, "data");
        }
      };
      const client = async (options: { password?: string }) => {
        const redis = new Redis({
          host: "127.0.0.1",
          port,
          protocol: 2,
          lazyConnect: true,
          retryStrategy: () => null,
          enableReadyCheck: false,
          disableClientInfo: true,
          ...options,
        });
        redis.on("error", () => undefined);
        clients.push(redis);
        await redis.connect();
        return redis;
      };
      return { port, client, say };
    };
    const usageOf = async (port: number) => (await ask(port)) ?? assert.fail("it did not answer");

    it("tells how often clients have logged in, whatever those do that do not know the password", async () => {
      const { port, client } = await open();
      const before = (await usageOf(port)).logins;
      const stranger = await client({});
      for (const [command, ...words] of [
        ["AUTH", "wrong"],
        ["AUTH", "default", "wrong"],
        ["AUTH"],
        ["HELLO", "3"],
      ] as const)
        await assert.rejects(stranger.call(command, ...words));
      await assert.rejects(stranger.call("HELLO", "2", "AUTH", "default", "wrong"));
      await assert.rejects(stranger.subscribe("news"));
      assert.equal((await usageOf(port)).logins - before, 1, "its own");
      await stranger.auth("password");
      await stranger.call("HELLO", "2", "AUTH", "default", "password");
      await client({ password: "password" });
      const { logins, subscribers } = await usageOf(port);
      assert.deepEqual([logins - before, subscribers], [1 + 3 + 1, 0]);
    });

    it("tells at how many addresses clients have subscribed, however they did", async () => {
      const { port, say } = await open();
      await say("127.0.0.2", "AUTH password", "SUBSCRIBE news");
      await say("127.0.0.2", "AUTH password", "PSUBSCRIBE *");
      await say("127.0.0.3", "HELLO 3 AUTH default password SETNAME addr=192.0.2.1:1", "SSUBSCRIBE shard");
      await say("127.0.0.4", "AUTH password", "SUBSCRIBE news", "UNSUBSCRIBE news");
      await say("127.0.0.5", "AUTH password", "PING");
      await say("127.0.0.6", "SUBSCRIBE news");
      assert.equal((await usageOf(port)).subscribers, 2);
    });

    it("sees and changes nothing else, and nobody with the holder's password can see or change that user", async () => {
      const { client } = await open();
      const watch = await client({});
      await watch.auth("watch", "of the service");
      for (const [command, ...words] of [
        ["GET", "key"],
        ["KEYS", "*"],
        ["PUBLISH", "news", "x"],
        ["SUBSCRIBE", "news"],
        ["CLIENT", "KILL", "TYPE", "normal"],
        ["ACL", "LIST"],
        ["EVAL", "return 1", "0"],
      ] as const)
        await assert.rejects(watch.call(command, ...words), /NOPERM/, command);
      const holder = await client({ password: "password" });
      for (const words of [
        ["LIST"],
        ["USERS"],
        ["GETUSER", "watch"],
        ["SETUSER", "watch", ">mine"],
        ["DELUSER", "watch"],
      ] as const)
        await assert.rejects(holder.call("ACL", ...words), /NOPERM/, words[0]);
      await assert.rejects(holder.call("CONFIG", "RESETSTAT"), /NOPERM/);
    });

    it("begins anew when its connection is killed, as an owner may do", async () => {
      const { port } = await open();
      let killed = 0;
      const front = createServer((socket) => {
        sockets.add(socket);
        socket.on("error", () => undefined);
        if (++killed <= 2) return void socket.once("data", () => socket.destroy());
        const server = connect({ host: "127.0.0.1", port });
        sockets.add(server);
        socket.pipe(server).pipe(socket);
      }).listen(0, "127.0.0.1");
      servers.push(front);
      await once(front, "listening");
      assert.equal((await usageOf((front.address() as AddressInfo).port)).subscribers, 0);
    });

    it("learns nothing where it is not known, nobody listens, or what answers is no Redis, silent or endless", async () => {
      const { port } = await open();
      assert.equal(await ask(port, "another"), undefined);
      assert.equal(await ask(await freePort()), undefined);
      assert.equal(await ask(await strangerOn("HTTP/1.1 400 Bad Request\r\n\r\n")), undefined);
      assert.equal(await ask(await strangerOn("+OK\r\n")), undefined);
      assert.equal(await ask(await strangerOn(`$${10 * 1024 * 1024}\r\n${"x".repeat(2 * 1024 * 1024)}`)), undefined);
      assert.equal(await readClientUsage("127.0.0.1", await strangerOn(undefined), "of the service", 200), undefined);
    });
  });

  it("gives up in time, and tells the last fault, where nobody listens", async () => {
    const port = await freePort();
    await assert.rejects(probe(port, 300), (fault) => fault instanceof Error && fault.message !== "");
  });
});
