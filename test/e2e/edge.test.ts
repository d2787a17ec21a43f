import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { WRONG_PASSWORD } from "../../apps/core/edge/concierge.ts";
import { command, type Talk } from "../bed/lease-plane.ts";
import { startEdge, type BedGateway, type EdgeBed, type EdgeLease } from "../bed/edge.ts";
import { until } from "../bed/until.ts";

const SLOTS = 4;

describe("leases through gateways", { timeout: 300_000 }, () => {
  let bed: EdgeBed;
  const talks: Talk[] = [];
  const leases: EdgeLease[] = [];
  before(async () => {
    bed = await startEdge(["gw-1", "gw-2"], {
      capacity: SLOTS,
      env: { QUOTA_PER_ADDRESS: "100", WARM_POOL_MIN: "1", WARM_POOL_MAX: "1" },
    });
  });
  after(() => bed.stop());
  afterEach(async () => {
    for (const { socket } of talks.splice(0)) socket.destroy();
    for (const lease of leases.splice(0)) await bed.endLease(lease);
  });

  const one = () => bed.gateways[0] ?? assert.fail("no gateway");
  const other = () => bed.gateways[1] ?? assert.fail("no second gateway");
  const create = async () => {
    const lease = await bed.create();
    leases.push(lease);
    return lease;
  };
  async function connect(gateway: BedGateway): Promise<Talk> {
    const talk = await bed.talk(gateway);
    talks.push(talk);
    return talk;
  }
  /** Says something, and resolves to what is answered to it. */
  async function ask(talk: Talk, ...words: string[]): Promise<string> {
    const before = talk.heard().length;
    talk.say(command(...words));
    await until(`an answer to ${words[0] ?? ""}`, () => talk.heard().length > before || talk.isClosed());
    return talk.heard().slice(before);
  }
  async function logIn(gateway: BedGateway, { password }: EdgeLease): Promise<Talk> {
    const talk = await connect(gateway);
    assert.equal(await ask(talk, "AUTH", password), "+OK\r\n");
    return talk;
  }
  const allLive = () => until("both gateways carry", async () => (await bed.live()).length === 2, 30_000);
  const created = () => until("an instance is handed out", create, 30_000);

  it("are reached through each gateway at once, cold ones and warm ones", async () => {
    for (let count = 0; count < 4; count++) {
      const lease = await create();
      for (const gateway of bed.gateways) {
        const talk = await logIn(gateway, lease);
        assert.match(await ask(talk, "SET", "through", gateway.name), /^\+OK/);
        assert.match(await ask(talk, "GET", "through"), new RegExp(gateway.name));
      }
    }
  });

  it("end with all their connections, and nobody gets in any more: their id is answered as one that never was", async () => {
    const lease = await create();
    const connections = await Promise.all(bed.gateways.map((gateway) => logIn(gateway, lease)));
    assert.equal(await bed.endLease(lease), 204);
    await until("all are closed", () => connections.every((talk) => talk.isClosed()));
    for (const gateway of bed.gateways)
      assert.equal(await ask(await connect(gateway), "AUTH", lease.password), WRONG_PASSWORD);
  });

  it("never lead to the next instance on the same port", async () => {
    const portOf = async ({ id }: EdgeLease) => (await bed.service.store.leases.findAddress(id))?.port;
    let last = await create();
    // With all other slots taken, the next one gets this one's.
    while (leases.length < SLOTS) await create();
    for (let count = 0; count < 5; count++) {
      const port = await portOf(last);
      assert.equal(await bed.endLease(last), 204);
      const next = await create();
      assert.equal(await portOf(next), port);
      for (const gateway of bed.gateways) {
        assert.equal(await ask(await connect(gateway), "AUTH", last.password), WRONG_PASSWORD);
        await logIn(gateway, next);
      }
      last = next;
    }
  });

  it("are carried on by HAProxy while the gateway's process is killed, and by the next one, without a break", async () => {
    const lease = await create();
    const talk = await logIn(one(), lease);
    await one().end("SIGKILL");
    await logIn(one(), lease);
    // Nothing is waited for that is gone.
    const meanwhile = await created();
    one().start();
    await allLive();
    assert.match(await ask(talk, "PING"), /PONG/);
    await logIn(one(), meanwhile);
  });

  it("are back within moments when HAProxy is killed, and others do not notice", async () => {
    const lease = await create();
    const elsewhere = await logIn(other(), lease);
    const pid = Number(await readFile(join(one().dir, "haproxy.pid"), "utf8"));
    process.kill(-pid, "SIGKILL");
    await until("they are back", () => logIn(one(), lease));
    await allLive();
    assert.match(await ask(elsewhere, "PING"), /PONG/);
  });

  it("are handed out without a gateway that is frozen, which gives its life back and hears what it missed", async () => {
    const frozen = [one().pid(), Number(await readFile(join(one().dir, "haproxy.pid"), "utf8"))];
    for (const pid of frozen) process.kill(pid === frozen[0] ? pid : -pid, "SIGSTOP");
    try {
      await until("it counts as dead", async () => (await bed.live()).join() === "gw-2");
      const lease = await created();
      await logIn(other(), lease);
      for (const pid of frozen) process.kill(pid === frozen[0] ? pid : -pid, "SIGCONT");
      await allLive();
      await logIn(one(), lease);
    } finally {
      for (const pid of frozen) process.kill(pid === frozen[0] ? pid : -pid, "SIGCONT");
    }
  });

  it("stay reachable while MySQL is away, and while Redis is, and are handed out again afterwards", async () => {
    const lease = await create();
    const talk = await logIn(one(), lease);
    for (const [kill, start] of [
      [bed.service.services.killMysql, bed.service.services.startMysql],
      [bed.service.services.killRedis, bed.service.services.startRedis],
    ] as const) {
      await kill();
      try {
        await until("nobody gets a new one", async () => (await fetch(`${bed.service.origin}/readyz`)).status !== 200);
        assert.match(await ask(talk, "PING"), /PONG/);
        for (const gateway of bed.gateways) await logIn(gateway, lease);
      } finally {
        await start();
      }
      if (start === bed.service.services.startRedis) {
        await bed.service.stopHeartbeats();
        await bed.service.startHeartbeats();
      }
      await allLive();
      await logIn(other(), await created());
    }
    assert.match(await ask(talk, "PING"), /PONG/);
  });

  it("get a renewed certificate without a break, and never a bad one", async () => {
    const lease = await create();
    const talk = await logIn(one(), lease);
    await bed.issue();
    await until(
      "the new one is served",
      async () => (await logIn(one(), lease)).fingerprint !== talk.fingerprint,
      20_000,
    );
    const { fingerprint } = await logIn(one(), lease);
    await bed.issue("other.test");
    const { store } = bed.service;
    await until(
      "it is refused, and told",
      async () => (await store.events.list({ kind: "certificate-refused" }, 1)).length > 0,
      20_000,
    );
    assert.equal((await logIn(one(), lease)).fingerprint, fingerprint);
    assert.match(await ask(talk, "PING"), /PONG/);
    await bed.issue();
  });

  it("are led to by no gateway that is told to stop: it withdraws first", async () => {
    await other().end("SIGTERM");
    assert.deepEqual(await bed.live(), ["gw-1"]);
    await logIn(one(), await create());
    other().start();
    await allLive();
    const events = await bed.service.store.events.list({ kind: "gateway-leave" }, 5);
    assert.match(events[0]?.reason ?? "", /^gw-2 is no gateway any more: it was told to stop$/);
  });
});
