import type { Events } from "../../core/events/contract.ts";
import type { KeptEvent } from "../../core/events/event.ts";
import type { Effects } from "../turns.ts";
import type { Tables } from "./tables.ts";

const LONGEST_REASON = 500;

/** Events in memory. */
export function eventEffects(tables: Tables): Effects<Events> {
  return {
    add: (event, now) => {
      const { actor, by, kind, host, instance, alarm = false } = event;
      const reason = event.reason.slice(0, LONGEST_REASON);
      const index = tables.events.findLastIndex(
        (each) => each.host === host && each.instance === instance && each.actor === actor,
      );
      const last = tables.events[index];
      const data = event.data ?? null;
      if (last?.kind === kind && last.reason === reason && last.by === by)
        tables.events[index] = { ...last, times: last.times + 1, lastAt: now, data } as KeptEvent;
      else {
        const id = ++tables.lastEventId;
        const kept = { id, at: now, lastAt: now, times: 1, actor, by, kind, host, instance, alarm, reason, data };
        tables.events.push(kept as KeptEvent);
      }
    },

    list: ({ host, instance, kind, before = Infinity, after = 0 }, most) =>
      tables.events
        .filter(
          (event) =>
            (host === undefined || event.host === host) &&
            (instance === undefined || event.instance === instance) &&
            (kind === undefined || event.kind === kind) &&
            (instance !== undefined || kind !== undefined || event.actor !== "owner") &&
            event.id < before &&
            event.id > after,
        )
        .reverse()
        .slice(0, most),

    listAlarms: (since, most) =>
      tables.events
        .filter(({ alarm, lastAt }) => alarm === true && lastAt >= since)
        .sort((a, b) => b.lastAt.getTime() - a.lastAt.getTime() || b.id - a.id)
        .slice(0, most),
  };
}
