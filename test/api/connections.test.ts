import assert from "node:assert/strict";
import { once } from "node:events";
import { request as ask, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { until } from "../bed/until.ts";

const MOST = 20;
const MOST_PER_ADDRESS = 5;

describe("connections", () => {
  let api: TwinApi;
  let port: number;
  const sockets: Socket[] = [];
  const listen = async (env: Record<string, string> = {}) => {
    api = await createTwinApi({
      env: { HTTP_CONNECTIONS: String(MOST), HTTP_CONNECTIONS_PER_ADDRESS: String(MOST_PER_ADDRESS), ...env },
    });
    port = Number(new URL(await api.listen()).port);
  };
  beforeEach(() => listen());
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await api.close();
  });

  /** A connection from one of loopback's addresses on which nothing is sent. */
  const open = async (localAddress: string) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    socket.on("error", () => undefined).resume();
    sockets.push(socket);
    await once(socket, "connect");
    return socket;
  };
  const openMany = (count: number, addressOf: (index: number) => string) =>
    Promise.all(Array.from({ length: count }, (_, index) => open(addressOf(index))));
  const get = async (localAddress: string, path = "/healthz", headers = {}): Promise<IncomingMessage> => {
    const [answer] = (await once(
      ask({ port, host: "127.0.0.1", localAddress, path, headers, agent: false }).end(),
      "response",
    )) as [IncomingMessage];
    sockets.push(answer.socket);
    return answer;
  };
  const alive = (some: readonly Socket[]) => some.filter(({ closed, readableEnded }) => !closed && !readableEnded);
  const held = () => new Promise<number>((resolve) => api.app.server.getConnections((_, count) => resolve(count)));
  const stream = (localAddress: string) =>
    get(localAddress, "/ops/api/stream", { authorization: `Bearer ${api.opsToken}` });

  it("of one address that are opened and left do not keep its next one out, and are bounded", async () => {
    const idle = await openMany(3 * MOST_PER_ADDRESS, () => "127.0.0.2");
    await until("those beyond are closed", () => alive(idle).length === MOST_PER_ADDRESS);
    assert.deepEqual(alive(idle), idle.slice(-MOST_PER_ADDRESS), "the longest idle go first");
    assert.equal((await get("127.0.0.2")).statusCode, 200);
    assert.equal((await get("127.0.0.3")).statusCode, 200);
  });

  it("of many addresses that are opened and left keep nobody out, and are bounded", async () => {
    await openMany(4 * MOST, (index) => `127.0.1.${index + 1}`);
    await until("those beyond are closed", async () => (await held()) <= MOST);
    for (let caller = 1; caller <= 5; caller++) assert.equal((await get(`127.0.2.${caller}`)).statusCode, 200);
  });

  it("that wait for an answer are not closed for others; where all do, the next one is", async () => {
    const streams = [];
    for (let caller = 1; caller <= MOST; caller++) streams.push(await stream(`127.0.3.${caller}`));
    await assert.rejects(get("127.0.4.1"), /socket hang up|ECONNRESET/);
    assert.equal(alive(streams.map(({ socket }) => socket)).length, MOST);
    streams[0]?.destroy();
    await until("its place is free", async () => (await held()) < MOST);
    assert.equal((await get("127.0.4.1")).statusCode, 200);
  });

  it("whose request does not come whole go before those that wait for an answer", async () => {
    const streams = [];
    for (let caller = 1; caller < MOST; caller++) streams.push(await stream(`127.0.5.${caller}`));
    const slow = await open("127.0.6.1");
    slow.write(
      "POST /instances HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    assert.equal((await get("127.0.6.2")).statusCode, 200);
    await until("the slow one is closed", () => alive([slow]).length === 0);
  });

  it("of a trusted proxy count in all alone, and are not closed for others", async () => {
    await api.close();
    await listen({ TRUST_PROXY: "127.0.7.1" });
    const idle = await openMany(2 * MOST_PER_ADDRESS, () => "127.0.7.1");
    await openMany(2 * MOST, (index) => `127.0.8.${index + 1}`);
    await until("those beyond are closed", async () => (await held()) <= MOST);
    assert.equal(alive(idle).length, idle.length);
    assert.equal((await get("127.0.7.1")).statusCode, 200);
  });

  it("are told to be kept for ten seconds only", async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
    assert.match(answer.headers.get("keep-alive") ?? "", /timeout=10\b/);
  });
});
