import type { EventFilter, Events } from "../../core/events/contract.ts";
import type { EventActor, EventKind, FleetEvent, KeptEvent } from "../../core/events/event.ts";
import { isAscii, type Database } from "./database.ts";

const LONGEST_REASON = 500;
const eventColumns = "id, at, last_at, times, actor, kind, host, instance, alarm, reason, data, by_operator";

type EventRow = {
  id: number;
  at: Date;
  last_at: Date;
  times: number;
  actor: EventActor | "tend";
  kind: EventKind;
  host: string | null;
  instance: string | null;
  alarm: number;
  reason: string;
  data: string | null;
  by_operator: string | null;
};

/** Rows of events. */
export function eventStatements(database: Database): Events {
  function add(event: FleetEvent, now: Date): Promise<void> {
    const reason = event.reason.slice(0, LONGEST_REASON);
    const data = event.data === undefined ? null : JSON.stringify(event.data);
    const by = event.by ?? null;
    const subject = [event.host ?? null, event.instance ?? null];
    return database.transaction(async (sql) => {
      const [last] = await sql.rows<{ id: number; kind: string; reason: string; by_operator: string | null }>(
        `SELECT id, kind, reason, by_operator
         FROM events
         WHERE host <=> ? AND instance <=> ? AND actor = ?
         ORDER BY id DESC
         LIMIT 1`,
        [...subject, event.actor],
      );
      if (last?.kind === event.kind && last.reason === reason && last.by_operator === by) {
        await sql.run("UPDATE events SET times = times + 1, last_at = ?, data = ? WHERE id = ?", [now, data, last.id]);
        return;
      }
      await sql.run(
        `INSERT INTO events (at, last_at, actor, kind, host, instance, alarm, reason, data, by_operator)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        [now, now, event.actor, event.kind, ...subject, event.alarm === true ? 1 : 0, reason, data, by],
      );
    });
  }

  function list(filter: EventFilter, most: number): Promise<KeptEvent[]> {
    const conditions: [string, string | number | undefined][] = [
      ["host = ?", filter.host],
      ["instance = ?", filter.instance],
      ["kind = ?", filter.kind],
      ["id < ?", filter.before],
      ["id > ?", filter.after],
      ["actor <> ?", filter.instance === undefined && filter.kind === undefined ? "owner" : undefined],
    ];
    const given = conditions.filter((condition): condition is [string, string | number] => condition[1] !== undefined);
    if (!given.every(([, value]) => isAscii(String(value)))) return Promise.resolve([]);
    const where = given.length === 0 ? "" : `WHERE ${given.map(([sql]) => sql).join(" AND ")}`;
    return database.query(async (sql) => {
      const rows = await sql.rows<EventRow>(
        `SELECT ${eventColumns} FROM events ${where} ORDER BY id DESC LIMIT ${Math.trunc(most)}`,
        given.map(([, value]) => value),
      );
      return rows.map(toEvent);
    });
  }

  function listAlarms(since: Date, most: number): Promise<KeptEvent[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<EventRow>(
        `SELECT ${eventColumns}
         FROM events
         WHERE alarm = 1 AND last_at >= ?
         ORDER BY last_at DESC, id DESC
         LIMIT ${Math.trunc(most)}`,
        [since],
      );
      return rows.map(toEvent);
    });
  }

  return { add, list, listAlarms };
}

/** The writer decides which data a kind has: the type is taken over without a check. */
function toEvent(row: EventRow): KeptEvent {
  return {
    id: row.id,
    at: row.at,
    lastAt: row.last_at,
    times: row.times,
    // Older replicas still use this name of the job.
    actor: row.actor === "tend" ? "health" : row.actor,
    kind: row.kind,
    host: row.host ?? undefined,
    instance: row.instance ?? undefined,
    alarm: row.alarm === 1,
    reason: row.reason,
    by: row.by_operator ?? undefined,
    data: row.data === null ? null : (JSON.parse(row.data) as unknown),
  } as KeptEvent;
}
