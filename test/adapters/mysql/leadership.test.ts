import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, before, beforeEach, describe, it } from "node:test";
import { createConnection, type Connection, type RowDataPacket } from "mysql2/promise";
import { createMysqlStore } from "../../../apps/adapters/mysql/index.ts";
import type { Store } from "../../../apps/core/store.ts";
import { createLeadership, type Leadership } from "../../../apps/adapters/mysql/leadership.ts";
import { migrate } from "../../../apps/adapters/mysql/migrations.ts";
import { SCALING } from "../../../apps/core/fleet/scaling.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { at, hash, host, newId, start } from "../../contracts/store/bed.ts";
import { createDatabase, type Services } from "../../bed/services.ts";
import { sharedServices } from "../../bed/shared-services.ts";
import { until } from "../../bed/until.ts";
import { liveOnly } from "../../bed/budgets.ts";

describe("the leader of the fleet on MySQL", () => {
  let services: Services;
  before(async () => {
    services = await sharedServices();
  });

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
  const take = (hostName: string) => {
    const now = at(70);
    const id = newId();
    const draft = {
      id,
      address: `198.51.100.${hash(id)[0] ?? 0}`,
      tokenHash: hash("token"),
      passwordHash: hash("password"),
      createdAt: now,
      deadline: new Date(now.getTime() + 30_000),
      latestEnd: new Date(now.getTime() + 86_400_000),
    };
    return store.handouts.takeSlot(draft, hostName, liveOnly(100), undefined).then(({ kind }) => ({ kind, id }));
  };

  it("never has both a hand-out on a host and its end, in 500 races", async () => {
    let handedOut = 0;
    for (let round = 0; round < 500; round++) {
      const name = `race-${round}`;
      await admin.query(
        `INSERT INTO droplets (name, state, droplet_id, region, size, ordered_at, joined_at, token_hash)
         VALUES (?, 'joined', ?, 'fra1', 'small', ?, ?, ?)`,
        [name, round + 1, start, start, hash("t")],
      );
      await store.hosts.register(host(name, { capacity: 1 }), start);
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

  describe("the leadership", () => {
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

    it("cannot be taken while MySQL does not answer", async () => {
      await assert.rejects(createLeadership("mysql://root:x@127.0.0.1:1/none", SCALING).term(), Unavailable);
    });
  });
});
