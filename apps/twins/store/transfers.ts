import type { Transfers } from "../../core/instances/contract.ts";
import type { Effects } from "../turns.ts";
import { change, type InstanceRow, type Tables } from "./tables.ts";

/** What instances have sent, in memory. */
export function transferEffects(tables: Tables): Effects<Transfers> {
  const exceeding = (boundBytes: number): InstanceRow[] =>
    [...tables.instances.values()].filter(({ state, sentBytes }) => state === "running" && sentBytes >= boundBytes);
  const dayOf = (moment: Date) => moment.toISOString().slice(0, "2026-01-01".length);
  const noDay = { sentBytes: 0, isAlarmGiven: false };

  return {
    keep: (readings, now) => {
      let more = 0;
      for (const [id, reading] of readings) {
        const row = tables.instances.get(id);
        if (!row || reading <= row.sentBytes) continue;
        more += reading - row.sentBytes;
        tables.instances.set(id, { ...row, sentBytes: reading });
      }
      const day = tables.transferDays.get(dayOf(now)) ?? noDay;
      if (more > 0) tables.transferDays.set(dayOf(now), { ...day, sentBytes: day.sentBytes + more });
    },

    listExceeding: (boundBytes) =>
      exceeding(boundBytes)
        .filter(({ transferToldAt }) => transferToldAt === null)
        .map(({ id, hostName, sentBytes }) => ({ instanceId: id, hostName, sentBytes }))
        .sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1)),

    noteExceeding: (id, now) => change(tables.instances, id, { transferToldAt: now }),

    countExceeding: (boundBytes) => exceeding(boundBytes).length,

    readDay: (now) => tables.transferDays.get(dayOf(now)) ?? noDay,

    noteAlarm: (now) => change(tables.transferDays, dayOf(now), { isAlarmGiven: true }),
  };
}
