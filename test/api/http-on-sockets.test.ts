import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

describe("refusals on a socket", () => {
  let api: TwinApi;
  let origin: string;
  let startedEver: number;
  before(async () => {
    api = await createTwinApi();
    origin = await api.listen();
    ({ startedEver } = await takeStock());
  });
  after(async () => {
    assert.equal((await takeStock()).startedEver, startedEver);
    await api.close();
  });

  const takeStock = () => api.service.store.history.countHandouts(api.service.clock());

  it("answer bodies of more than 16 KiB by 413, also when none says their length", async () => {
    const body = new ReadableStream({
      start: (controller) => {
        for (let chunk = 0; chunk < 20; chunk++) controller.enqueue(new Uint8Array(1024).fill(32));
        controller.close();
      },
    });
    const answer = await fetch(`${origin}/instances`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      duplex: "half",
    });
    await assertProblem(answer, 413, "unreadable-request");
  });

  it("tell it also those who send all before they listen", async () => {
    const whole = 400_000;
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    const faults: unknown[] = [];
    socket.on("error", (fault) => faults.push(fault));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await once(socket, "connect");
    const write = (bytes: string | Buffer) => new Promise((resolve) => void socket.write(bytes, resolve));
    await write(
      `POST /instances HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${whole}\r\n\r\n`,
    );
    // A server that would close has done so before it answers a call that comes later, and still before the last piece.
    for (let sent = 0; sent < whole; sent += whole / 4) {
      await write(Buffer.alloc(whole / 4, " "));
      assert.equal((await fetch(`${origin}/stats`)).status, 200);
    }
    let said = "";
    socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await closed;
    assert.deepEqual(faults, []);
    assert.match(said, /^HTTP\/1\.1 413 [^]*urn:getaredis:unreadable-request/);
  });

  it("bound what they read of a body that they refuse", async () => {
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(
      "POST /instances HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n",
    );
    const chunk = Buffer.alloc(64 * 1024, " ");
    let sent = 0;
    const send = () => {
      while (socket.writable && socket.write(chunk)) sent += chunk.length;
    };
    socket.on("drain", send);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    send();
    await closed;
    assert.ok(sent < 100 * 1024 * 1024, `${sent} bytes`);
  });

  it("are problems also for what is no HTTP, and the connection is closed", async () => {
    for (const nonsense of ["NONSENSE\r\n\r\n", `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`]) {
      const socket = connect(Number(new URL(origin).port), "127.0.0.1");
      socket.on("error", () => undefined);
      let said = "";
      socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
      socket.end(nonsense);
      await once(socket, "close");
      assert.match(said, /^HTTP\/1\.1 4\d\d /);
      assert.match(said, /content-type: application\/problem\+json/i);
    }
    assert.equal((await fetch(`${origin}/healthz`)).status, 200);
  });
});
