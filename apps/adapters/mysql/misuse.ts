import type { Misuse, MisuseCount } from "../../core/operator/contract.ts";
import type { MisuseFinding } from "../../core/operator/misuse.ts";
import type { Database } from "./database.ts";

/** Rows of what looked like misuse; they go with their instances. */
export function misuseStatements(database: Database): Misuse {
  function keep(instanceId: string, { rule, value, bound }: MisuseFinding, now: Date, gapMs: number): Promise<Date> {
    return database.transaction(async (sql) => {
      // In this order: MySQL sets columns one after the other.
      await sql.run(
        `INSERT INTO misuse_findings (instance_id, rule, value, bound, first_at, last_at) VALUES (?, ?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE
           first_at = IF(last_at < ?, VALUES(first_at), first_at),
           last_at = VALUES(last_at), value = VALUES(value), bound = VALUES(bound)`,
        [instanceId, rule, value, bound, now, now, new Date(now.getTime() - gapMs)],
      );
      const [row] = await sql.rows<{ first_at: Date }>(
        "SELECT first_at FROM misuse_findings WHERE instance_id = ? AND rule = ?",
        [instanceId, rule],
      );
      return row?.first_at ?? now;
    });
  }

  function count(since: Date): Promise<MisuseCount[]> {
    return database.query((sql) =>
      sql.rows<MisuseCount>(
        `SELECT rule, COUNT(*) AS instances
         FROM misuse_findings
         JOIN instances ON instances.id = instance_id
         WHERE last_at >= ? AND state = 'running'
         GROUP BY rule
         ORDER BY rule`,
        [since],
      ),
    );
  }

  return { keep, count };
}
