import type { KeptMessage, MessageCount, Notifications } from "../../core/notifications/contract.ts";
import { channels, type Channel, type NewMessage } from "../../core/notifications/messages.ts";
import type { Effects } from "../turns.ts";
import type { MessageRow, Tables } from "./tables.ts";

const LONGEST_FAULT = 500;

/** Alarms and messages about them, in memory. */
export function notificationEffects(tables: Tables): Effects<Notifications> {
  const keyOf = (messageId: string, channel: Channel) => `${messageId} ${channel}`;

  function insert(messages: readonly NewMessage[], now: Date): void {
    for (const message of messages)
      tables.messages.set(keyOf(message.messageId, message.channel), {
        ...message,
        state: "waiting",
        createdAt: now,
        attempts: 0,
        nextAt: now,
        fault: null,
        finishedAt: null,
        heldUntil: null,
      });
  }

  function waiting(channel: Channel): MessageRow[] {
    return [...tables.messages.values()].filter((row) => row.channel === channel && row.state === "waiting");
  }

  function hold(rows: readonly MessageRow[], heldUntil: Date): KeptMessage[] {
    for (const row of rows) tables.messages.set(keyOf(row.messageId, row.channel), { ...row, heldUntil });
    return rows.map(shown);
  }

  return {
    listAlarms: () => [...tables.alarms.values()],

    seeAlarm: (alarm, now) => {
      const before = tables.alarms.get(alarm.key);
      tables.alarms.set(alarm.key, {
        ...alarm,
        firstAt: before?.firstAt ?? now,
        lastAt: before && before.lastAt > now ? before.lastAt : now,
        toldAt: before?.toldAt ?? null,
      });
    },

    tellAlarm: (key, messages, now) => {
      const alarm = tables.alarms.get(key);
      if (!alarm || alarm.toldAt !== null) return false;
      tables.alarms.set(key, { ...alarm, toldAt: now });
      insert(messages, now);
      return true;
    },

    endAlarm: (key, lastAt, messages, now) => {
      const alarm = tables.alarms.get(key);
      if (!alarm || alarm.lastAt > lastAt) return false;
      tables.alarms.delete(key);
      insert(messages, now);
      return true;
    },

    add: (message, now) => insert([message], now),

    take: (channel, most, now, heldUntil) => {
      const due = waiting(channel).filter((row) => row.nextAt <= now && !isHeld(row, now));
      const byTime = due.sort((one, other) => one.nextAt.getTime() - other.nextAt.getTime());
      return hold(byTime.slice(0, most), heldUntil);
    },

    takeTogether: (channel, most, now, heldUntil, gapMs) => {
      const rows = waiting(channel);
      if (rows.some((row) => isHeld(row, now))) return [];
      const isTooSoon = [...tables.messages.values()].some(
        (row) =>
          row.channel === channel &&
          row.state === "sent" &&
          row.type !== "test" &&
          now.getTime() - (row.finishedAt?.getTime() ?? 0) < gapMs,
      );
      const due = rows.filter((row) => row.nextAt <= now && (row.type === "test" || !isTooSoon));
      return hold(due.slice(0, most), heldUntil);
    },

    finish: (messageId, channel, result, now) => {
      const row = tables.messages.get(keyOf(messageId, channel));
      if (row?.state !== "waiting") return;
      const isAgain = result.kind === "again";
      tables.messages.set(keyOf(messageId, channel), {
        ...row,
        state: isAgain ? "waiting" : result.kind,
        attempts: row.attempts + 1,
        nextAt: isAgain ? result.nextAt : now,
        heldUntil: null,
        finishedAt: isAgain ? null : now,
        fault: result.kind === "sent" ? null : result.fault.slice(0, LONGEST_FAULT),
      });
    },

    find: (messageId, channel) => {
      const row = tables.messages.get(keyOf(messageId, channel));
      return row && shown(row);
    },

    list: (most) => [...tables.messages.values()].reverse().slice(0, most).map(shown),

    count: () =>
      channels.toSorted().flatMap((channel) =>
        (["waiting", "given-up"] as const).flatMap((state): MessageCount[] => {
          const rows = [...tables.messages.values()].filter(
            (row) => row.channel === channel && row.state === state && row.type !== "test",
          );
          return rows.length === 0 ? [] : [{ channel, state, messages: rows.length }];
        }),
      ),

    prune: (before) => {
      const old = [...tables.messages].filter(([, { createdAt }]) => createdAt < before);
      for (const [key] of old) tables.messages.delete(key);
      return old.length;
    },
  };
}

function isHeld({ heldUntil }: MessageRow, now: Date): boolean {
  return heldUntil !== null && heldUntil > now;
}

function shown(row: MessageRow): KeptMessage {
  const { messageId, channel, type, payload, state, createdAt, attempts, nextAt, fault, finishedAt } = row;
  return { messageId, channel, type, payload, state, createdAt, attempts, nextAt, fault, finishedAt };
}
