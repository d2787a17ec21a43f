import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { describe, it } from "node:test";
import { checkLogin } from "../../../apps/adapters/redis/probe.ts";

const PING = "*1\r\n$4\r\nPING\r\n";
const NOAUTH = "-NOAUTH Authentication required.\r\n";
const GOOD = `${NOAUTH}+OK\r\n+PONG\r\n`;

/** A server that does this with each connection once it has got the login. */
async function serve(answer: (socket: Socket) => void) {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", (data) => {
      received.push(data.toString());
      answer(socket);
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    received,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function check(answer: (socket: Socket) => void, signal = new AbortController().signal) {
  const { port, received, stop } = await serve(answer);
  try {
    const result = await checkLogin("127.0.0.1", port, "secret", signal).then(
      () => "logged in",
      (fault: unknown) => (fault instanceof Error ? fault.message : String(fault)),
    );
    return { result, received };
  } finally {
    await stop();
  }
}

describe("the login at a warm instance", () => {
  it("is one round trip: a PING, the login and another PING sent together", async () => {
    const { result, received } = await check((socket) => socket.write(GOOD));
    assert.equal(result, "logged in");
    assert.deepEqual(received, [`${PING}*3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$6\r\nsecret\r\n${PING}`]);
  });

  it("counts when its answer comes in pieces", async () => {
    const { result } = await check((socket) => {
      socket.write(GOOD.slice(0, -4));
      setImmediate(() => socket.write(GOOD.slice(-4)));
    });
    assert.equal(result, "logged in");
  });

  it("fails when the password is refused, and says what the server answered", async () => {
    const { result } = await check((socket) => socket.write(`${NOAUTH}-WRONGPASS no\r\n${NOAUTH}`));
    assert.match(result, /it answered "-WRONGPASS no/);
  });

  it("fails when the server lets everybody in, is no Redis, or hangs up", async () => {
    assert.match((await check((socket) => socket.write("+PONG\r\n+OK\r\n+PONG\r\n"))).result, /without a password/);
    assert.match((await check((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n"))).result, /HTTP/);
    assert.match((await check((socket) => socket.end(NOAUTH))).result, /closed the connection/);
  });

  it("does not wait for a silent server longer than its caller", async () => {
    const caller = new AbortController();
    const { result } = await check(() => caller.abort(), caller.signal);
    assert.match(result, /abort/);
  });

  it("fails when nothing listens", async () => {
    const { port, stop } = await serve(() => undefined);
    await stop();
    await assert.rejects(checkLogin("127.0.0.1", port, "secret", new AbortController().signal), /ECONNREFUSED/);
  });
});
