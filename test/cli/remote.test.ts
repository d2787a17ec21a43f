import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { thisNetwork } from "../../apps/cli/remote/this-network.ts";
import { createEdgeAuthority, issueEdgeCertificate } from "../../infra/pki/edge-certificate.ts";

const PATIENT_MS = 10_000;
const authority = await createEdgeAuthority();
const { chain: cert, key } = await issueEdgeCertificate(authority, { domain: "redis.example.org", now: new Date() });

describe("what getaredis reaches besides the API", () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  /** A server that treats each connection so; its port. */
  async function listen(serve: (socket: Socket) => void, isTls = false): Promise<number> {
    const accept = (socket: Socket) => {
      sockets.push(socket.on("error", () => undefined));
      serve(socket);
    };
    const server = isTls ? createTlsServer({ cert, key }, accept) : createServer(accept);
    servers.push(server.listen(0, "127.0.0.1"));
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }
  const see = (port: number, timeoutMs = PATIENT_MS) =>
    thisNetwork.seeGateway({ address: "127.0.0.1", port, name: "check.redis.example.org", timeoutMs });

  it("tells what a gateway answers, and why its certificate is not trusted", async () => {
    const port = await listen(
      (socket) => socket.on("data", () => socket.write("-NOAUTH Authentication required.\r\n")),
      true,
    );
    const sight = await see(port);
    assert.ok(sight.kind === "there");
    assert.equal(sight.answer, "-NOAUTH Authentication required.");
    assert.match(sight.distrust ?? "", /^(SELF_SIGNED|UNABLE_TO)/);
    assert.ok(sight.expiresAt > new Date());
  });

  it("tells of a gateway that is not there, speaks no TLS, hangs up, or says nothing in time", async () => {
    const closed = await listen(() => undefined);
    servers.pop()?.close();
    assert.deepEqual(await see(closed), { kind: "away", reason: "nothing listens there" });
    const plain = await listen((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert.equal((await see(plain)).kind, "away");
    const hangsUp = await listen((socket) => socket.on("data", () => socket.end()), true);
    assert.deepEqual(await see(hangsUp), { kind: "away", reason: "the connection was closed before the answer" });
    const silent = await listen(() => undefined, true);
    assert.deepEqual(await see(silent, 200), { kind: "away", reason: "no answer within 0.2 s" });
    const mute = await listen(() => undefined);
    assert.deepEqual(await see(mute, 200), { kind: "away", reason: "no answer within 0.2 s" });
  });

  const say = (port: number, ...commands: string[][]) =>
    thisNetwork.sayToRedis(
      { url: `redis://127.0.0.1:${port}`, user: "getaredis-app-web-1", password: "secret", timeoutMs: PATIENT_MS },
      commands,
    );

  it("logs in to Redis, says a command in bytes and not in letters, and hears its answer", async () => {
    let heard = "";
    const port = await listen((socket) =>
      socket.on("data", (part: Buffer) => {
        heard += part.toString();
        if (heard.includes("DEL")) socket.write("+OK\r\n+OK\r\n:1\r\n");
      }),
    );
    assert.deepEqual(await say(port, ["SET", "app:web-1", "é"], ["DEL", "app:web-1"]), ["+OK", ":1"]);
    assert.equal(
      heard,
      "*3\r\n$4\r\nAUTH\r\n$19\r\ngetaredis-app-web-1\r\n$6\r\nsecret\r\n" +
        "*3\r\n$3\r\nSET\r\n$9\r\napp:web-1\r\n$2\r\né\r\n*2\r\n$3\r\nDEL\r\n$9\r\napp:web-1\r\n",
    );
  });

  it("tells of a login that Redis refuses, whatever it says to what comes after it", async () => {
    const port = await listen((socket) => socket.on("data", () => socket.write("-WRONGPASS no\r\n-NOAUTH first\r\n")));
    assert.deepEqual(await say(port, ["DEL", "app:web-1"]), ["-WRONGPASS no"]);
    const hangsUp = await listen((socket) => socket.on("data", () => socket.end("+OK\r\n")));
    await assert.rejects(say(hangsUp, ["DEL", "app:web-1"]), /the connection was closed before the answer/);
  });

  it("has one program read what another one prints, and tells how both ended", async () => {
    const node = (script: string) => [process.execPath, "-e", script];
    const count =
      'let n = 0; process.stdin.on("data", (part) => (n += part.length)).on("end", () => process.exit(n === 3_000_000 ? 0 : 9))';
    const print = 'process.stdout.write("x".repeat(3_000_000))';
    assert.deepEqual(await thisNetwork.pipe(node(print), node(count)), [0, 0]);
    assert.deepEqual(await thisNetwork.pipe(node("process.exit(3)"), node(count)), [3, 9]);
    assert.deepEqual(await thisNetwork.pipe(["getaredis-is-no-program"], node(count)), [127, 9]);
  });

  it("follows names to addresses, and finds none where there is no such name", async () => {
    assert.ok((await thisNetwork.resolve("localhost")).length > 0);
    assert.deepEqual(await thisNetwork.resolve("192.0.2.1"), ["192.0.2.1"]);
  });
});
