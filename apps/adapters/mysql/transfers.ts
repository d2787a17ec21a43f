import type { Transfers } from "../../core/instances/contract.ts";
import type { Exceeding, TransferDay } from "../../core/instances/transfer.ts";
import type { Database } from "./database.ts";
import { filled, NAMED_AT_ONCE, parts, PLACES } from "./lists.ts";

const WHEN_THEN = Array.from({ length: NAMED_AT_ONCE }, () => "WHEN ? THEN ?").join(" ");

/** Rows of what instances have sent. */
export function transferStatements(database: Database): Transfers {
  function keep(readings: ReadonlyMap<string, number>, now: Date): Promise<void> {
    if (readings.size === 0) return Promise.resolve();
    return database.transaction(async (sql) => {
      // In one order, and held until the end: of two processes with readings of the same instances, each counts for
      // the day only what is new.
      const known = await sql.rows<{ id: string; sent: number }>(
        `SELECT id, sent_bytes AS sent
         FROM instances
         WHERE id IN (${[...readings].map(() => "?").join(", ")})
         ORDER BY id
         FOR UPDATE`,
        [...readings.keys()],
      );
      const grown = known.filter(({ id, sent }) => (readings.get(id) ?? 0) > sent);
      for (const part of parts(grown, NAMED_AT_ONCE)) {
        const ids = filled(part.map(({ id }) => id));
        // No news of the host's use: touched_at stays.
        await sql.run(
          `UPDATE instances SET touched_at = touched_at, sent_bytes = CASE id ${WHEN_THEN} ELSE sent_bytes END
            WHERE id IN (${PLACES})`,
          [...ids.flatMap((id) => [id, readings.get(id) ?? 0]), ...ids],
        );
      }
      const more = grown.reduce((sum, { id, sent }) => sum + (readings.get(id) ?? 0) - sent, 0);
      if (more > 0)
        await sql.run(
          `INSERT INTO transfer_days (day, sent_bytes) VALUES (?, ?)
           ON DUPLICATE KEY UPDATE sent_bytes = sent_bytes + VALUES(sent_bytes)`,
          [dayOf(now), more],
        );
    });
  }

  function listExceeding(boundBytes: number): Promise<Exceeding[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<{ id: string; host: string; sent: number }>(
        `SELECT instances.id, hosts.name AS host, sent_bytes AS sent
         FROM instances
         JOIN hosts ON hosts.id = host_id
         WHERE instances.state = 'running' AND sent_bytes >= ? AND transfer_told_at IS NULL
         ORDER BY instances.id`,
        [boundBytes],
      );
      return rows.map(({ id, host, sent }) => ({ instanceId: id, hostName: host, sentBytes: sent }));
    });
  }

  async function noteExceeding(instanceId: string, now: Date): Promise<void> {
    await database.query((sql) => sql.run("UPDATE instances SET transfer_told_at = ? WHERE id = ?", [now, instanceId]));
  }

  function countExceeding(boundBytes: number): Promise<number> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<{ count: number }>(
        "SELECT COUNT(*) AS count FROM instances WHERE state = 'running' AND sent_bytes >= ?",
        [boundBytes],
      );
      return row?.count ?? 0;
    });
  }

  function readDay(now: Date): Promise<TransferDay> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<{ sent: number; alarm_at: Date | null }>(
        "SELECT sent_bytes AS sent, alarm_at FROM transfer_days WHERE day = ?",
        [dayOf(now)],
      );
      return { sentBytes: row?.sent ?? 0, isAlarmGiven: (row?.alarm_at ?? null) !== null };
    });
  }

  async function noteAlarm(now: Date): Promise<void> {
    await database.query((sql) => sql.run("UPDATE transfer_days SET alarm_at = ? WHERE day = ?", [now, dayOf(now)]));
  }

  return { keep, listExceeding, noteExceeding, countExceeding, readDay, noteAlarm };
}

/** The day of UTC that a moment is in. */
function dayOf(moment: Date): string {
  return moment.toISOString().slice(0, "2026-01-01".length);
}
