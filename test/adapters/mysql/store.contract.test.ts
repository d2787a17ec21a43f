import { before, describe } from "node:test";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { createMysqlStore } from "../../../apps/adapters/mysql/index.ts";
import { createLeadership } from "../../../apps/adapters/mysql/leadership.ts";
import { migrate } from "../../../apps/adapters/mysql/migrations.ts";
import { SCALING } from "../../../apps/core/fleet/scaling.ts";
import { createDatabase, emptyDatabase, type Services } from "../../bed/services.ts";
import { sharedServices } from "../../bed/shared-services.ts";
import { until } from "../../bed/until.ts";
import { describeLeadershipContract } from "../../contracts/leadership.ts";
import type { KeptKind } from "../../contracts/store/bed.ts";
import { describeStoreContract } from "../../contracts/store/index.ts";

const tables: Readonly<Record<KeptKind, string>> = {
  addresses: "addresses",
  droplets: "droplets",
  events: "events",
  hosts: "hosts",
  instances: "instances",
  logins: "ops_sessions",
  quotaPlaces: "quota_places",
  slots: "slots",
};

/** Hundreds of calls at once, which queue up, on a machine that is busy with other tests. */
const ANSWER_MS = 60_000;

describe("the MySQL store", () => {
  let services: Services;
  let url: string;
  before(async () => {
    services = await sharedServices();
    url = await createDatabase(services.mysqlUrl);
    await migrate(url);
  });

  describeStoreContract(async () => {
    await emptyDatabase(url);
    const stores = [createMysqlStore(url, ANSWER_MS)];
    const another = () => {
      const store = createMysqlStore(url, ANSWER_MS);
      stores.push(store);
      return store;
    };
    let leadership = createLeadership(url, SCALING);
    return {
      store: stores[0] ?? another(),
      another,
      lead: async () => {
        await leadership.resign();
        leadership = createLeadership(url, SCALING);
        // The server lets go of the former leader's lock a moment after its connection has ended.
        return until("the new leader leads", leadership.term);
      },
      count: async (kind) => {
        const admin = await createConnection({ uri: url });
        const [[row]] = await admin.query<RowDataPacket[]>(`SELECT COUNT(*) AS count FROM ${tables[kind]}`);
        await admin.end();
        return Number(row?.["count"]);
      },
      close: async () => {
        await leadership.resign();
        await Promise.all(stores.map((store) => store.disconnect()));
      },
    };
  });

  describeLeadershipContract(async () => {
    await emptyDatabase(url);
    return (job) => createLeadership(url, job);
  });
});
