import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { TOO_MANY } from "../../apps/core/edge/concierge.ts";
import { proxyHeader } from "../../apps/core/edge/proxy-header.ts";
import { startConcierge } from "../../apps/gateway/concierge-server.ts";
import { command } from "../bed/lease-plane.ts";
import { claimOwnFolder } from "../bed/own-folder.ts";
import { until } from "../bed/until.ts";

const ID = "5sq9fsfr26iw58ze";
const MOST = 3;

describe("the concierge's server", () => {
  let folder: string;
  let inner: Server;
  let concierge: Awaited<ReturnType<typeof startConcierge>>;
  const sockets: Socket[] = [];
  before(async () => {
    folder = await claimOwnFolder("getaredis-concierge");
    inner = createServer((socket) => {
      sockets.push(socket);
      socket.once("data", () => socket.write("+OK\r\n"));
    });
    await new Promise<void>((resolve) => inner.listen(join(folder, "inner.sock"), resolve));
    concierge = await startConcierge({
      domain: "edge.test",
      socketPath: join(folder, "concierge.sock"),
      innerSocketPath: join(folder, "inner.sock"),
      fullSocketPath: join(folder, "full.sock"),
      hasRoute: (id) => id === ID,
      loginMs: 60_000,
      most: MOST,
    });
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await concierge.close();
    inner.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Comes as HAProxy sends clients, and asks something first. */
  async function come() {
    const socket = createConnection(join(folder, "concierge.sock"));
    sockets.push(socket);
    const client = { socket, heard: "", isClosed: false };
    socket.on("data", (chunk) => (client.heard += chunk.toString()));
    socket.on("close", () => (client.isClosed = true));
    socket.on("error", () => undefined);
    socket.write(proxyHeader({ family: 0x11, addresses: Buffer.alloc(12), authority: undefined }));
    socket.write(command("PING"));
    await until("it is answered", () => client.heard.includes("NOAUTH"));
    return client;
  }

  it("lets the next one in by the place of who has waited longest, and of nobody who has logged in", async () => {
    const loggedIn = await come();
    loggedIn.socket.write(command("AUTH", `${ID}-a-password`));
    await until("it is in", () => loggedIn.heard.endsWith("+OK\r\n"));
    const waiting: Awaited<ReturnType<typeof come>>[] = [];
    for (let count = 0; count < MOST + 2; count++) waiting.push(await come());
    await until("two have made room", () => waiting.filter(({ isClosed }) => isClosed).length === 2);
    assert.deepEqual(
      waiting.map(({ isClosed }) => isClosed),
      [true, true, false, false, false],
    );
    assert.ok(!loggedIn.isClosed);
  });

  it("tells those that are too many so once they have spoken, and closes on both sides", async () => {
    const socket = createConnection({ path: join(folder, "full.sock"), allowHalfOpen: true });
    sockets.push(socket);
    let heard = "";
    socket.on("data", (chunk) => (heard += chunk.toString()));
    socket.on("error", () => undefined);
    socket.write(command("AUTH", `${ID}-a-password`));
    await until("it is told", () => heard === TOO_MANY);
    await until("nothing can be sent any more", async () => {
      const isSent = await new Promise<boolean>((resolve) => socket.write("x", (fault) => resolve(!fault)));
      return !isSent;
    });
  });
});
