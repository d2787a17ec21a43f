import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { waitForPong } from "../../../apps/adapters/redis/probe.ts";
import { freePort } from "../../../infra/process/free-port.ts";

const run = promisify(execFile);

describe("waitForPong", () => {
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

  it("gives up in time, and tells the last fault, where nobody listens", async () => {
    const port = await freePort();
    await assert.rejects(probe(port, 300), (fault) => fault instanceof Error && fault.message !== "");
  });
});
