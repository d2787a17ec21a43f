import assert from "node:assert/strict";
import { once } from "node:events";
import { Resolver } from "node:dns/promises";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { decode, encode, streamEncode, type DecodedPacket, type Packet } from "dns-packet";
import { createDigitalOceanCloud } from "../../../apps/adapters/digitalocean/index.ts";
import type { Gateway } from "../../../apps/core/edge/gateway.ts";
import { keepAddressRecords } from "../../../apps/core/fleet/keep-address-records.ts";
import { createTwinGateways, gateway } from "../../../apps/twins/gateways.ts";
import { createVirtualTime } from "../../../apps/twins/time.ts";
import { startDigitalOcean, type LabCloud } from "../../../infra/lab/digitalocean/index.ts";

const TOKEN = "dop_v1_0123456789abcdef";

describe("the stand-in's domains", () => {
  let lab: LabCloud;
  let resolver: Resolver;
  let domain: string;
  let count = 0;
  before(async () => {
    lab = await startDigitalOcean({ token: TOKEN, limits: { perMinute: 5000 } });
    resolver = new Resolver({ timeout: 2_000, tries: 2 });
    resolver.setServers([`${lab.dns.host}:${lab.dns.port}`]);
  });
  after(() => lab.stop());
  beforeEach(async () => {
    domain = `d${++count}.example.org`;
    await ask("POST", "/domains", { name: domain });
  });

  const ask = async (method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> => {
    const answer = await fetch(`${lab.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? undefined : (JSON.parse(text) as unknown) };
  };
  const add = async (record: { type: string; name: string; data: string; ttl?: number }) => {
    const { status, body } = await ask("POST", `/domains/${domain}/records`, record);
    assert.equal(status, 201, JSON.stringify(body));
    return (body as { domain_record: { id: number } }).domain_record.id;
  };
  const codeOf = (name: string) =>
    resolver.resolve4(name).then(
      () => "found",
      (fault: unknown) => (fault as NodeJS.ErrnoException).code,
    );

  it("are resolved by a wildcard right below its name, with its TTL, and by no other one", async () => {
    await add({ type: "A", name: "*.redis", data: "203.0.113.1", ttl: 30 });
    await add({ type: "A", name: "www.redis", data: "203.0.113.9" });
    await add({ type: "TXT", name: "_getaredis.redis", data: "getaredis=abc address=203.0.113.1" });
    const found = await resolver.resolve4(`5sq9fsfr26iw58ze.redis.${domain}`, { ttl: true });
    assert.deepEqual(found, [{ address: "203.0.113.1", ttl: 30 }]);
    assert.deepEqual(await resolver.resolve4(`WWW.Redis.${domain}`), ["203.0.113.9"]);
    assert.deepEqual(await resolver.resolve4(`a.b.redis.${domain}`), ["203.0.113.1"]);
    assert.deepEqual(await resolver.resolveTxt(`_getaredis.redis.${domain}`), [["getaredis=abc address=203.0.113.1"]]);
    assert.deepEqual(
      await Promise.all(
        [
          // A name that exists, or has one below it, is not the wildcard's.
          `_getaredis.redis.${domain}`,
          `redis.${domain}`,
          `a.www.redis.${domain}`,
          `a.other.${domain}`,
          "example.com",
        ].map(codeOf),
      ),
      ["ENODATA", "ENODATA", "ENOTFOUND", "ENOTFOUND", "EREFUSED"],
    );
  });

  it("are resolved as they are now: after a change there is no moment with what was before", async () => {
    const id = await add({ type: "A", name: "*", data: "203.0.113.1" });
    assert.deepEqual(await resolver.resolve4(`a.${domain}`), ["203.0.113.1"]);
    await ask("PUT", `/domains/${domain}/records/${id}`, { type: "A", data: "203.0.113.2" });
    assert.deepEqual(await resolver.resolve4(`a.${domain}`), ["203.0.113.2"]);
    await ask("DELETE", `/domains/${domain}/records/${id}`);
    assert.equal(await codeOf(`a.${domain}`), "ENOTFOUND");
  });

  it("are resolved whole when there is much, by TCP, and in another order each time", async () => {
    for (let number = 1; number <= 100; number++) await add({ type: "A", name: "*", data: `203.0.113.${number}` });
    const looks = [await resolver.resolve4(`a.${domain}`), await resolver.resolve4(`a.${domain}`)];
    assert.deepEqual(
      looks.map((addresses) => new Set(addresses).size),
      [100, 100],
    );
    assert.notEqual(looks[0]?.[0], looks[1]?.[0]);
    const question: Packet = { type: "query", id: 7, questions: [{ type: "A", name: `a.${domain}` }] };
    const cut = await askByUdp(encode(question));
    assert.deepEqual([cut?.flag_tc, cut?.answers?.length], [true, 0]);
    const whole = await askByTcp(question);
    assert.deepEqual([whole.flag_tc, whole.answers?.length], [false, 100]);
  });

  it("go on being resolved after what is no question", async () => {
    await add({ type: "A", name: "*", data: "203.0.113.1" });
    const asked: Buffer[] = [Buffer.alloc(0), Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.alloc(300, 0xc0)];
    for (const message of asked) await askByUdp(message, 50);
    assert.equal((await askByUdp(encode({ type: "query", id: 3, questions: [] })))?.answers?.length, 0);
    const connection = connect(lab.dns.port, lab.dns.host);
    connection.write(Buffer.from([0, 4, 1, 2, 3, 4]));
    connection.on("error", () => undefined).resume();
    await once(connection, "close");
    assert.deepEqual(await resolver.resolve4(`a.${domain}`), ["203.0.113.1"]);
  });

  it("are what the service's own adapter makes of them", async () => {
    const cloud = createDigitalOceanCloud({ token: TOKEN, url: lab.url, timeoutMs: 2_000 });
    const record = { type: "A", name: `*.redis.${domain}`, data: "203.0.113.1", ttlSeconds: 30 } as const;
    await cloud.createRecord(domain, record);
    assert.deepEqual(await resolver.resolve4(`a.redis.${domain}`), ["203.0.113.1"]);
    const [made] = await cloud.listRecords(domain);
    assert.ok(made);
    await cloud.deleteRecord(domain, made.id);
    assert.equal(await codeOf(`a.redis.${domain}`), "ENOTFOUND");
  });

  it("lead to the gateways that live, as the service has them follow", async () => {
    const time = createVirtualTime(new Date("2026-01-01T00:00:00Z"));
    const { membership } = createTwinGateways(time);
    const keep = keepAddressRecords({
      dns: createDigitalOceanCloud({ token: TOKEN, url: lab.url, timeoutMs: 2_000 }),
      readGateways: membership.list,
      store: { events: { add: () => Promise.resolve() } },
      clock: time.clock,
      rules: { edgeDomain: `redis.${domain}`, deployment: "abc", ttlSeconds: 30, settleMs: 5_000 },
    });
    const lease = `5sq9fsfr26iw58ze.redis.${domain}`;
    const [one, other] = [
      { ...gateway("one"), addresses: ["203.0.113.1", "2001:db8::1"] },
      { ...gateway("other"), addresses: ["203.0.113.2"] },
    ];
    const passWith = async (seconds: number, ...living: readonly Gateway[]) => {
      for (let passed = 0; passed < seconds; passed++) {
        for (const each of living) await membership.join(each, 3_000);
        await keep();
        time.pass(1_000);
      }
      return (await resolver.resolve4(lease)).sort();
    };
    assert.deepEqual(await passWith(1, one), ["203.0.113.1"]);
    assert.deepEqual(await passWith(8, one, other), ["203.0.113.1", "203.0.113.2"]);
    assert.deepEqual(await passWith(12, other), ["203.0.113.2"], "one was killed");
    assert.deepEqual(await passWith(60), ["203.0.113.2"], "so were all, as far as is known");
    assert.deepEqual(await passWith(12, one), ["203.0.113.1"]);
  });

  it("refuse what DigitalOcean refuses", async () => {
    await add({ type: "A", name: "www", data: "203.0.113.1" });
    const refused = [
      { type: "A", name: "www", data: "example.org" },
      { type: "A", name: "www", data: "203.0.113.1", ttl: 29 },
      { type: "A", name: "a.*", data: "203.0.113.1" },
      { type: "A", name: "two words", data: "203.0.113.1" },
      { type: "SPF", name: "www", data: "text" },
      { type: "CNAME", name: "www", data: "example.org." },
      { type: "TXT", name: "www" },
    ];
    for (const record of refused)
      assert.equal((await ask("POST", `/domains/${domain}/records`, record)).status, 422, JSON.stringify(record));
    const statuses = [
      await ask("POST", `/domains/${domain}/records`, []),
      await ask("POST", "/domains", { name: domain }),
      await ask("POST", "/domains", { name: "localhost" }),
      await ask("GET", "/domains/none.example.org/records"),
      await ask("DELETE", `/domains/${domain}/records/1`),
    ].map(({ status }) => status);
    assert.deepEqual(statuses, [400, 422, 422, 404, 404]);
  });

  async function askByUdp(message: Buffer, withinMs = 2_000): Promise<DecodedPacket | undefined> {
    const socket = createSocket("udp4");
    try {
      socket.send(message, lab.dns.port, lab.dns.host);
      const [reply] = (await once(socket, "message", { signal: AbortSignal.timeout(withinMs) })) as [Buffer];
      return decode(reply);
    } catch (fault) {
      if ((fault as Error).name === "AbortError") return undefined;
      throw fault;
    } finally {
      socket.close();
    }
  }

  async function askByTcp(question: Packet): Promise<DecodedPacket> {
    const connection = connect(lab.dns.port, lab.dns.host);
    const bytes = streamEncode(question);
    // In two pieces: a length may come apart.
    connection.write(bytes.subarray(0, 1));
    connection.write(bytes.subarray(1));
    let received = Buffer.alloc(0);
    for await (const piece of connection as AsyncIterable<Buffer>) {
      received = Buffer.concat([received, piece]);
      if (received.length >= 2 && received.length === 2 + received.readUInt16BE(0)) break;
    }
    return decode(received.subarray(2));
  }
});
