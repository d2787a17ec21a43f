import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { createConnection, type Connection, type RowDataPacket } from "mysql2/promise";
import { createMysqlStore } from "../../../apps/adapters/mysql/index.ts";
import type { Store } from "../../../apps/core/store.ts";
import { createLeadership, type Leadership } from "../../../apps/adapters/mysql/leadership.ts";
import { migrate } from "../../../apps/adapters/mysql/migrations.ts";
import { SCALING } from "../../../apps/core/fleet/scaling.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createDatabase, startServices, type Services } from "../../bed/services.ts";
import { until } from "../../bed/until.ts";

const start = new Date("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);
const hash = (text: string) => createHash("sha256").update(text).digest();

describe("the store of the fleet", () => {
  let services: Services;
  before(async () => {
    services = await startServices();
  });
  after(() => services.stop());

  let url: string;
  let store: Store;
  let admin: Connection;
  let leadership: Leadership;
  let term: number;
  beforeEach(async () => {
    url = await createDatabase(services.mysqlUrl);
    await migrate(url);
    admin = await createConnection({ uri: url, timezone: "Z" });
    store = createMysqlStore(url);
    leadership = createLeadership(url, SCALING);
    term = (await leadership.term()) ?? assert.fail("nobody else leads");
  });
  afterEach(async () => {
    await leadership.resign();
    await admin.end();
    await store.disconnect();
  });

  const rows = async (sql: string, values: unknown[] = []) => (await admin.query<RowDataPacket[]>(sql, values))[0];
  const order = async (over: { token?: string; cap?: number; now?: Date; term?: number } = {}) =>
    store.droplets.addOrder(
      over.term ?? term,
      { namePrefix: "gar", region: "fra1", size: "small", tokenHash: hash(over.token ?? "token"), cap: over.cap ?? 10 },
      over.now ?? start,
    );
  const hostOf = (name: string, capacity = 2) => ({
    name,
    engineUrl: "https://10.0.0.5:2376",
    publicHost: "192.0.2.5",
    checkHost: "10.0.0.5",
    bindAddress: "0.0.0.0",
    capacity,
    basePort: 20_000,
  });
  const joined = async (dropletId: number): Promise<string> => {
    const name = await order();
    assert.ok(name !== undefined);
    assert.ok(await store.droplets.adopt(name, dropletId, 0.01786));
    assert.ok(await store.droplets.admit(hostOf(name), at(60)));
    return name;
  };
  const take = (hostName: string, now = at(70)) => {
    const id = randomBytes(8).toString("hex");
    const draft = {
      id,
      address: `198.51.100.${randomBytes(1)[0] ?? 0}`,
      tokenHash: hash("token"),
      createdAt: now,
      deadline: new Date(now.getTime() + 30_000),
      latestEnd: new Date(now.getTime() + 86_400_000),
    };
    return store.handouts.takeSlot(draft, hostName, 100, undefined).then(({ kind }) => ({ kind, id }));
  };
  const states = async () =>
    (await rows("SELECT state FROM droplets ORDER BY number")).map((row) => row["state"] as string);

  describe("an order", () => {
    it("gets a name of its own before the cloud is asked", async () => {
      assert.deepEqual([await order(), await order()], ["gar-1", "gar-2"]);
      assert.deepEqual(
        (await store.droplets.list()).map(({ name, state, dropletId, orderedAt }) => ({
          name,
          state,
          dropletId,
          orderedAt,
        })),
        ["gar-1", "gar-2"].map((name) => ({ name, state: "ordered", dropletId: null, orderedAt: start })),
      );
    });

    it("is refused at the cap, whoever asks at once", async () => {
      const names = await Promise.all(Array.from({ length: 8 }, () => order({ cap: 3 })));
      assert.equal(names.filter((name) => name !== undefined).length, 3);
    });

    it("is refused to a leader whose term is over", async () => {
      await leadership.resign();
      const successor = createLeadership(url, SCALING);
      assert.equal(await successor.term(), term + 1);
      assert.equal(await order(), undefined);
      assert.equal(await order({ term: term + 1 }), "gar-1");
      await successor.resign();
    });

    it("takes one droplet, and a droplet is taken by one order", async () => {
      await order();
      await order();
      assert.deepEqual(
        [
          await store.droplets.adopt("gar-1", 7, 0.01),
          await store.droplets.adopt("gar-1", 8, 0.01),
          await store.droplets.adopt("gar-2", 7, 0.01),
        ],
        [true, false, false],
      );
    });

    it("that failed counts until one becomes a host", async () => {
      await order();
      await store.droplets.closeOrder("gar-1", "no machine", true, at(1));
      await order();
      await store.droplets.closeOrder("gar-2", "limit", false, at(2));
      assert.deepEqual(await store.droplets.readOrderFailures(), { inARow: 2, outOfStock: 1, lastAt: at(2) });
      await joined(3);
      assert.deepEqual(await store.droplets.readOrderFailures(), { inARow: 0, outOfStock: 0, lastAt: null });
    });

    it("that boots too long counts as failed from the moment it is given up", async () => {
      await order();
      await store.droplets.adopt("gar-1", 7, 0.01);
      assert.ok(await store.droplets.beginDestroy(term, "gar-1", "too slow", "none", at(600)));
      assert.deepEqual(await store.droplets.readOrderFailures(), { inARow: 1, outOfStock: 0, lastAt: at(600) });
    });
  });

  describe("enrolment", () => {
    const ask = (token: string, key: string, hostName = "gar-1") =>
      store.droplets.enrol({ hostName, tokenHash: hash(token), keyHash: hash(key) });

    it("is granted to the order's token, again to the same key, and to no other key", async () => {
      await order({ token: "right" });
      assert.equal(await ask("right", "first key"), "granted");
      assert.equal(await ask("right", "first key"), "granted");
      assert.equal(await ask("right", "another key"), "refused");
    });

    it("is refused for another's token, an unknown host, and once the droplet has joined or goes", async () => {
      await order({ token: "one" });
      await order({ token: "two" });
      assert.equal(await ask("two", "key"), "refused");
      assert.equal(await ask("one", "key", "gar-9"), "refused");
      await store.droplets.adopt("gar-1", 7, 0.01);
      assert.equal(await ask("one", "key"), "granted");
      await store.droplets.admit(hostOf("gar-1"), at(60));
      assert.equal(await ask("one", "key"), "refused");
      await store.droplets.adopt("gar-2", 8, 0.01);
      await store.droplets.beginDestroy(term, "gar-2", "too slow", "none", at(600));
      assert.equal(await ask("two", "key", "gar-2"), "refused");
    });
  });

  describe("a host", () => {
    it("is made of a booted droplet, once", async () => {
      const name = await joined(7);
      assert.equal(await store.droplets.admit(hostOf(name), at(61)), false);
      const [found] = await store.hosts.list();
      assert.deepEqual(
        [found?.host.name, found?.host.state, found?.host.engineUrl],
        [name, "active", "https://10.0.0.5:2376"],
      );
      const [row] = await store.droplets.list();
      assert.deepEqual([row?.state, row?.joinedAt, row?.idleSince], ["joined", at(60), at(60)]);
    });

    it("is not made of a droplet that was given up meanwhile", async () => {
      await order();
      await store.droplets.adopt("gar-1", 7, 0.01);
      await store.droplets.beginDestroy(term, "gar-1", "too slow", "none", at(600));
      assert.equal(await store.droplets.admit(hostOf("gar-1"), at(601)), false);
      assert.deepEqual(await store.hosts.list(), []);
    });

    it("is drained when it is empty, and takes nothing from then on", async () => {
      const name = await joined(7);
      assert.ok(await store.droplets.beginDrain(term, name));
      assert.equal((await take(name)).kind, "host-closed");
    });

    it("is not drained with a lease, nor one in flight, nor by a former leader", async () => {
      const name = await joined(7);
      assert.equal(await store.droplets.beginDrain(term + 1, name), false);
      assert.equal((await take(name)).kind, "taken");
      assert.equal(await store.droplets.beginDrain(term, name), false);
      assert.equal(await store.droplets.beginDestroy(term, name, "why", "none", at(80)), false);
    });

    it("can be opened again while it drains, and not once it is to be destroyed", async () => {
      const name = await joined(7);
      await store.droplets.beginDrain(term, name);
      assert.ok(await store.hosts.setState(name, "active"));
      await store.droplets.beginDrain(term, name);
      assert.ok(await store.droplets.beginDestroy(term, name, "drained and empty", "none", at(80)));
      assert.equal(await store.hosts.setState(name, "active"), false);
      assert.deepEqual(
        (await store.hosts.list()).map(({ host }) => host.state),
        ["draining"],
      );
    });

    it("that is gone is no host any more: its slots are gone, its instances closed, its leases lost", async () => {
      const name = await joined(7);
      const { id: running } = await take(name);
      await store.handouts.complete(running, at(3600), at(71), undefined);
      const { id: starting } = await take(name);
      await store.droplets.close(name, "its droplet is gone", at(90));
      await store.droplets.close(name, "again", at(91));
      assert.deepEqual(await store.hosts.list(), []);
      assert.deepEqual(await states(), ["gone"]);
      assert.deepEqual(
        [await store.leases.find(running), await store.leases.find(starting)].map((each) => [
          each?.state,
          each?.endCause,
        ]),
        [
          ["ended", "lost"],
          ["ended", "failed"],
        ],
      );
      for (const table of ["slots", "quota_places"]) assert.deepEqual(await rows(`SELECT * FROM ${table}`), []);
      assert.deepEqual(await store.leases.listDue(at(100_000)), []);
    });

    it("that goes with its leases tells them lost at once", async () => {
      const name = await joined(7);
      const { id } = await take(name);
      await store.handouts.complete(id, at(3600), at(71), undefined);
      assert.ok(await store.droplets.beginDestroy(term, name, "off", "lost", at(90)));
      const lost = await store.leases.find(id);
      assert.deepEqual([lost?.state, lost?.endCause], ["ending", "lost"]);
    });

    it("keeps its timers", async () => {
      const name = await joined(7);
      await store.droplets.keepTimers([{ name, idleSince: null, unhealthySince: at(65) }]);
      const [row] = await store.droplets.list();
      assert.deepEqual([row?.idleSince, row?.unhealthySince], [null, at(65)]);
    });

    it("is forgotten with the history, once no instance names it", async () => {
      const name = await joined(7);
      const { id } = await take(name);
      await store.handouts.complete(id, at(3600), at(71), undefined);
      await store.droplets.close(name, "gone", at(90));
      await store.events.add({ actor: "scale", kind: "close", host: name, reason: "gone" }, at(90));
      await store.history.prune(at(90));
      assert.equal((await rows("SELECT id FROM hosts")).length, 1);
      await store.history.prune(at(91));
      for (const table of ["hosts", "droplets", "events", "instances"])
        assert.deepEqual(await rows(`SELECT * FROM ${table}`), [], table);
    });
  });

  it("never has both a hand-out on a host and its end, in 500 races", async () => {
    let handedOut = 0;
    for (let round = 0; round < 500; round++) {
      const name = `race-${round}`;
      await admin.query(
        "INSERT INTO droplets (name, state, droplet_id, region, size, ordered_at, joined_at, token_hash) VALUES (?, 'joined', ?, 'fra1', 'small', ?, ?, ?)",
        [name, round + 1, start, start, hash("t")],
      );
      await store.hosts.register(hostOf(name, 1), start);
      const end = async () =>
        (await store.droplets.beginDrain(term, name)) &&
        (await store.droplets.beginDestroy(term, name, "race", "none", at(80)));
      const taking = take(name);
      // A hand-out takes some milliseconds: the end begins at any moment of it.
      await delay(round % 10);
      const [taken, ended] = await Promise.all([taking, end()]);
      assert.notEqual(taken.kind === "taken", ended, `round ${round}: ${taken.kind}, destroyed: ${ended}`);
      if (taken.kind === "taken") handedOut++;
    }
    assert.ok(handedOut > 0 && handedOut < 500, `${handedOut} of 500 hand-outs came first`);
  });

  describe("events", () => {
    it("are kept with their reasons, newest first, and found by host, instance and kind", async () => {
      await store.events.add({ actor: "scale", kind: "order", host: "gar-1", reason: "no empty host" }, at(1));
      await store.events.add({ actor: "scale", kind: "hold", alarm: true, reason: "blind" }, at(2));
      await store.events.add(
        { actor: "reconcile", kind: "end", host: "gar-1", instance: "a".repeat(16), reason: "lost" },
        at(3),
      );
      assert.deepEqual(
        (await store.events.list({}, 10)).map(({ kind, reason, alarm }) => [kind, reason, alarm]),
        [
          ["end", "lost", false],
          ["hold", "blind", true],
          ["order", "no empty host", false],
        ],
      );
      assert.deepEqual((await store.events.list({ host: "gar-1", kind: "order" }, 10)).length, 1);
      assert.deepEqual((await store.events.list({ instance: "a".repeat(16) }, 10)).length, 1);
      const [newest] = await store.events.list({}, 1);
      assert.deepEqual(
        (await store.events.list({ before: newest?.id ?? 0 }, 10)).map(({ kind }) => kind),
        ["hold", "order"],
      );
    });

    it("that come again unchanged count up, so that a night's hold is one line", async () => {
      for (let second = 1; second <= 3; second++)
        await store.events.add({ actor: "scale", kind: "hold", reason: "at the cap" }, at(second));
      await store.events.add({ actor: "scale", kind: "order", host: "gar-1", reason: "room again" }, at(4));
      await store.events.add({ actor: "scale", kind: "hold", reason: "at the cap" }, at(5));
      await store.events.add({ actor: "scale", kind: "hold", reason: "another reason" }, at(6));
      assert.deepEqual(
        (await store.events.list({ kind: "hold" }, 10)).map(({ reason, times, at: first, lastAt }) => [
          reason,
          times,
          first,
          lastAt,
        ]),
        [
          ["another reason", 1, at(6), at(6)],
          ["at the cap", 4, at(1), at(5)],
        ],
      );
    });

    it("too long for their column are cut, not lost", async () => {
      await store.events.add({ actor: "scale", kind: "hold", reason: "x".repeat(5000) }, at(1));
      assert.equal((await store.events.list({}, 1))[0]?.reason.length, 500);
    });
  });

  describe("the leadership", () => {
    it("is one process's, and another's as soon as that one ends", async () => {
      const other = createLeadership(url, SCALING);
      assert.equal(await other.term(), undefined);
      assert.equal(await leadership.term(), term);
      await leadership.resign();
      assert.equal(await other.term(), term + 1);
      await other.resign();
    });

    it("goes with the connection, and the former leader learns it", async () => {
      const [lock] = await rows("SELECT IS_USED_LOCK(CONCAT(LEFT(DATABASE(), 40), '.lead.', ?)) AS id", [SCALING]);
      await admin.query("KILL ?", [lock?.["id"]]);
      const other = createLeadership(url, SCALING);
      assert.equal(await until("another leads", () => other.term()), term + 1);
      await until("the former leader sees it", async () => (await leadership.term()) === undefined);
      await other.resign();
    });

    it("of another job or another database is another", async () => {
      const elsewhere = await createDatabase(services.mysqlUrl);
      await migrate(elsewhere);
      const others = [createLeadership(url, "other"), createLeadership(elsewhere, SCALING)];
      for (const other of others) assert.equal(await other.term(), 1);
      for (const other of others) await other.resign();
    });

    it("cannot be had while MySQL does not answer", async () => {
      await assert.rejects(createLeadership("mysql://root:x@127.0.0.1:1/none", SCALING).term(), Unavailable);
    });
  });
});
