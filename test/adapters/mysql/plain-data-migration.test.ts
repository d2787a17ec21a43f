import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterEach, before, beforeEach, describe, it } from "node:test";
import { createConnection, type Connection, type ResultSetHeader, type RowDataPacket } from "mysql2/promise";
import { createMysqlStore } from "../../../apps/adapters/mysql/index.ts";
import { migrate } from "../../../apps/adapters/mysql/migrations.ts";
import type { Store } from "../../../apps/core/store.ts";
import { liveOnly } from "../../bed/budgets.ts";
import { createDatabase, type Services } from "../../bed/services.ts";
import { sharedServices } from "../../bed/shared-services.ts";

const MIGRATION = "0005_plain_data.sql";
const EARLIER = ["0001_leases.sql", "0002_fleet.sql", "0003_ops.sql", "0004_alarms.sql"];
const start = new Date("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);
const hash = (text: string) => createHash("sha256").update(text).digest();

/** Statements of the replicas that ran before the migration, word for word. */
const old = {
  insert: `INSERT INTO instances (id, state, host_id, port, address, token_hash, created_at, expires_at, latest_end)
         VALUES (?, 'starting', ?, ?, ?, ?, ?, ?, ?)`,
  freeSlot: `SELECT slot, port FROM slots
          WHERE host_id = ? AND instance_id IS NULL AND free_since <= ? AND slot < ?
            AND NOT EXISTS (SELECT 1 FROM slots AS taken
               WHERE taken.host_id = slots.host_id AND taken.port = slots.port AND taken.instance_id IS NOT NULL)
          ORDER BY free_since, slot LIMIT 1 FOR UPDATE SKIP LOCKED`,
  takeSlot: "UPDATE slots SET instance_id = ? WHERE host_id = ? AND slot = ?",
  complete: `UPDATE instances SET state = 'running', handed_out_at = ?, expires_at = ?
     WHERE id = ? AND state = 'starting' AND expires_at > ?`,
  close: "UPDATE instances SET state = 'ended', ended_at = ? WHERE id = ? AND state = 'ending'",
  freeAgain: `UPDATE slots JOIN hosts ON hosts.id = slots.host_id
            SET slots.instance_id = NULL, slots.free_since = ?, slots.port = hosts.base_port + slots.slot
          WHERE slots.instance_id = ?`,
  beginEnd: `UPDATE instances SET state = 'ending', end_cause = ?
      WHERE id = ? AND state IN ('starting') AND (? <> 'expired' OR expires_at <= ?)`,
  openRows: `SELECT instances.id, instances.state, expires_at FROM instances JOIN hosts ON hosts.id = host_id
     WHERE hosts.name = ? AND instances.state <> 'ended'`,
  addEvent:
    "INSERT INTO events (at, last_at, actor, kind, host, instance, alarm, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  events:
    "SELECT id, at, last_at, times, actor, kind, host, instance, alarm, reason FROM events  ORDER BY id DESC LIMIT 100",
  keepMinute: "INSERT INTO minutes (minute, source, figures) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE figures = ?",
  minutes: "SELECT minute, figures FROM minutes WHERE minute >= ?",
  beginRun: "INSERT INTO job_runs (job, started_at) VALUES (?, ?) ON DUPLICATE KEY UPDATE started_at = ?",
  runs: `SELECT job, started_at AS startedAt, finished_at AS finishedAt, succeeded_at AS succeededAt, fault
     FROM job_runs ORDER BY job`,
};

describe(`migration ${MIGRATION}`, () => {
  let services: Services;
  before(async () => {
    services = await sharedServices();
  });

  let url: string;
  let admin: Connection;
  let store: Store;
  let hostId: number;
  beforeEach(async () => {
    url = await createDatabase(services.mysqlUrl);
    admin = await createConnection({ uri: url, timezone: "Z", multipleStatements: true });
    await admin.query("CREATE TABLE migrations (name VARCHAR(100) NOT NULL PRIMARY KEY, run_at DATETIME(3) NOT NULL)");
    for (const name of EARLIER) {
      await admin.query(await readFile(new URL(`../../../migrations/${name}`, import.meta.url), "utf8"));
      await admin.query("INSERT INTO migrations VALUES (?, UTC_TIMESTAMP(3))", [name]);
    }
    await admin.query("INSERT INTO deployment (only_row, id) VALUES (1, 'aaaaaaaaaaaa')");
    await admin.query(
      `INSERT INTO hosts (engine_url, public_host, check_host, bind_address, capacity, base_port, name, created_at)
       VALUES ('unix:///x', '192.0.2.1', '127.0.0.1', '0.0.0.0', 3, 20000, 'a', ?)`,
      [start],
    );
    hostId = (await rows("SELECT id FROM hosts"))[0]?.["id"] as number;
    for (const slot of [0, 1, 2])
      await admin.query("INSERT INTO slots (host_id, slot, port, free_since) VALUES (?, ?, ?, ?)", [
        hostId,
        slot,
        20_000 + slot,
        start,
      ]);
    store = createMysqlStore(url);
  });
  afterEach(async () => {
    await store.disconnect();
    await admin.end();
  });

  const rows = async (sql: string, values: unknown[] = []) => (await admin.query<RowDataPacket[]>(sql, values))[0];
  const run = async (sql: string, values: unknown[]) =>
    (await admin.query<ResultSetHeader>(sql, values))[0].affectedRows;
  const everything = async () =>
    Promise.all(
      ["instances", "slots", "events", "job_runs", "minutes", "minute_figures"].map((table) =>
        rows(`SELECT * FROM ${table}`),
      ),
    );

  /** Takes a slot as an older replica does, with the deadline at second 30. Undefined without a free slot. */
  const oldTake = async (id: string, now: Date): Promise<number | undefined> => {
    const [free] = await rows(old.freeSlot, [hostId, now, 3]);
    if (!free) return undefined;
    await run(old.insert, [
      id,
      hostId,
      free["port"],
      "198.51.100.1",
      hash("token"),
      now,
      new Date(now.getTime() + 30_000),
      at(86_400),
    ]);
    await run(old.takeSlot, [id, hostId, free["slot"]]);
    return free["slot"] as number;
  };
  /** Undoes a hand-out as an older replica does that has found its port taken, until a moment. */
  const oldUndo = async (id: string, now: Date, freeFrom: Date) => {
    await run(old.beginEnd, ["failed", id, "failed", now]);
    await run(old.close, [now, id]);
    await run(old.freeAgain, [freeFrom, id]);
  };
  const newTake = (id: string, now: Date) =>
    store.handouts.takeSlot(
      {
        id,
        address: "198.51.100.2",
        tokenHash: hash("token"),
        passwordHash: hash("password"),
        createdAt: now,
        deadline: new Date(now.getTime() + 30_000),
        latestEnd: at(86_400),
      },
      "a",
      liveOnly(10),
      undefined,
    );

  it("leaves older rows readable: hand-outs under way, leases, passed-over slots, events, runs", async () => {
    assert.equal(await oldTake("starting", at(0)), 0);
    assert.equal(await oldTake("running", at(0)), 1);
    assert.equal(await run(old.complete, [at(1), at(600), "running", at(1)]), 1);
    assert.equal(await oldTake("failed", at(0)), 2);
    await oldUndo("failed", at(2), at(300));
    await run(old.addEvent, [at(3), at(3), "admit", "join", "a", null, 0, "a host 3.3 s after its order"]);
    await run(old.addEvent, [at(4), at(4), "tend", "hold", "a", null, 0, "no image"]);
    for (const job of ["tend", "reap"]) await run(old.beginRun, [job, at(5), at(5)]);

    assert.equal((await migrate(url))[0], MIGRATION);

    const [starting, running] = [await store.leases.find("starting"), await store.leases.find("running")];
    assert.deepEqual([starting?.deadline, starting?.expiresAt, starting?.handedOutAt], [at(30), null, null]);
    assert.deepEqual([running?.deadline, running?.expiresAt, running?.handedOutAt], [null, at(600), at(1)]);
    assert.deepEqual(
      (await store.leases.listOpenOf("a")).sort((a, b) => (a.id < b.id ? 1 : -1)),
      [
        { id: "starting", state: "starting", deadline: at(30) },
        { id: "running", state: "running" },
      ],
    );
    assert.equal(await store.handouts.complete("starting", at(700), at(30), undefined), false, "its time is over");
    assert.equal(await store.handouts.complete("starting", at(700), at(29), undefined), true);

    const taken = async (now: Date) => (await store.slots.listTaken(now)).map(({ slot, state }) => `${slot} ${state}`);
    assert.deepEqual(await taken(at(299)), ["0 running", "1 running", "2 port-taken"]);
    assert.deepEqual(await newTake("new", at(299)), { kind: "host-full" });
    assert.deepEqual(await newTake("new", at(300)), { kind: "taken", port: 20_002 });

    assert.deepEqual(
      (await store.events.list({}, 10)).map(({ actor, kind, data }) => [actor, kind, data]),
      [
        ["health", "hold", null],
        ["admit", "join", null],
      ],
    );
    assert.deepEqual(
      (await store.runs.list()).map(({ job }) => job),
      ["reap"],
    );
    assert.deepEqual((await rows("SELECT job FROM job_runs")).length, 1);
  });

  it("takes the figures of each minute over, whatever their names", async () => {
    const gauges = {
      leases: 5,
      "slots.in_use": 5,
      "slots.all": 16,
      "hosts.engine-silent": 1,
      "hosts.open": 0,
      "droplets.joined": 2,
    };
    const counts = { "handout.created": 3, "handout.quota-exceeded": 1, "took.0.005": 1, "took.10": 1, "took.+Inf": 1 };
    for (const [minute, source, figures] of [
      [0, "gauges", gauges],
      [0, "one", counts],
      [60, "ends", { "end.expired": 2, "end.lost": 1 }],
      [60, "one", {}],
    ] as const)
      await run(old.keepMinute, [at(minute), source, JSON.stringify(figures), JSON.stringify(figures)]);
    await migrate(url);
    const kept = (await store.figures.readMinutes(at(0))).sort((a, b) => a.minute.getTime() - b.minute.getTime());
    assert.deepEqual(
      kept.map(({ minute, figures }) => [minute, figures]),
      [
        [
          at(0),
          {
            leases: 5,
            slots: { inUse: 5, all: 16 },
            hosts: { "engine-silent": 1, open: 0 },
            droplets: { joined: 2 },
          },
        ],
        [
          at(0),
          {
            handouts: { created: 3, "quota-exceeded": 1 },
            took: [
              { boundSeconds: 0.005, count: 1 },
              { boundSeconds: 10, count: 1 },
              { boundSeconds: Infinity, count: 1 },
            ],
          },
        ],
        [at(60), { ends: { expired: 2, lost: 1 } }],
      ],
    );
    await store.history.prune(at(60));
    assert.equal((await store.figures.readMinutes(at(0))).length, 1);
    assert.equal((await rows(old.minutes, [at(0)])).length, 2, "the table of before is pruned as well");
  });

  it("lets older replicas run on: each reads and finishes what the other has begun", async () => {
    await migrate(url);
    // A hand-out that each begins.
    assert.equal(await oldTake("old", at(0)), 0);
    assert.equal((await newTake("new", at(0))).kind, "taken");
    assert.deepEqual(
      (await rows(old.openRows, ["a"]))
        .map((row): unknown[] => [row["id"], row["expires_at"]])
        .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
      [
        ["new", at(30)],
        ["old", at(30)],
      ],
      "the deadline is where a replica of before looks for it",
    );
    assert.deepEqual((await store.leases.find("old"))?.deadline, at(30));
    assert.equal(await run(old.complete, [at(30), at(600), "new", at(30)]), 0, "its time is over for both");
    assert.equal(await run(old.complete, [at(2), at(600), "new", at(2)]), 1);
    assert.equal(await store.handouts.complete("old", at(500), at(2), undefined), true);
    assert.deepEqual((await store.leases.find("new"))?.expiresAt, at(600));
    assert.deepEqual((await store.leases.find("old"))?.expiresAt, at(500));

    // A slot whose port each finds taken.
    assert.equal(await oldTake("failed", at(3)), 2);
    await oldUndo("failed", at(4), at(300));
    assert.deepEqual(await newTake("next", at(299)), { kind: "host-full" });
    assert.deepEqual(await newTake("next", at(300)), { kind: "taken", port: 20_002 });
    await store.leases.beginEnd("next", "failed", at(301));
    await store.leases.close("next", at(302), at(600));
    assert.deepEqual(await newTake("later", at(599)), { kind: "host-full" });
    assert.equal(await oldTake("tried-early", at(303)), 2, "a replica of before tries it, and finds the port taken");
    await oldUndo("tried-early", at(304), at(700));
    assert.deepEqual(await newTake("later", at(699)), { kind: "host-full" });
    assert.deepEqual(await newTake("later", at(700)), { kind: "taken", port: 20_002 });

    await run(old.addEvent, [at(3), at(3), "tend", "hold", "a", null, 0, "no image"]);
    await store.events.add({ actor: "health", kind: "hold", host: "a", reason: "no image" }, at(4));
    assert.equal((await rows(old.events)).length, 2);
    assert.deepEqual(
      (await store.events.list({}, 10)).map(({ actor }) => actor),
      ["health", "health"],
    );

    await run(old.beginRun, ["tend", at(5), at(5)]);
    await store.runs.begin("health", at(5));
    assert.deepEqual(
      (await rows(old.runs)).map((row) => row["job"] as string),
      ["health", "tend"],
    );
    assert.deepEqual(
      (await store.runs.list()).map(({ job }) => job),
      ["health"],
    );

    await run(old.keepMinute, [at(0), "gauges", '{"leases":1}', '{"leases":1}']);
    await store.figures.keepMinute(at(0), "gauges", { leases: 2 });
    assert.deepEqual(await store.figures.readMinutes(at(0)), [{ minute: at(0), figures: { leases: 2 } }]);
  });

  it("changes nothing when it is run again, after a stop in its middle or in full", async () => {
    const [one, two] = ['{"leases":1,"hosts.open":3}', '{"handout.created":2}'];
    await run(old.keepMinute, [at(0), "gauges", one, one]);
    await run(old.keepMinute, [at(60), "one", two, two]);
    await oldTake("starting", at(0));
    await migrate(url);
    // Newer than the minutes of the old table, and without what that table has besides.
    await store.figures.keepMinute(at(0), "gauges", { leases: 7 });
    await newTake("new", at(1));
    await store.events.add(
      { actor: "admit", kind: "join", host: "a", reason: "it joined", data: { secondsAfterOrder: 1 } },
      at(2),
    );
    const whole = await everything();
    await admin.query("DELETE FROM migrations WHERE name = ?", [MIGRATION]);
    assert.equal((await migrate(url))[0], MIGRATION);
    assert.deepEqual(await everything(), whole);

    // As if it had been stopped before its last parts.
    await admin.query("DELETE FROM migrations WHERE name = ?", [MIGRATION]);
    await admin.query("DROP TABLE minute_figures");
    await admin.query("ALTER TABLE events DROP COLUMN data");
    assert.equal((await migrate(url))[0], MIGRATION);
    assert.deepEqual(
      (await store.figures.readMinutes(at(0)))
        .sort((a, b) => a.minute.getTime() - b.minute.getTime())
        .map(({ figures }) => figures),
      [{ leases: 1, hosts: { open: 3 } }, { handouts: { created: 2 } }],
    );
  });
});
