import { migrate } from "../../apps/adapters/mysql/migrations.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { messageOf } from "../../apps/lib/errors.ts";

/** Brings the database at MYSQL_URL up to the newest schema, and prints what was run. */
try {
  const { service } = loadSettings(process.env, ["MYSQL_URL"]);
  const done = await migrate(service.mysqlUrl);
  console.log(done.length === 0 ? "the database is up to date" : `migrated: ${done.join(", ")}`);
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}
