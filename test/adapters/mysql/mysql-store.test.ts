import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { createConnection, type Connection, type RowDataPacket } from "mysql2/promise";
import { createMysqlStore } from "../../../apps/adapters/mysql/index.ts";
import type { Store } from "../../../apps/core/store.ts";
import { migrate } from "../../../apps/adapters/mysql/migrations.ts";
import type { IdempotencyClaim, TakeResult } from "../../../apps/core/instances/handout.ts";
import type { EndCause } from "../../../apps/core/events/names.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createDatabase, startServices, type Services } from "../../bed/services.ts";
import { until } from "../../bed/until.ts";

const QUOTA = 3;
const start = new Date("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);
const hash = (text: string) => createHash("sha256").update(text).digest();
const claimFor = (key: string, request = "{}"): IdempotencyClaim => ({
  keyHash: hash(key),
  requestHash: hash(request),
});
const newId = () => randomBytes(8).toString("hex");
const host = (name: string, over: { capacity?: number; basePort?: number; engineUrl?: string } = {}) => ({
  name,
  engineUrl: "unix:///run/docker.sock",
  publicHost: "192.0.2.1",
  checkHost: "127.0.0.1",
  bindAddress: "0.0.0.0",
  capacity: 5,
  basePort: 20_000,
  ...over,
});

describe("the MySQL store", () => {
  let services: Services;
  before(async () => {
    services = await startServices();
    // MySQL 8 refuses by default what MariaDB lets pass: values that do not fit, and loose grouping.
    const admin = await createConnection({ uri: services.mysqlUrl });
    await admin.query(
      "SET GLOBAL sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    );
    await admin.end();
  });
  after(() => services.stop());

  let url: string;
  let store: Store;
  let admin: Connection;
  const stores: Store[] = [];
  /** Another process's store. */
  const anotherStore = () => {
    const another = createMysqlStore(url);
    stores.push(another);
    return another;
  };
  beforeEach(async () => {
    url = await createDatabase(services.mysqlUrl);
    await migrate(url);
    admin = await createConnection({ uri: url, timezone: "Z" });
    store = anotherStore();
  });
  afterEach(async () => {
    await admin.end().catch(() => undefined);
    await Promise.all(stores.splice(0).map((each) => each.disconnect().catch(() => undefined)));
  });

  const rows = async (sql: string, values: unknown[] = []) => (await admin.query<RowDataPacket[]>(sql, values))[0];
  const take = (
    over: {
      id?: string;
      address?: string;
      now?: Date;
      hostName?: string;
      quota?: number;
      claim?: IdempotencyClaim;
      from?: Store;
    } = {},
  ): Promise<TakeResult & { id: string }> => {
    const {
      id = newId(),
      address = "198.51.100.1",
      now = start,
      hostName = "a",
      quota = QUOTA,
      claim,
      from = store,
    } = over;
    const draft = {
      id,
      address,
      tokenHash: hash("token"),
      createdAt: now,
      deadline: new Date(now.getTime() + 30_000),
      latestEnd: new Date(now.getTime() + 86_400_000),
    };
    return from.handouts.takeSlot(draft, hostName, quota, claim).then((result) => ({ ...result, id }));
  };
  const lease = async (over: Parameters<typeof take>[0] & { ttlSeconds?: number } = {}): Promise<string> => {
    const { now = start, ttlSeconds = 3600 } = over;
    const taken = await take(over);
    assert.equal(taken.kind, "taken");
    assert.ok(await store.handouts.complete(taken.id, new Date(now.getTime() + ttlSeconds * 1000), now, undefined));
    return taken.id;
  };
  const kinds = (results: readonly TakeResult[]) =>
    Object.fromEntries([...Map.groupBy(results, ({ kind }) => kind)].map(([kind, group]) => [kind, group.length]));
  const usage = async () =>
    (await store.hosts.list()).map(({ host: { name }, inUse, occupied }) => [name, inUse, occupied]);

  describe("taking a slot", () => {
    it("gives a port of the host, the longest unused slot first", async () => {
      await store.hosts.register(host("a", { capacity: 3 }), start);
      const ids = [];
      for (const port of [20_000, 20_001]) {
        const taken = await take();
        assert.deepEqual([taken.kind, taken.kind === "taken" && taken.port], ["taken", port]);
        ids.push(taken.id);
      }
      // The second is free before the first is.
      for (const [index, seconds] of [
        [1, 10],
        [0, 20],
      ] as const) {
        await store.leases.beginEnd(ids[index] ?? "", "failed", at(seconds));
        await store.leases.close(ids[index] ?? "", at(seconds));
      }
      const ports = [];
      for (let count = 0; count < 3; count++) {
        const taken = await take({ now: at(30) });
        ports.push(taken.kind === "taken" && taken.port);
      }
      assert.deepEqual(ports, [20_002, 20_001, 20_000]);
    });

    it("gives one address exactly its quota, out of many requests at four processes", async () => {
      await store.hosts.register(host("a", { capacity: 100 }), start);
      const processes = [store, anotherStore(), anotherStore(), anotherStore()];
      const results = await Promise.all(
        Array.from({ length: 60 }, (_, index) => take({ from: processes[index % 4] ?? store })),
      );
      assert.deepEqual(kinds(results), { taken: QUOTA, "quota-exceeded": 60 - QUOTA });
      assert.deepEqual(
        (await rows("SELECT place FROM quota_places ORDER BY place")).map((row) => row["place"] as number),
        [1, 2, 3],
      );
      assert.deepEqual(await usage(), [["a", QUOTA, QUOTA]]);
    });

    it("gives many addresses exactly the slots there are, none twice, at four processes", async () => {
      await store.hosts.register(host("a", { capacity: 20 }), start);
      const processes = [store, anotherStore(), anotherStore(), anotherStore()];
      const results = await Promise.all(
        Array.from({ length: 60 }, (_, index) =>
          take({ address: `198.51.100.${index}`, from: processes[index % 4] ?? store }),
        ),
      );
      // A slot that is being taken is skipped, not waited for: "full" may come a moment early.
      const taken = results.filter((result) => result.kind === "taken");
      assert.ok(
        results.every(({ kind }) => kind === "taken" || kind === "host-full"),
        JSON.stringify(kinds(results)),
      );
      for (let address = 60; taken.length < 20; address++) {
        const result = await take({ address: `198.51.100.${address}` });
        assert.ok(result.kind === "taken", "what was skipped is there for the next");
        taken.push(result);
      }
      assert.equal((await take({ address: "203.0.113.1" })).kind, "host-full");
      assert.equal(new Set(taken.map(({ port }) => port)).size, 20);
      assert.deepEqual(await usage(), [["a", 20, 20]]);
      assert.equal((await rows("SELECT 1 FROM quota_places")).length, 20);
      assert.equal((await rows("SELECT 1 FROM instances")).length, 20, "a refusal leaves no row");
    });

    it("loses nothing and gives nothing twice while leases come and go at four processes", async () => {
      await store.hosts.register(host("a", { capacity: 6 }), start);
      const processes = [store, anotherStore(), anotherStore(), anotherStore()];
      let tick = 0;
      await Promise.all(
        processes.map(async (from, index) => {
          for (let round = 0; round < 15; round++) {
            const result = await take({ from, address: `198.51.100.${round % 3}`, now: at(++tick) });
            if (result.kind !== "taken") continue;
            if (round % 2) await from.handouts.complete(result.id, at(10_000), at(tick), undefined);
            assert.ok(await from.leases.beginEnd(result.id, round % 2 ? "owner" : "failed", at(tick)));
            if (index % 2) await from.leases.close(result.id, at(tick));
          }
        }),
      );
      for (const { instanceId } of await store.leases.listDue(at(20_000)))
        await store.leases.close(instanceId, at(tick));
      assert.deepEqual(await usage(), [["a", 0, 0]]);
      assert.equal((await rows("SELECT 1 FROM quota_places")).length, 0);
      assert.equal((await rows("SELECT 1 FROM slots WHERE instance_id IS NULL")).length, 6);
    });

    it("names the earliest end of a lease when the quota is used up", async () => {
      await store.hosts.register(host("a"), start);
      for (const ttlSeconds of [500, 100, 300]) await lease({ ttlSeconds });
      const refused = await take({ now: at(50) });
      assert.deepEqual(refused.kind === "quota-exceeded" && refused.nextFreeAt, at(100));
    });

    it("passes over slots that rest until their time has come", async () => {
      await store.hosts.register(host("a", { capacity: 1 }), start);
      const { id } = await take();
      await store.leases.beginEnd(id, "failed", at(1));
      await store.leases.close(id, at(1), at(300));
      assert.equal((await take({ now: at(299) })).kind, "host-full");
      assert.equal((await take({ now: at(300) })).kind, "taken");
    });

    it("refuses a host that is closed or unknown, and takes nothing", async () => {
      await store.hosts.register(host("a"), start);
      for (const state of ["cordoned", "draining"] as const) {
        await store.hosts.setState("a", state);
        assert.equal((await take()).kind, "host-closed");
      }
      assert.equal((await take({ hostName: "nobody" })).kind, "host-closed");
      assert.equal((await rows("SELECT 1 FROM quota_places")).length, 0);
      await store.hosts.setState("a", "active");
      assert.equal((await take()).kind, "taken");
    });

    it("leaves nothing behind when a statement in the middle fails", async () => {
      await store.hosts.register(host("a"), start);
      const { id } = await take();
      await assert.rejects(take({ id, address: "198.51.100.2" }), /Duplicate entry/);
      assert.deepEqual(await usage(), [["a", 1, 1]]);
      assert.equal((await take({ address: "198.51.100.2" })).kind, "taken");
    });
  });

  describe("quota places", () => {
    const endings: [what: string, cause: EndCause, handedOut: boolean][] = [
      ["its time is over", "expired", true],
      ["its owner ends it", "owner", true],
      ["the operator ends it", "operator", true],
      ["its container is lost", "lost", true],
      ["its hand-out fails", "failed", false],
      ["its caller hangs up", "abandoned", false],
    ];
    for (const [what, cause, handedOut] of endings) {
      it(`are free at once when ${what}, before the container is gone`, async () => {
        await store.hosts.register(host("a"), start);
        const claim = claimFor("key");
        const ids = [
          handedOut ? await lease({ quota: 1, claim, ttlSeconds: 60 }) : (await take({ quota: 1, claim })).id,
        ];
        assert.equal((await take({ quota: 1, now: at(1) })).kind, "quota-exceeded");
        assert.ok(await store.leases.beginEnd(ids[0] ?? "", cause, at(60)));
        assert.deepEqual(await usage(), [["a", 0, 1]], "the slot is not free yet");
        assert.equal(
          await store.handouts.readClaim("198.51.100.1", claim.keyHash, at(60)),
          undefined,
          "the key is free as well",
        );
        assert.equal((await take({ quota: 1, claim, now: at(60) })).kind, "taken");
      });
    }

    it("of leases past their end are free before the reaper comes by, and their keys with them", async () => {
      await store.hosts.register(host("a"), start);
      const claim = claimFor("key");
      const old = await lease({ quota: 1, claim, ttlSeconds: 60 });
      assert.equal((await take({ quota: 1, now: at(59) })).kind, "quota-exceeded");
      assert.equal((await store.handouts.readClaim("198.51.100.1", claim.keyHash, at(59)))?.instanceId, old);
      assert.equal(await store.handouts.readClaim("198.51.100.1", claim.keyHash, at(60)), undefined);
      const next = await take({ quota: 1, claim, now: at(60) });
      assert.equal(next.kind, "taken");
      assert.equal((await store.handouts.readClaim("198.51.100.1", claim.keyHash, at(60)))?.instanceId, next.id);
      assert.deepEqual(
        (await store.leases.listDue(at(60))).map(({ instanceId }) => instanceId),
        [old],
        "its container still waits for the reaper",
      );
    });

    it("once taken back cannot return by an extension that comes late", async () => {
      await store.hosts.register(host("a"), start);
      const old = await lease({ quota: 1, ttlSeconds: 60 });
      assert.equal((await take({ quota: 1, now: at(60) })).kind, "taken");
      assert.equal(await store.leases.setExpiry(old, at(3600), at(59)), false);
      assert.equal((await rows("SELECT 1 FROM quota_places")).length, 1);
    });

    it("never outnumber the quota, however extensions and takings fall together", async () => {
      await store.hosts.register(host("a", { capacity: 50 }), start);
      for (let round = 0; round < 10; round++) {
        const address = `198.51.100.${round}`;
        const id = await lease({ quota: 1, address, ttlSeconds: 60 });
        const [taken, extended] = await Promise.all([
          take({ quota: 1, address, now: at(60) }),
          anotherStore().leases.setExpiry(id, at(3600), at(59)),
        ]);
        assert.equal(taken.kind === "taken", !extended, "one of the two won");
      }
    });
  });

  describe("idempotency keys", () => {
    it("lead every later request to the first one's instance and answer", async () => {
      await store.hosts.register(host("a"), start);
      const claim = claimFor("key");
      const { id } = await take({ claim });
      assert.deepEqual(await store.handouts.readClaim("198.51.100.1", claim.keyHash, start), {
        requestHash: claim.requestHash,
        instanceId: id,
        sealedAnswer: null,
        expiresAt: null,
      });
      assert.ok(await store.handouts.complete(id, at(60), at(1), Buffer.from("sealed")));
      const known = await take({ claim: claimFor("key", "other body") });
      assert.deepEqual(
        { ...known, id: undefined },
        {
          kind: "known",
          requestHash: claim.requestHash,
          instanceId: id,
          sealedAnswer: Buffer.from("sealed"),
          expiresAt: at(60),
          id: undefined,
        },
      );
      assert.deepEqual(await usage(), [["a", 1, 1]]);
    });

    it("make one instance out of many requests at once", async () => {
      await store.hosts.register(host("a", { capacity: 30 }), start);
      const processes = [store, anotherStore(), anotherStore()];
      const results = await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          take({ claim: claimFor("key"), from: processes[index % 3] ?? store, quota: 30 }),
        ),
      );
      assert.deepEqual(kinds(results), { taken: 1, known: 29 });
    });

    it("are known also when the quota is used up", async () => {
      await store.hosts.register(host("a"), start);
      await take({ claim: claimFor("key"), quota: 1 });
      assert.equal((await take({ claim: claimFor("key"), quota: 1 })).kind, "known");
    });

    it("of different addresses have nothing to do with each other", async () => {
      await store.hosts.register(host("a"), start);
      await take({ claim: claimFor("key") });
      assert.equal((await take({ claim: claimFor("key"), address: "198.51.100.2" })).kind, "taken");
      assert.equal(await store.handouts.readClaim("198.51.100.3", claimFor("key").keyHash, start), undefined);
    });
  });

  describe("handing out", () => {
    it("turns the draft into a lease that ends when it says", async () => {
      await store.hosts.register(host("a"), start);
      const id = await lease({ ttlSeconds: 60 });
      const instance = await store.leases.find(id);
      assert.deepEqual(
        [
          instance?.state,
          instance?.expiresAt,
          instance?.createdAt,
          instance?.hostName,
          instance?.publicHost,
          instance?.port,
        ],
        ["running", at(60), start, "a", "192.0.2.1", 20_000],
      );
      assert.deepEqual(instance?.tokenHash, hash("token"));
    });

    it("is refused once the deadline is over, or somebody has undone the draft, or a second time", async () => {
      await store.hosts.register(host("a"), start);
      const { id: late } = await take();
      assert.equal(await store.handouts.complete(late, at(3600), at(30), Buffer.from("x")), false);
      assert.equal((await store.leases.find(late))?.state, "starting");
      const { id: undone } = await take();
      await store.leases.beginEnd(undone, "failed", at(1));
      assert.equal(await store.handouts.complete(undone, at(3600), at(2), undefined), false);
      const id = await lease();
      assert.equal(await store.handouts.complete(id, at(9999), at(2), undefined), false);
      assert.equal(await store.handouts.complete("nobody", at(9999), at(2), undefined), false);
    });
  });

  describe("changing and ending a lease", () => {
    it("is done although the server ends a deadlock with it", async () => {
      await store.hosts.register(host("a"), start);
      const id = await lease({ ttlSeconds: 60 });
      const watcher = await createConnection({ uri: url });
      try {
        await admin.beginTransaction();
        // The server gives up whichever has changed less.
        for (let number = 0; number < 20; number++)
          await admin.query("INSERT INTO addresses (address, seen_at) VALUES (?, ?)", [`203.0.113.${number}`, start]);
        await admin.query(
          "SELECT state FROM instances FORCE INDEX (instances_due) WHERE state = 'running' LOCK IN SHARE MODE",
        );
        const extending = store.leases.setExpiry(id, at(3600), at(59));
        await until("the extension waits for us", async () =>
          String((await watcher.query<RowDataPacket[]>("SHOW ENGINE INNODB STATUS"))[0][0]?.["Status"]).includes(
            "LOCK WAIT",
          ),
        );
        await admin.query("SELECT 1 FROM instances WHERE id = ? FOR UPDATE", [id]);
        await admin.commit();
        assert.equal(await extending, true);
      } finally {
        await watcher.end();
      }
    });

    it("moves its end only while it runs", async () => {
      await store.hosts.register(host("a"), start);
      const id = await lease({ ttlSeconds: 60 });
      assert.equal(await store.leases.setExpiry(id, at(100), at(59)), true);
      assert.equal(await store.leases.setExpiry(id, at(100), at(59)), true, "the same once more is no failure");
      assert.deepEqual((await store.leases.find(id))?.expiresAt, at(100));
      assert.equal(await store.leases.setExpiry(id, at(200), at(100)), false);
      const { id: starting } = await take();
      assert.equal(await store.leases.setExpiry(starting, at(200), at(1)), false);
    });

    it("begins once, whoever and however many ask", async () => {
      await store.hosts.register(host("a"), start);
      const id = await lease();
      const processes = [store, anotherStore(), anotherStore()];
      const causes: EndCause[] = ["owner", "operator", "lost"];
      const begun = await Promise.all(
        Array.from({ length: 15 }, (_, index) =>
          (processes[index % 3] ?? store).leases.beginEnd(id, causes[index % 3] ?? "lost", at(1)),
        ),
      );
      assert.equal(begun.filter(Boolean).length, 1);
      assert.equal((await store.leases.find(id))?.endCause, causes[begun.indexOf(true) % 3]);
    });

    it("begins only from the states that its cause allows", async () => {
      await store.hosts.register(host("a", { capacity: 50 }), start);
      const allowed: Record<EndCause, string[]> = {
        expired: ["running"],
        lost: ["running"],
        owner: ["starting", "running"],
        operator: ["starting", "running"],
        failed: ["starting"],
        abandoned: ["starting", "running"],
      };
      for (const [cause, states] of Object.entries(allowed) as [EndCause, string[]][]) {
        const starting = (await take({ quota: 50 })).id;
        const running = await lease({ quota: 50, ttlSeconds: 60 });
        const ending = await lease({ quota: 50 });
        const ended = await lease({ quota: 50 });
        for (const id of [ending, ended]) await store.leases.beginEnd(id, "operator", at(1));
        await store.leases.close(ended, at(1));
        const begun = [];
        for (const [state, id] of Object.entries({ starting, running, ending, ended }))
          if (await store.leases.beginEnd(id, cause, at(60))) begun.push(state);
        assert.deepEqual(begun, states, cause);
      }
    });

    it("as expired waits for an extension made meanwhile", async () => {
      await store.hosts.register(host("a"), start);
      const id = await lease({ ttlSeconds: 60 });
      const due = await store.leases.listDue(at(60));
      assert.deepEqual(
        due.map(({ instanceId, state }) => [instanceId, state]),
        [[id, "running"]],
      );
      await store.leases.setExpiry(id, at(120), at(59));
      assert.equal(await store.leases.beginEnd(id, "expired", at(60)), false);
      assert.equal((await store.leases.find(id))?.state, "running");
      assert.deepEqual(await store.leases.listDue(at(60)), []);
    });

    it("frees the slot when it is closed, and not a second time after somebody else has taken it", async () => {
      await store.hosts.register(host("a", { capacity: 1 }), start);
      const id = await lease();
      await store.leases.close(id, at(1));
      assert.deepEqual(await usage(), [["a", 1, 1]], "a lease that has not ended is not closed");
      await store.leases.beginEnd(id, "owner", at(2));
      await store.leases.close(id, at(3));
      assert.deepEqual(
        [(await store.leases.find(id))?.state, (await store.leases.find(id))?.endedAt],
        ["ended", at(3)],
      );
      const next = await lease({ now: at(4) });
      await store.leases.close(id, at(5));
      assert.deepEqual(await usage(), [["a", 1, 1]]);
      assert.deepEqual((await store.leases.find(id))?.endedAt, at(3));
      assert.equal((await store.leases.find(next))?.state, "running");
    });

    it("is listed until it is over: due ones for the reaper, open ones by host", async () => {
      await store.hosts.register(host("a"), start);
      await store.hosts.register(host("b"), start);
      const starting = (await take()).id;
      const running = await lease({ ttlSeconds: 60 });
      const ending = await lease({ hostName: "b", ttlSeconds: 9999 });
      await store.leases.beginEnd(ending, "owner", at(1));
      assert.deepEqual(
        (await store.leases.listDue(at(59))).map(({ instanceId }) => instanceId),
        [ending],
      );
      assert.deepEqual(
        (await store.leases.listDue(at(60))).map(({ instanceId }) => instanceId),
        [running, ending],
      );
      assert.deepEqual(
        (await store.leases.listOpenOf("a")).sort((a, b) => (a.state < b.state ? 1 : -1)),
        [
          { id: starting, state: "starting", deadline: at(30) },
          { id: running, state: "running" },
        ],
      );
      assert.deepEqual(
        (await store.leases.listOpenOf("b")).map(({ id }) => id),
        [ending],
      );
      assert.deepEqual(
        (await store.search.find({ state: "open", order: "created", descending: true }, 10)).map(({ id }) => id).sort(),
        [starting, running, ending].sort(),
      );
      assert.equal((await store.search.find({ state: "open", order: "created", descending: true }, 1)).length, 1);
      const place = await store.leases.findContainer(ending);
      assert.deepEqual(
        [place?.instanceId, place?.state, place?.host.name, place?.host.engineUrl],
        [ending, "ending", "b", "unix:///run/docker.sock"],
      );
      assert.match(place?.host.deployment ?? "", /^[0-9a-z]{12}$/);
      assert.deepEqual(
        [await store.leases.findContainer("nobody"), await store.leases.find("nobody")],
        [undefined, undefined],
      );
    });
  });

  describe("hosts", () => {
    it("that are closed wait for hand-outs that hold them; afterwards none can take a slot", async () => {
      await store.hosts.register(host("a"), start);
      const other = await createConnection({ uri: url });
      await other.query("START TRANSACTION");
      await other.query("SELECT id FROM hosts WHERE name = 'a' AND state = 'active' LOCK IN SHARE MODE");
      let closed = false;
      const closing = store.hosts.setState("a", "draining").then(() => (closed = true));
      await until(
        "the change waits for the lock",
        async () =>
          (await rows("SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT id FROM hosts%FOR UPDATE'"))
            .length > 0,
      );
      assert.equal(closed, false);
      await other.query("COMMIT");
      await other.end();
      await closing;
      assert.equal((await take()).kind, "host-closed");
    });

    it("that are closed in the middle of many hand-outs take none after that", async () => {
      await store.hosts.register(host("a", { capacity: 50 }), start);
      const processes = [store, anotherStore()];
      const takings = Array.from({ length: 30 }, (_, index) =>
        take({ address: `198.51.100.${index}`, from: processes[index % 2] ?? store }),
      );
      await anotherStore().hosts.setState("a", "draining");
      const [atClosing] = await rows("SELECT COUNT(*) AS taken FROM slots WHERE instance_id IS NOT NULL");
      const results = await Promise.all(takings);
      assert.equal(results.filter(({ kind }) => kind === "taken").length, atClosing?.["taken"]);
    });

    it("are known by name: registered again they keep their state and their instances", async () => {
      await store.hosts.register(host("a", { capacity: 3 }), start);
      const id = await lease();
      await store.hosts.setState("a", "cordoned");
      await store.hosts.register(host("a", { capacity: 3, engineUrl: "tcp://10.0.0.1:2375" }), at(1));
      const [only, ...others] = await store.hosts.list();
      assert.deepEqual(
        [only?.host.state, only?.host.engineUrl, only?.inUse, others.length],
        ["cordoned", "tcp://10.0.0.1:2375", 1, 0],
      );
      assert.equal((await store.leases.findContainer(id))?.host.engineUrl, "tcp://10.0.0.1:2375");
    });

    it("grow and shrink: slots in use outlive a smaller capacity and are not given again", async () => {
      await store.hosts.register(host("a", { capacity: 2 }), start);
      const [one, two] = [await lease(), await lease({ address: "198.51.100.2" })];
      await store.hosts.register(host("a", { capacity: 1 }), at(1));
      assert.equal((await store.leases.find(two))?.state, "running");
      for (const id of [one, two]) {
        await store.leases.beginEnd(id, "owner", at(2));
        await store.leases.close(id, at(2));
      }
      assert.equal((await take({ now: at(3) })).kind, "taken");
      assert.equal((await take({ now: at(3) })).kind, "host-full");
      await store.hosts.register(host("a", { capacity: 4 }), at(4));
      const results = [];
      for (let count = 0; count < 4; count++)
        results.push((await take({ now: at(5), address: `198.51.100.${count}` })).kind);
      assert.deepEqual(results, ["taken", "taken", "taken", "host-full"]);
    });

    it("move to other ports: free slots at once, those in use once they are free", async () => {
      await store.hosts.register(host("a", { capacity: 2 }), start);
      const id = await lease();
      const moved = host("a", { capacity: 2, basePort: 30_000 });
      await store.hosts.register(moved, at(1));
      assert.equal((await store.leases.find(id))?.port, 20_000);
      const other = await take({ now: at(2) });
      assert.equal(other.kind === "taken" && other.port, 30_001);
      await store.leases.beginEnd(id, "owner", at(3));
      await store.leases.close(id, at(3));
      const next = await take({ now: at(5) });
      assert.equal(next.kind === "taken" && next.port, 30_000);
    });

    it("give no port to two instances while they move by a few ports", async () => {
      await store.hosts.register(host("a", { capacity: 3 }), start);
      const first = await lease();
      assert.equal((await store.leases.find(first))?.port, 20_000);
      // Slot 1 has the old port of slot 0 now, whose instance is still there.
      await store.hosts.register(host("a", { capacity: 3, basePort: 19_999 }), at(1));
      const ports = [];
      for (let count = 1; count < 3; count++) {
        const taken = await take({ now: at(2), address: `198.51.100.${count + 1}` });
        ports.push(taken.kind === "taken" ? taken.port : taken.kind);
      }
      assert.deepEqual(ports, [20_001, "host-full"]);
      await store.leases.beginEnd(first, "owner", at(3));
      await store.leases.close(first, at(3));
      const next = await take({ now: at(4), address: "198.51.100.9" });
      assert.ok(next.kind === "taken" && [19_999, 20_000].includes(next.port));
    });

    it("registered by many at once are there once, with each slot once", async () => {
      await Promise.all(
        Array.from({ length: 8 }, () => anotherStore().hosts.register(host("a", { capacity: 10 }), start)),
      );
      assert.equal((await rows("SELECT 1 FROM hosts")).length, 1);
      assert.deepEqual(
        (await rows("SELECT port FROM slots ORDER BY port")).map((row) => row["port"] as number),
        Array.from({ length: 10 }, (_, slot) => 20_000 + slot),
      );
    });

    it("that do not exist have no state to set", async () => {
      assert.equal(await store.hosts.setState("nobody", "cordoned"), false);
    });
  });

  describe("history", () => {
    it("forgets what ended long ago, and still counts it", async () => {
      await store.hosts.register(host("a", { capacity: 10 }), start);
      const ids = [
        await lease({ quota: 9 }),
        await lease({ quota: 9 }),
        await lease({ quota: 9, address: "198.51.100.2" }),
      ];
      const { id: failed } = await take({ quota: 9 });
      for (const [index, id] of [...ids, failed].entries()) {
        await store.leases.beginEnd(id, index === 3 ? "failed" : "owner", at(10));
        await store.leases.close(id, at(index === 1 ? 100 : 10));
      }
      const running = await lease({ now: at(100), address: "198.51.100.1" });
      assert.deepEqual(await store.history.countHandouts(at(101)), { running: 1, startedEver: 4 });
      assert.equal(await store.history.prune(at(50)), 3);
      assert.deepEqual(await store.history.countHandouts(at(101)), { running: 1, startedEver: 4 });
      assert.deepEqual(await Promise.all([...ids, running].map(async (id) => (await store.leases.find(id))?.state)), [
        undefined,
        "ended",
        undefined,
        "running",
      ]);
      assert.deepEqual(
        (await rows("SELECT address FROM addresses")).map((row) => row["address"] as string),
        ["198.51.100.1"],
      );
      assert.equal(await store.history.prune(at(50)), 0);
    });

    it("is forgotten in pieces, and counted once when two forget at once", async () => {
      await store.hosts.register(host("a"), start);
      const values = Array.from({ length: 2300 }, (_, index) => [
        String(index).padStart(16, "0"),
        "ended",
        1,
        20_000,
        "198.51.100.1",
        hash("token"),
        start,
        index % 2 ? start : null,
        start,
        start,
        at(1),
      ]);
      await admin.query(
        "INSERT INTO instances (id, state, host_id, port, address, token_hash, created_at, handed_out_at, expires_at, latest_end, ended_at) VALUES ?",
        [values],
      );
      const forgotten = await Promise.all([store.history.prune(at(2)), anotherStore().history.prune(at(2))]);
      assert.equal(forgotten[0] + forgotten[1], 2300);
      assert.deepEqual(await store.history.countHandouts(at(3)), { running: 0, startedEver: 1150 });
    });

    it("does not count leases past their end as running", async () => {
      await store.hosts.register(host("a"), start);
      await lease({ ttlSeconds: 60 });
      assert.equal((await store.history.countHandouts(at(59))).running, 1);
      assert.equal((await store.history.countHandouts(at(60))).running, 0);
    });

    it("keeps when each job last ran and last succeeded", async () => {
      await store.runs.begin("reap", at(1));
      await store.runs.finish("reap", at(2), undefined);
      await store.runs.begin("reap", at(3));
      await store.runs.finish("reap", at(4), "x".repeat(600));
      await store.runs.begin("prune", at(5));
      assert.deepEqual(await store.runs.list(), [
        { job: "prune", startedAt: at(5), finishedAt: null, succeededAt: null, fault: null },
        { job: "reap", startedAt: at(3), finishedAt: at(4), succeededAt: at(2), fault: "x".repeat(500) },
      ]);
    });
  });

  describe("migrations", () => {
    const tables = async (of: string) => {
      const connection = await createConnection({ uri: of });
      const [found] = await connection.query<RowDataPacket[]>(
        "SELECT table_name AS name, column_name AS col, column_type AS type FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1, 2",
      );
      await connection.end();
      return JSON.stringify(found);
    };

    it("run once, also when many processes start together, and give the deployment one id", async () => {
      const fresh = await createDatabase(services.mysqlUrl);
      const runs = await Promise.all(Array.from({ length: 5 }, () => migrate(fresh)));
      assert.equal(runs.filter((names) => names.length > 0).length, 1);
      assert.deepEqual(await migrate(fresh), []);
      const connection = await createConnection({ uri: fresh });
      const [ids] = await connection.query<RowDataPacket[]>("SELECT id FROM deployment");
      await connection.end();
      assert.equal(ids.length, 1);
      assert.equal(await tables(fresh), await tables(url));
    });

    it("go on where they were stopped", async () => {
      const fresh = await createDatabase(services.mysqlUrl);
      const connection = await createConnection({ uri: fresh });
      const all = await migrate(fresh);
      // As if the process had been killed half-way: some tables are there, the file is not noted as run.
      await connection.query("DELETE FROM migrations");
      await connection.query("DROP TABLE idempotency_keys, quota_places, slots, job_runs");
      const [before] = await connection.query<RowDataPacket[]>("SELECT id FROM deployment");
      assert.deepEqual(await migrate(fresh), all);
      const [later] = await connection.query<RowDataPacket[]>("SELECT id FROM deployment");
      await connection.end();
      assert.deepEqual(later, before, "containers out there carry this id");
      assert.equal(await tables(fresh), await tables(url));
    });
  });

  // Last: they take the server away.
  describe("without the server", () => {
    const isUnavailable = (fault: unknown) =>
      fault instanceof Unavailable && fault.system === "mysql" && fault.cause !== undefined;

    it("every call throws Unavailable at once, and works again when the server is back, with the same store", async () => {
      await store.hosts.register(host("a"), start);
      const id = await lease();
      await services.killMysql();
      try {
        const started = performance.now();
        await assert.rejects(store.ping(), isUnavailable);
        await assert.rejects(take(), isUnavailable);
        await assert.rejects(store.leases.find(id), isUnavailable);
        await assert.rejects(store.hosts.list(), isUnavailable);
        await assert.rejects(store.leases.beginEnd(id, "owner", at(1)), isUnavailable);
        await assert.rejects(store.history.prune(at(1)), isUnavailable);
        await Promise.all(Array.from({ length: 50 }, () => assert.rejects(take(), isUnavailable)));
        assert.ok(performance.now() - started < 2_000);
      } finally {
        await services.startMysql();
      }
      await store.ping();
      assert.equal((await store.leases.find(id))?.state, "running", "what was acknowledged is there");
      assert.equal((await take()).kind, "taken");
    });

    it("a transaction cut off in its middle has taken nothing", async () => {
      await store.hosts.register(host("a", { capacity: 50 }), start);
      const takings = Promise.allSettled(
        Array.from({ length: 40 }, (_, index) => take({ address: `198.51.100.${index}` })),
      );
      await until(
        "some have begun",
        async () =>
          (await rows("SELECT COUNT(*) AS taken FROM slots WHERE instance_id IS NOT NULL"))[0]?.["taken"] !== 0,
      );
      await services.killMysql();
      const settled = await takings;
      await services.startMysql();
      for (const result of settled)
        if (result.status === "rejected") assert.ok(isUnavailable(result.reason), String(result.reason));
      const back = await createConnection({ uri: url });
      const ids = async (sql: string) =>
        (await back.query<RowDataPacket[]>(sql))[0].map((row) => String(row["id"])).sort();
      const instances = await ids("SELECT id FROM instances");
      assert.deepEqual(await ids("SELECT instance_id AS id FROM slots WHERE instance_id IS NOT NULL"), instances);
      assert.deepEqual(await ids("SELECT instance_id AS id FROM quota_places"), instances);
      await back.end();
      for (const result of settled)
        if (result.status === "fulfilled")
          assert.ok(instances.includes(result.value.id), "what was acknowledged is there");
    });

    it("that hangs, calls throw Unavailable within the time-outs, and never get an old answer later", async () => {
      await store.hosts.register(host("a"), start);
      const wire = await startWire(url);
      const stalled = createMysqlStore(wire.url);
      try {
        assert.equal((await stalled.hosts.list()).length, 1);
        wire.stall(true);
        const started = performance.now();
        await Promise.all([
          assert.rejects(stalled.hosts.list(), isUnavailable),
          assert.rejects(stalled.ping(), isUnavailable),
          assert.rejects(take({ from: stalled }), isUnavailable),
        ]);
        assert.ok(performance.now() - started < 8_000);
        wire.stall(false);
        const [runs, hosts] = await Promise.all([stalled.runs.list(), stalled.hosts.list()]);
        assert.deepEqual([runs.length, hosts.length], [0, 1]);
      } finally {
        wire.stall(false);
        await stalled.disconnect().catch(() => undefined);
        await wire.stop();
      }
    });
  });
});

/** A TCP connection to the server that can be made to swallow everything and stay open. */
async function startWire(
  mysqlUrl: string,
): Promise<{ url: string; stall: (stalled: boolean) => void; stop: () => Promise<void> }> {
  const target = new URL(mysqlUrl);
  const sockets = new Set<Socket>();
  let stalled = false;
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => {
        if (!stalled) to.write(chunk);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(mysqlUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    stall: (now) => {
      stalled = now;
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
