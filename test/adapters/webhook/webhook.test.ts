import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createWebhook, webhookSignature } from "../../../apps/adapters/webhook/webhook.ts";

const key = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
const message = { messageId: "msg_1", payload: '{"type":"test","data":{"text":"ü"}}' };

describe("webhooks", () => {
  let server: Server;
  let origin: string;
  let received: { headers: IncomingMessage["headers"]; body: string; url: string | undefined }[];
  let answer: (reply: ServerResponse, request: IncomingMessage) => void;
  beforeEach(async () => {
    received = [];
    answer = (reply) => reply.end();
    server = createServer((request, reply) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        received.push({ headers: request.headers, body, url: request.url });
        answer(reply, request);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const send = (url = `${origin}/hook`, timeoutMs = 5_000) =>
    createWebhook({ url, key, timeoutMs, clock: () => new Date("2026-01-01T00:00:00.900Z") })([message]);

  it("are signed as the test vector of the Standard Webhooks specification is", () => {
    assert.equal(
      webhookSignature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, '{"test": 2432232314}'),
      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    );
  });

  it("arrive with id, time and a signature over exactly what arrives", async () => {
    assert.equal(await send(), undefined);
    const [{ headers, body, url } = assert.fail("nothing came")] = received;
    assert.deepEqual([url, body, headers["content-type"]], ["/hook", message.payload, "application/json"]);
    assert.deepEqual([headers["webhook-id"], headers["webhook-timestamp"]], ["msg_1", "1767225600"]);
    const signed = createHmac("sha256", key).update(`msg_1.1767225600.${body}`).digest("base64");
    assert.equal(headers["webhook-signature"], `v1,${signed}`);
  });

  it("that are refused say with which status", async () => {
    answer = (reply) => reply.writeHead(500).end("a secret of the receiver");
    assert.equal(await send(), "the receiver answered 500");
  });

  it("follow no redirect, and say so", async () => {
    answer = (reply) => reply.writeHead(307, { location: `${origin}/elsewhere` }).end();
    assert.match((await send()) ?? "", /^the receiver answered 307, a redirect, which is not followed/);
    assert.deepEqual(
      received.map(({ url }) => url),
      ["/hook"],
    );
  });

  it("give up a receiver that hangs, and one that closes the connection, and say which", async () => {
    answer = () => undefined;
    assert.equal(await send(undefined, 200), "the receiver did not answer within 0.2 s");
    answer = (_reply, request) => request.socket.destroy();
    assert.match((await send()) ?? "", /^the receiver cannot be reached \(.+\)$/);
  });

  it("do not read an answer that has no end", async () => {
    answer = (reply) => {
      reply.writeHead(200);
      const endless = () => {
        while (reply.write("x".repeat(65_536)));
        reply.once("drain", endless);
      };
      endless();
    };
    assert.equal(await send(), undefined);
  });

  it("say why nobody can be reached, and nothing of the URL, which may be a secret", async () => {
    const { port } = server.address() as AddressInfo;
    server.close();
    const fault = (await send(`http://127.0.0.1:${port}/secret-path`)) ?? "";
    assert.match(fault, /^the receiver cannot be reached \(connect ECONNREFUSED/);
    assert.ok(!fault.includes("secret-path"));
  });
});
