import type { Alarm, AlarmKind, Topic } from "../../core/notifications/alarms.ts";
import type {
  AttemptResult,
  KeptAlarm,
  KeptMessage,
  MessageCount,
  Notifications,
} from "../../core/notifications/contract.ts";
import type { Channel, MessageType, NewMessage } from "../../core/notifications/messages.ts";
import type { Database, Sql } from "./database.ts";

const LONGEST_REASON = 500;
const LONGEST_FAULT = 500;
const messageColumns =
  "id, message_id, channel, type, payload, state, created_at, attempts, next_at, held_until, finished_at, fault";

type AlarmRow = {
  alarm: string;
  topic: Topic;
  kind: AlarmKind;
  host: string | null;
  instance: string | null;
  reason: string;
  first_at: Date;
  last_at: Date;
  told_at: Date | null;
};

type MessageRow = {
  id: number;
  message_id: string;
  channel: Channel;
  type: MessageType;
  payload: string;
  state: KeptMessage["state"];
  created_at: Date;
  attempts: number;
  next_at: Date;
  held_until: Date | null;
  finished_at: Date | null;
  fault: string | null;
};

/** Rows of alarms, and of messages about them. */
export function notificationStatements(database: Database): Notifications {
  function listAlarms(): Promise<KeptAlarm[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<AlarmRow>("SELECT * FROM alarms ORDER BY first_at, alarm");
      return rows.map(({ alarm, topic, kind, host, instance, reason, first_at, last_at, told_at }) => ({
        key: alarm,
        topic,
        kind,
        host,
        instance,
        reason,
        firstAt: first_at,
        lastAt: last_at,
        toldAt: told_at,
      }));
    });
  }

  async function seeAlarm({ key, topic, kind, host, instance, reason }: Alarm, now: Date): Promise<void> {
    const text = reason.slice(0, LONGEST_REASON);
    await database.query((sql) =>
      sql.run(
        `INSERT INTO alarms (alarm, topic, kind, host, instance, reason, first_at, last_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE
           kind = VALUES(kind), reason = VALUES(reason), last_at = GREATEST(last_at, VALUES(last_at))`,
        [key, topic, kind, host, instance, text, now, now],
      ),
    );
  }

  function tellAlarm(key: string, messages: readonly NewMessage[], now: Date): Promise<boolean> {
    return database.transaction(async (sql) => {
      const told = await sql.run("UPDATE alarms SET told_at = ? WHERE alarm = ? AND told_at IS NULL", [now, key]);
      if (told === 1) await insert(sql, messages, now);
      return told === 1;
    });
  }

  function endAlarm(key: string, lastAt: Date, messages: readonly NewMessage[], now: Date): Promise<boolean> {
    return database.transaction(async (sql) => {
      const ended = await sql.run("DELETE FROM alarms WHERE alarm = ? AND last_at <= ?", [key, lastAt]);
      if (ended === 1) await insert(sql, messages, now);
      return ended === 1;
    });
  }

  async function add(message: NewMessage, now: Date): Promise<void> {
    await database.query((sql) => insert(sql, [message], now));
  }

  async function insert(sql: Sql, messages: readonly NewMessage[], now: Date): Promise<void> {
    for (const { messageId, channel, type, payload } of messages)
      await sql.run(
        `INSERT INTO notifications (message_id, channel, type, payload, created_at, next_at) VALUES (?, ?, ?, ?, ?, ?)`,
        [messageId, channel, type, payload, now, now],
      );
  }

  function take(channel: Channel, most: number, now: Date, heldUntil: Date): Promise<KeptMessage[]> {
    return database.transaction(async (sql) => {
      // Rows that another process is about to take are passed over.
      const rows = await sql.rows<MessageRow>(
        `SELECT ${messageColumns}
         FROM notifications
         WHERE channel = ? AND state = 'waiting' AND next_at <= ? AND (held_until IS NULL OR held_until <= ?)
         ORDER BY next_at, id
         LIMIT ${Math.trunc(most)}
         FOR UPDATE SKIP LOCKED`,
        [channel, now, now],
      );
      return hold(sql, rows, heldUntil);
    });
  }

  function takeTogether(
    channel: Channel,
    most: number,
    now: Date,
    heldUntil: Date,
    gapMs: number,
  ): Promise<KeptMessage[]> {
    return database.transaction(async (sql) => {
      // All of them are locked, so that processes come here one after the other.
      const waiting = await sql.rows<MessageRow>(
        `SELECT ${messageColumns}
         FROM notifications
         WHERE channel = ? AND state = 'waiting'
         ORDER BY id
         FOR UPDATE`,
        [channel],
      );
      if (waiting.some((row) => row.held_until !== null && row.held_until > now)) return [];
      const [last] = await sql.rows<{ at: Date | null }>(
        "SELECT MAX(finished_at) AS at FROM notifications WHERE channel = ? AND state = 'sent' AND type <> 'test'",
        [channel],
      );
      const isTooSoon = last?.at != null && now.getTime() - last.at.getTime() < gapMs;
      const due = waiting.filter((row) => row.next_at <= now && (row.type === "test" || !isTooSoon));
      return hold(sql, due.slice(0, most), heldUntil);
    });
  }

  async function hold(sql: Sql, rows: readonly MessageRow[], heldUntil: Date): Promise<KeptMessage[]> {
    for (const { id } of rows) await sql.run("UPDATE notifications SET held_until = ? WHERE id = ?", [heldUntil, id]);
    return rows.map(toMessage);
  }

  async function finish(messageId: string, channel: Channel, result: AttemptResult, now: Date): Promise<void> {
    const [state, nextAt, finishedAt] =
      result.kind === "again" ? (["waiting", result.nextAt, null] as const) : ([result.kind, now, now] as const);
    const fault = result.kind === "sent" ? null : result.fault.slice(0, LONGEST_FAULT);
    await database.query((sql) =>
      sql.run(
        `UPDATE notifications
         SET state = ?, attempts = attempts + 1, next_at = ?, held_until = NULL, finished_at = ?, fault = ?
         WHERE message_id = ? AND channel = ? AND state = 'waiting'`,
        [state, nextAt, finishedAt, fault, messageId, channel],
      ),
    );
  }

  function find(messageId: string, channel: Channel): Promise<KeptMessage | undefined> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<MessageRow>(
        `SELECT ${messageColumns} FROM notifications WHERE message_id = ? AND channel = ?`,
        [messageId, channel],
      );
      return row && toMessage(row);
    });
  }

  function list(most: number): Promise<KeptMessage[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<MessageRow>(
        `SELECT ${messageColumns} FROM notifications ORDER BY id DESC LIMIT ${Math.trunc(most)}`,
      );
      return rows.map(toMessage);
    });
  }

  function count(): Promise<MessageCount[]> {
    return database.query((sql) =>
      sql.rows<MessageCount>(
        `SELECT channel, state, COUNT(*) AS messages
         FROM notifications
         WHERE state <> 'sent' AND type <> 'test'
         GROUP BY channel, state
         ORDER BY CAST(channel AS CHAR), state`,
      ),
    );
  }

  function prune(before: Date): Promise<number> {
    return database.query((sql) => sql.run("DELETE FROM notifications WHERE created_at < ?", [before]));
  }

  return { listAlarms, seeAlarm, tellAlarm, endAlarm, add, take, takeTogether, finish, find, list, count, prune };
}

function toMessage(row: MessageRow): KeptMessage {
  return {
    messageId: row.message_id,
    channel: row.channel,
    type: row.type,
    payload: row.payload,
    state: row.state,
    createdAt: row.created_at,
    attempts: row.attempts,
    nextAt: row.next_at,
    fault: row.fault,
    finishedAt: row.finished_at,
  };
}
