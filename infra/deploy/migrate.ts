import { migrate } from "../../apps/adapters/mysql/migrations.ts";
import { loadConfig } from "../../apps/core/settings/config.ts";
import { messageOf } from "../../apps/lib/errors.ts";

/** Brings the database at MYSQL_URL up to the newest schema, and says what was run. */
try {
  const { MYSQL_URL } = loadConfig(process.env, ["MYSQL_URL"]);
  const done = await migrate(MYSQL_URL);
  console.log(done.length === 0 ? "the database is up to date" : `migrated: ${done.join(", ")}`);
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}
