import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, request as httpRequest, type IncomingMessage, type Server } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { createServer, type AddressInfo } from "node:net";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text as textIn } from "node:stream/consumers";
import { afterEach, before, beforeEach, describe, it } from "node:test";
import { createNginx, type Nginx } from "../../../apps/adapters/nginx/nginx.ts";
import { addressAt } from "../../../apps/core/balance/address.ts";
import { keepConfiguration } from "../../../apps/core/balance/keep-configuration.ts";
import { renderNginx } from "../../../apps/core/balance/nginx.ts";
import { plainMember, type Balanced } from "../../../apps/core/balance/service.ts";
import { createTwinStore } from "../../../apps/twins/store/index.ts";
import { createEdgeAuthority, issueEdgeCertificate, type EdgeAuthority } from "../../../infra/pki/edge-certificate.ts";
import { freePort } from "../../../infra/process/free-port.ts";
import { claimOwnFolder } from "../../bed/own-folder.ts";

const now = new Date();

describe("nginx", () => {
  let authority: EdgeAuthority;
  let dir: string;
  let tlsPort: number;
  let nginx: Nginx;
  let agent: Agent;
  const members: Server[] = [];

  before(async () => {
    authority = await createEdgeAuthority(now);
  });
  beforeEach(async () => {
    dir = await claimOwnFolder("getaredis-nginx");
    const { chain, key } = await issueEdgeCertificate(authority, { domain: "example.org", now });
    await writeFile(join(dir, "edge.pem"), chain + key);
    tlsPort = await freePort();
    nginx = createNginx(dir);
    agent = new Agent({ ca: authority.ca, maxSockets: 20 });
  });
  afterEach(async () => {
    agent.destroy();
    await nginx.stop();
    for (const member of members.splice(0)) {
      member.close();
      member.closeAllConnections();
    }
    await rm(dir, { recursive: true, force: true });
  });

  /** A member that answers with a word, and what else it was told. */
  async function member(
    word: string,
    answer: (request: IncomingMessage) => Promise<string> | string = () => word,
  ): Promise<number> {
    const server = createHttpServer((request, reply) => {
      void (async () => reply.end(await answer(request)))();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    members.push(server);
    return (server.address() as AddressInfo).port;
  }

  const service = (name: string, port: number, domain: string, ports: readonly number[]): Balanced => ({
    name,
    port,
    protocol: "http",
    names: [domain],
    policy: "round-robin",
    probe: { kind: "tcp" },
    members: ports.map((each) => plainMember(addressAt("127.0.0.1", each))),
  });
  const load = async (configuration: string, into = nginx) => {
    assert.equal(await into.load(configuration), undefined);
  };
  const render = (...services: readonly Balanced[]) =>
    renderNginx(services, {
      listenOn: ["127.0.0.1"],
      certificate: join(dir, "edge.pem"),
      redirectsPlainHttp: true,
      folder: dir,
    });

  interface Answer {
    status: number | undefined;
    location: string | undefined;
    body: string;
  }
  function ask(domain: string, { path = "/", body = "", port = tlsPort, headers = {} } = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const send = port === 80 ? httpRequest : httpsRequest;
      const request = send(
        {
          host: "127.0.0.1",
          port,
          path,
          method: body === "" ? "GET" : "POST",
          headers: { host: domain, ...headers },
          ...(port !== 80 && { agent, servername: domain }),
        },
        (reply) => {
          void textIn(reply).then(
            (text) => resolve({ status: reply.statusCode, location: reply.headers.location, body: text }),
            reject,
          );
        },
      );
      request.on("error", reject);
      request.end(body);
    });
  }

  it("serves each domain by its own members in TLS, sends plain HTTP there, and has a 503 for all others", async () => {
    const [shop, blog] = [await member("shop"), await member("blog")];
    const configuration = render(
      service("shop", tlsPort, "shop.example.org", [shop]),
      service("blog", tlsPort, "blog.example.org", [blog]),
      service("empty", tlsPort, "empty.example.org", []),
    );
    assert.equal(await nginx.test(configuration), undefined);
    await load(configuration);
    assert.equal((await ask("shop.example.org")).body, "shop");
    assert.equal((await ask("blog.example.org")).body, "blog");
    assert.equal((await ask("other.example.org")).status, 503);
    assert.equal((await ask("empty.example.org")).status, 503);
    const plain = await ask("shop.example.org", { port: 80, path: "/basket?item=1" });
    assert.deepEqual([plain.status, plain.location], [301, `https://shop.example.org:${tlsPort}/basket?item=1`]);
    assert.equal((await ask("other.example.org", { port: 80 })).status, 503);
  });

  it("takes another member when one does not answer, and big requests as well", async () => {
    const alive = await member("", async (request) => String((await textIn(request)).length));
    await load(render(service("shop", tlsPort, "shop.example.org", [await freePort(), alive])));
    for (let turn = 0; turn < 4; turn++)
      assert.equal((await ask("shop.example.org", { body: "x".repeat(900_000) })).body, "900000");
  });

  it("tells members who asks and by what, whatever the client says of itself", async () => {
    const told = await member("", ({ headers }) =>
      JSON.stringify([headers.host, headers["x-forwarded-for"], headers["x-forwarded-proto"]]),
    );
    await load(render(service("shop", tlsPort, "shop.example.org", [told])));
    const headers = { "x-forwarded-for": "10.9.9.9", "x-forwarded-proto": "gopher" };
    assert.deepEqual(JSON.parse((await ask("shop.example.org", { headers })).body), [
      "shop.example.org",
      "127.0.0.1",
      "https",
    ]);
  });

  it("takes on five configurations while clients ask: no request fails, and one that takes long is answered", async () => {
    const port = await member("shop");
    const waiting: (() => void)[] = [];
    const slow = await member("", () => new Promise((resolve) => waiting.push(() => resolve("after all"))));
    const others = (count: number) =>
      Array.from({ length: count }, (_, index) => service(`s${index}`, tlsPort, `s${index}.example.org`, [port]));
    const configuration = (count: number) =>
      render(
        service("shop", tlsPort, "shop.example.org", [port]),
        service("slow", tlsPort, "slow.example.org", [slow]),
        ...others(count),
      );
    await load(configuration(0));
    const answer = ask("slow.example.org");
    let isOver = false;
    const counts = { asked: 0, failed: 0 };
    const clients = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        counts.asked++;
        const { body } = await ask("shop.example.org").catch(() => ({ body: "" }));
        if (body !== "shop") counts.failed++;
      }
    });
    try {
      for (let count = 1; count <= 5; count++) {
        await load(configuration(count));
        assert.equal((await ask(`s${count - 1}.example.org`)).body, "shop");
      }
    } finally {
      isOver = true;
      await Promise.all(clients);
    }
    assert.equal(counts.failed, 0, `of ${counts.asked}`);
    assert.ok(counts.asked > 20, String(counts.asked));
    waiting.forEach((go) => go());
    assert.equal((await answer).body, "after all");
  });

  it("keeps the last good configuration when one fails its test, and an alarm tells nginx's own words", async () => {
    const port = await member("shop");
    const store = createTwinStore();
    const { keep } = keepConfiguration(
      { plane: nginx, store, clock: () => now, nowMs: () => now.getTime() },
      "gateway-1",
    );
    const good = render(service("shop", tlsPort, "shop.example.org", [port]));
    assert.equal(await keep(good), "loaded");
    assert.equal(await keep(good), "unchanged");
    assert.equal(await keep(good.replace("worker_connections", "worker_conections")), "refused");
    assert.equal(await keep(good.replace("}", "")), "refused");
    assert.equal((await ask("shop.example.org")).body, "shop");
    assert.equal(await readFile(join(dir, "nginx.conf"), "utf8"), good, "a start begins with it as well");
    const alarms = await store.events.listAlarms(new Date(0), 10);
    assert.equal(alarms.length, 2);
    assert.match(
      alarms.map(({ reason }) => reason).join("\n"),
      /nginx refuses .* on gateway gateway-1: unknown directive "worker_conections" in .*The last good one stays in force/,
    );
    assert.equal(await keep(good), "unchanged");
  });

  it("keeps the last good configuration when a port is taken, which no test can tell", async () => {
    const port = await member("shop");
    const good = render(service("shop", tlsPort, "shop.example.org", [port]));
    await load(good);
    const stranger = createServer().listen(0, "127.0.0.1");
    await once(stranger, "listening");
    try {
      const taken = (stranger.address() as AddressInfo).port;
      const bad = render(
        service("shop", tlsPort, "shop.example.org", [port]),
        service("more", taken, "more.example.org", [port]),
      );
      assert.equal(await nginx.test(bad), undefined);
      assert.match((await nginx.load(bad)) ?? "", /it does not take it on: .*Address already in use/);
      assert.equal((await ask("shop.example.org")).body, "shop");
      assert.equal(await readFile(join(dir, "nginx.conf"), "utf8"), good);
    } finally {
      stranger.close();
    }
  });

  it("is taken over from a process that has ended, and started again when it was killed", async () => {
    const port = await member("shop");
    await load(render(service("shop", tlsPort, "shop.example.org", [port])));
    const first = await readFile(join(dir, "nginx.pid"), "utf8");
    const another = createNginx(dir);
    const more = render(service("more", tlsPort, "more.example.org", [port]));
    await load(more, another);
    assert.equal(await readFile(join(dir, "nginx.pid"), "utf8"), first);
    assert.equal((await ask("more.example.org")).body, "shop");
    await another.stop();
    assert.equal(await another.isRunning(), false);
    await load(more, another);
    assert.equal((await ask("more.example.org")).body, "shop");
  });
});
