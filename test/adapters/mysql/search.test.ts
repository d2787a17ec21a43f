import assert from "node:assert/strict";
import { afterEach, before, beforeEach, describe, it } from "node:test";
import { createConnection, type Connection, type RowDataPacket } from "mysql2/promise";
import { createMysqlStore } from "../../../apps/adapters/mysql/index.ts";
import type { Store } from "../../../apps/core/store.ts";
import { migrate } from "../../../apps/adapters/mysql/migrations.ts";
import type { InstanceSearch } from "../../../apps/core/operator/instance-search.ts";
import { host, start } from "../../contracts/store/bed.ts";
import { createDatabase, type Services } from "../../bed/services.ts";
import { sharedServices } from "../../bed/shared-services.ts";

describe("searches of the MySQL store", () => {
  let services: Services;
  before(async () => {
    services = await sharedServices();
  });

  let url: string;
  let store: Store;
  let admin: Connection;
  beforeEach(async () => {
    url = await createDatabase(services.mysqlUrl);
    await migrate(url);
    admin = await createConnection({ uri: url, timezone: "Z" });
    store = createMysqlStore(url);
  });
  afterEach(async () => {
    await admin.end();
    await store.disconnect();
  });

  const rows = async (sql: string, values: unknown[] = []) => (await admin.query<RowDataPacket[]>(sql, values))[0];

  const any: InstanceSearch = { state: "all", order: "created", descending: true };

  it("read a list of a hundred thousand by its keys: no page reads many more rows than it shows", async (context) => {
    await store.hosts.register(host("alpha-1"), start);
    const [row] = await rows("SELECT id FROM hosts");
    const hostId = row?.["id"] as number;
    await admin.query("SET SESSION max_recursive_iterations = 200000");
    await admin.query(
      `INSERT INTO instances
           (id, state, host_id, port, address, token_hash,
            created_at, handed_out_at, expires_at, latest_end, ended_at, end_cause)
         WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
         SELECT LPAD(CONV(i * 7919, 10, 36), 16, '0'), IF(i < 99000, 'ended', 'running'), ?, 20000,
                CONCAT('10.', i % 200, '.', i % 250, '.', i % 90), UNHEX(SHA2(i, 256)),
                ? + INTERVAL i SECOND, ? + INTERVAL i SECOND, ? + INTERVAL (i + 43200) SECOND,
                ? + INTERVAL (i + 86400) SECOND, IF(i < 99000, ? + INTERVAL i + 60 SECOND, NULL),
                IF(i < 99000, 'expired', NULL) FROM n`,
      [hostId, start, start, start, start, start],
    );
    await admin.query("ANALYZE TABLE instances");
    const times: string[] = [];
    const timed = async (what: string, work: () => Promise<unknown>) => {
      const began = performance.now();
      await work();
      times.push(`${what} ${(performance.now() - began).toFixed(1)} ms`);
    };
    const readBy = async (work: () => Promise<unknown>) => {
      const read = async () =>
        Number(
          (
            await rows(
              `SELECT SUM(VARIABLE_VALUE) AS count FROM information_schema.GLOBAL_STATUS
               WHERE VARIABLE_NAME IN ('HANDLER_READ_NEXT', 'HANDLER_READ_PREV', 'HANDLER_READ_RND_NEXT')`,
            )
          )[0]?.["count"],
        );
      await admin.query("FLUSH STATUS");
      const before = await read();
      const idle = (await read()) - before;
      const began = await read();
      await work();
      return (await read()) - began - idle;
    };
    for (const order of ["created", "expires", "address", "host"] as const) {
      const page = await store.search.find({ ...any, order }, 50);
      const later = (await store.search.find({ ...any, order, after: page.at(-1)?.id }, 50)).at(-1)?.id;
      await timed(`page by ${order}`, () => store.search.find({ ...any, order, after: later }, 50));
      assert.ok(
        (await readBy(() => store.search.find({ ...any, order, after: later }, 50))) < 2000,
        `a page by ${order}`,
      );
    }
    await timed("open, newest first", () => store.search.find({ ...any, state: "open" }, 50));
    await timed("open, soonest end", () =>
      store.search.find({ ...any, state: "open", order: "expires", descending: false }, 50),
    );
    await timed("by id", () => store.search.find({ ...any, text: "000000000abc" }, 50));
    await timed("by holder", () => store.search.find({ ...any, text: "10.7.9." }, 50));
    await timed("by host", () => store.search.find({ ...any, text: "alpha-1" }, 50));
    await timed("by what may be a host or an id", () => store.search.find({ ...any, text: "alph" }, 50));
    await timed("by place", () => store.search.find({ ...any, text: "192.0.2.5:20000" }, 50));
    await timed("count of all", () => store.search.count(any));
    await timed("count of open", () => store.search.count({ ...any, state: "open" }));
    await timed("count by host", () => store.search.count({ ...any, text: "alpha-1" }));
    context.diagnostic(times.join(", "));
  });
});
