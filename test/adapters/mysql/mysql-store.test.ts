import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, before, beforeEach, describe, it } from "node:test";
import { createConnection, type Connection, type RowDataPacket } from "mysql2/promise";
import { createMysqlStore } from "../../../apps/adapters/mysql/index.ts";
import type { HostsMark } from "../../../apps/core/fleet/contract.ts";
import type { Store } from "../../../apps/core/store.ts";
import { migrate } from "../../../apps/adapters/mysql/migrations.ts";
import type { TakeResult } from "../../../apps/core/instances/handout.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { at, hash, host, newId, QUOTA, start } from "../../contracts/store/bed.ts";
import { createFleetTables, hostName as fleetHostName } from "../../bed/fleet-tables.ts";
import { createDatabase, emptyDatabase, type Services } from "../../bed/services.ts";
import { sharedServices } from "../../bed/shared-services.ts";
import { until } from "../../bed/until.ts";
import { liveOnly } from "../../bed/budgets.ts";

describe("the MySQL store, where several connections meet", () => {
  let services: Services;
  before(async () => {
    services = await sharedServices();
    url = await createDatabase(services.mysqlUrl);
    await migrate(url);
  });

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
    await emptyDatabase(url);
    admin = await createConnection({ uri: url, timezone: "Z" });
    store = anotherStore();
  });
  afterEach(async () => {
    await admin.end().catch(() => undefined);
    await Promise.all(stores.splice(0).map((each) => each.disconnect().catch(() => undefined)));
  });

  const rows = async (sql: string, values: unknown[] = []) => (await admin.query<RowDataPacket[]>(sql, values))[0];
  const take = async ({ id = newId(), address = "198.51.100.1", from = store } = {}): Promise<
    TakeResult & { id: string }
  > => {
    const draft = {
      id,
      address,
      tokenHash: hash("token"),
      passwordHash: hash("password"),
      createdAt: start,
      deadline: at(30),
      latestEnd: at(86_400),
    };
    return { ...(await from.handouts.takeSlot(draft, "a", liveOnly(QUOTA), undefined)), id };
  };
  const lease = async (ttlSeconds = 3600): Promise<string> => {
    const { id } = await take();
    assert.ok(await store.handouts.complete(id, at(ttlSeconds), start, undefined));
    return id;
  };

  it("erases what a warm instance's password is derived from, with the claim that hands it out", async () => {
    await store.hosts.register(host("a"), start);
    const draft = {
      id: newId(),
      passwordHash: hash("password"),
      nonce: hash("nonce"),
      recipe: hash("recipe"),
      createdAt: start,
      deadline: at(30),
      latestEnd: at(86_400),
    };
    await store.warmPool.begin(draft, "a");
    await store.warmPool.ready(draft.id, { engine: "redis", version: "7.0.15" }, at(1));
    const nonces = () => rows("SELECT state, password_nonce AS nonce FROM instances");
    assert.deepEqual(await nonces(), [{ state: "warm", nonce: draft.nonce }]);
    const offer = { recipe: draft.recipe, readySince: start };
    const taken = await store.handouts.takeSlot(
      { ...draft, id: newId(), address: "198.51.100.1", tokenHash: hash("token") },
      "a",
      liveOnly(QUOTA),
      undefined,
      offer,
    );
    assert.equal(taken.kind, "taken-warm");
    assert.deepEqual(await nonces(), [{ state: "starting", nonce: null }]);
  });

  it("numbers the quota places of an address from one, so that a unique key bounds them", async () => {
    await store.hosts.register(host("a", { capacity: 100 }), start);
    const processes = [store, anotherStore(), anotherStore(), anotherStore()];
    await Promise.all(Array.from({ length: 20 }, (_, index) => take({ from: processes[index % 4] ?? store })));
    assert.deepEqual(
      (await rows("SELECT place FROM quota_places ORDER BY place")).map((row) => row["place"] as number),
      [1, 2, 3],
    );
  });

  describe("hosts that have changed since a mark", () => {
    const changedSince = async (mark: HostsMark) =>
      (await store.hosts.listChanged(mark, [])).hosts.map((each) => [each.host.name, each.inUse]);
    /** All that was done so far was done an hour ago. */
    const passHour = async () => {
      for (const table of ["hosts", "instances", "droplets"])
        await rows(`UPDATE ${table} SET touched_at = touched_at - INTERVAL 1 HOUR`);
    };

    it("are those alone, but for what was done in the last seconds", async () => {
      for (const name of ["a", "b", "c"]) await store.hosts.register(host(name), start);
      const id = await lease();
      await passHour();
      const { mark } = await store.hosts.listChanged(undefined, []);
      assert.deepEqual(await changedSince(mark), []);
      await store.hosts.setState("b", "cordoned");
      assert.deepEqual(await changedSince(mark), [["b", 0]]);
      await passHour();
      await store.leases.beginEnd(id, "owner", at(1));
      assert.deepEqual(await changedSince(mark), [["a", 0]]);
    });

    it("are not those whose instances have only sent something, or lose their holders' addresses", async () => {
      await store.hosts.register(host("a"), start);
      const [running, ended] = [await lease(), await lease()];
      await store.leases.beginEnd(ended, "owner", at(1));
      await store.leases.close(ended, at(1));
      await passHour();
      const { mark } = await store.hosts.listChanged(undefined, []);
      await store.transfers.keep(new Map([[running, 1000]]), at(2));
      assert.equal(await store.history.eraseHolders(at(3)), 1);
      assert.deepEqual(await changedSince(mark), []);
    });

    it("are found as well when older replicas have changed them, in whatever time zone", async () => {
      await store.hosts.register(host("a"), start);
      const id = await lease();
      await passHour();
      const { mark } = await store.hosts.listChanged(undefined, []);
      await rows("SET time_zone = '-05:00'");
      await rows("UPDATE instances SET state = 'ending', end_cause = 'owner' WHERE id = ?", [id]);
      assert.deepEqual(await changedSince(mark), [["a", 0]]);
    });

    it("are found although their transaction took two seconds, by the clock of its first statement", async () => {
      await store.hosts.register(host("a"), start);
      const id = await lease();
      await passHour();
      await admin.beginTransaction();
      await rows("SET timestamp = UNIX_TIMESTAMP() - 2");
      await rows("UPDATE instances SET state = 'ending', end_cause = 'owner' WHERE id = ?", [id]);
      const { mark } = await store.hosts.listChanged(undefined, []);
      await admin.commit();
      assert.deepEqual(await changedSince(mark), [["a", 0]]);
    });

    it("are read by hundreds, each once", async () => {
      await rows(
        `INSERT INTO hosts (name, engine_url, public_host, check_host, bind_address, capacity, base_port, created_at)
         VALUES ${Array.from({ length: 200 }, (_, index) => `('host-${index}', '', '', '', '', 1, 1, ?)`).join(", ")}`,
        Array.from({ length: 200 }, () => start),
      );
      const { hosts, mark } = await store.hosts.listChanged(undefined, []);
      const names = Array.from({ length: 200 }, (_, index) => `host-${index}`).sort();
      assert.deepEqual(hosts.map((each) => each.host.name).sort(), names);
      assert.deepEqual((await changedSince(mark)).map(([name]) => name).sort(), names);
      await passHour();
      const named = await store.hosts.listChanged({ at: mark.at + 60 }, names.slice(0, 130));
      assert.deepEqual(named.hosts.map((each) => each.host.name).sort(), names.slice(0, 130));
    });
  });

  describe("what a hand-out asks", () => {
    /** Rows that the server reads for each step of a life, on the host that is partly used. */
    async function rowsRead(size: { readonly hosts: number; readonly instances: number }) {
      const fleet = createMysqlStore(await createFleetTables(services.mysqlUrl, { ...size, capacity: 8 }));
      stores.push(fleet);
      const id = newId();
      const now = new Date();
      const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);
      const [holder, tokenHash, network] = ["172.16.0.1", hash("token"), "172.16.0.0/24"];
      const draft = { id, address: holder, tokenHash, passwordHash: tokenHash, createdAt: now };
      const bound = { live: 100, startsPerDay: 1000 };
      const budgets = { address: bound, networks: [{ key: network, ...bound }], newcomersOnly: { mostInNetwork: 5 } };
      const claim = { keyHash: hash("key"), requestHash: hash("request") };
      const { mark } = await fleet.hosts.listChanged(undefined, []);
      const steps: Readonly<Record<string, () => Promise<unknown>>> = {
        nothing: () => Promise.resolve(),
        readClaim: () => fleet.handouts.readClaim(holder, claim.keyHash, now),
        takeSlot: () =>
          fleet.handouts.takeSlot(
            { ...draft, deadline: later(30), latestEnd: later(86_400) },
            fleetHostName(Math.floor(size.instances / 8)),
            budgets,
            claim,
          ),
        complete: () => fleet.handouts.complete(id, later(3600), now, hash("answer")),
        find: () => fleet.leases.find(id),
        findAt: () => fleet.leases.findAt("h1.example.org", 20_001),
        setExpiry: () => fleet.leases.setExpiry(id, later(4000), now),
        listChanged: () => fleet.hosts.listChanged({ at: mark.at + 60 }, [fleetHostName(1)]),
        beginEnd: () => fleet.leases.beginEnd(id, "owner", now),
        close: () => fleet.leases.close(id, now),
        listDue: () => fleet.leases.listDue(now),
      };
      const read = async () =>
        (await rows("SHOW GLOBAL STATUS LIKE 'Handler_read%'")).reduce((sum, row) => sum + Number(row["Value"]), 0);
      const counts: Record<string, number> = {};
      for (const [step, ask] of Object.entries(steps)) {
        const before = await read();
        await ask();
        counts[step] = (await read()) - before;
      }
      assert.equal((await fleet.leases.find(id))?.state, "ended", "each step did something");
      return counts;
    }

    it("has the server read no more rows in a fleet ten times as large", async () => {
      const small = await rowsRead({ hosts: 40, instances: 317 });
      const large = await rowsRead({ hosts: 400, instances: 3197 });
      // The server may look up a few rows in another way; a scan would read hundreds more.
      const grown = Object.keys(large).filter((step) => (large[step] ?? 0) > (small[step] ?? 0) + 20);
      assert.deepEqual(grown, [], JSON.stringify({ small, large }));
    });
  });

  describe("rows that older replicas write", () => {
    it("are read as events without data, of the job's new name", async () => {
      await rows(
        `INSERT INTO events (at, last_at, actor, kind, host, instance, alarm, reason)
         VALUES (?, ?, 'admit', 'join', 'gar-2', NULL, 0, 'a host 4.0 s after its order'),
                (?, ?, 'tend', 'hold', 'gar-2', NULL, 0, 'no image')`,
        [at(3), at(3), at(4), at(4)],
      );
      assert.deepEqual(
        (await store.events.list({}, 10)).map(({ actor, kind, data }) => [actor, kind, data]),
        [
          ["health", "hold", null],
          ["admit", "join", null],
        ],
      );
    });

    it("are left out where their name is no job's", async () => {
      await store.runs.begin("health", at(3));
      await rows("INSERT INTO job_runs (job, started_at) VALUES ('tend', ?)", [at(5)]);
      assert.deepEqual(
        (await store.runs.list()).map(({ job }) => job),
        ["health"],
      );
    });
  });

  describe("changing and ending a lease", () => {
    it("is done although the server ends a deadlock with it", async () => {
      await store.hosts.register(host("a"), start);
      const id = await lease(60);
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
  });

  describe("history", () => {
    it("is deleted in pieces, and counted once when two processes delete at once", async () => {
      await store.hosts.register(host("a"), start);
      const [registered] = await rows("SELECT id FROM hosts");
      const hostId = registered?.["id"] as number;
      const values = Array.from({ length: 2300 }, (_, index) => [
        String(index).padStart(16, "0"),
        "ended",
        hostId,
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
        `INSERT INTO instances
           (id, state, host_id, port, address, token_hash, created_at, handed_out_at, expires_at, latest_end, ended_at)
         VALUES ?`,
        [values],
      );
      const forgotten = await Promise.all([store.history.prune(at(2)), anotherStore().history.prune(at(2))]);
      assert.equal(forgotten[0] + forgotten[1], 2300);
      assert.deepEqual(await store.history.countHandouts(at(3)), { running: 0, startedEver: 1150 });
    });
  });

  describe("migrations", () => {
    const tables = async (of: string) => {
      const connection = await createConnection({ uri: of });
      const [found] = await connection.query<RowDataPacket[]>(
        `SELECT table_name AS name, column_name AS col, column_type AS type
         FROM information_schema.columns
         WHERE table_schema = DATABASE()
         ORDER BY 1, 2`,
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
      await connection.query("DROP TABLE network_places, idempotency_keys, quota_places, slots, job_runs");
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

    it("every call throws Unavailable at once, and works again with the same store once it is back", async () => {
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
      assert.ok(
        settled.some(({ status }) => status === "rejected"),
        "some were cut off",
      );
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
