import type { Figures, History } from "../../core/figures/contract.ts";
import type { EndCause } from "../../core/events/names.ts";
import type { MinuteFigures } from "../../core/figures/figures.ts";
import type { Effects } from "../turns.ts";
import { change, type Tables } from "./tables.ts";

const MINUTE_MS = 60_000;

/** Figures of each minute, in memory. */
export function figureEffects(tables: Tables): Effects<Figures> {
  return {
    keepMinute: (minute, source, figures) => {
      const key = `${minute.getTime()} ${source}`;
      const kept = withoutNothing(figures);
      if (Object.keys(kept).length === 0) tables.minutes.delete(key);
      else tables.minutes.set(key, { minute, source, figures: kept });
    },

    lastMinute: (source) =>
      [...tables.minutes.values()]
        .filter((row) => row.source === source)
        .map(({ minute }) => minute)
        .sort((a, b) => b.getTime() - a.getTime())[0],

    readMinutes: (from) =>
      [...tables.minutes.values()]
        .filter(({ minute }) => minute >= from)
        .map(({ minute, figures }) => ({ minute, figures })),

    countEnds: (from, to) => {
      const counts = new Map<string, { readonly minute: Date; readonly cause: EndCause; readonly ends: number }>();
      for (const { endedAt, endCause: cause } of tables.instances.values()) {
        if (endedAt === null || cause === null || endedAt < from || endedAt >= to) continue;
        const since = Math.floor((endedAt.getTime() - from.getTime()) / MINUTE_MS);
        const key = `${since} ${cause}`;
        const minute = new Date(from.getTime() + since * MINUTE_MS);
        counts.set(key, { minute, cause, ends: (counts.get(key)?.ends ?? 0) + 1 });
      }
      return [...counts.values()];
    },
  };
}

/** A copy without zero counts, because figures are kept one by one. */
function withoutNothing(figures: MinuteFigures): MinuteFigures {
  const parts = Object.entries(structuredClone(figures)) as [string, object | number][];
  return Object.fromEntries(parts.filter(([, part]) => typeof part === "number" || Object.keys(part).length > 0));
}

/** History of all instances, in memory. */
export function historyEffects(tables: Tables): Effects<History> {
  return {
    countHandouts: (now) => {
      const instances = [...tables.instances.values()];
      return {
        running: instances.filter(
          ({ state, expiresAt }) => state === "running" && expiresAt !== null && expiresAt > now,
        ).length,
        startedEver: tables.prunedHandouts + instances.filter(({ handedOutAt }) => handedOutAt !== null).length,
      };
    },

    prune: (before) => {
      const old = [...tables.instances.values()].filter(
        ({ state, endedAt }) => state === "ended" && endedAt !== null && endedAt < before,
      );
      for (const { id } of old) tables.instances.delete(id);
      tables.prunedHandouts += old.filter(({ handedOutAt }) => handedOutAt !== null).length;

      const isGone = (name: string) => (tables.droplets.get(name)?.goneAt ?? before) < before;
      // A host's row is kept as long as an instance refers to it.
      const named = new Set([...tables.instances.values()].map(({ hostName }) => hostName));
      for (const { name, state } of tables.hosts.values())
        if (state === "gone" && isGone(name) && !named.has(name)) tables.hosts.delete(name);
      for (const { name, state } of tables.droplets.values())
        if (state === "gone" && isGone(name) && !tables.hosts.has(name)) tables.droplets.delete(name);
      for (const { name, state, goneAt } of tables.gatewayDroplets.values())
        if (state === "gone" && goneAt !== null && goneAt < before) tables.gatewayDroplets.delete(name);
      for (const [name, { askedAt }] of tables.destroyRequests)
        if (askedAt < before && !tables.droplets.has(name)) tables.destroyRequests.delete(name);
      tables.events = tables.events.filter(({ lastAt }) => lastAt >= before);
      const dayBefore = before.toISOString().slice(0, "2026-01-01".length);
      for (const day of tables.transferDays.keys()) if (day < dayBefore) tables.transferDays.delete(day);
      for (const [key, { minute }] of tables.minutes) if (minute < before) tables.minutes.delete(key);
      for (const [address, seenAt] of tables.addresses)
        if (seenAt < before && !tables.quotaPlaces.has(address)) tables.addresses.delete(address);
      return old.length;
    },

    eraseHolders: (before) => {
      const old = [...tables.instances.values()].filter(
        ({ state, endedAt, address }) => state === "ended" && endedAt !== null && endedAt < before && address !== "",
      );
      for (const { id } of old) change(tables.instances, id, { address: "" });
      for (const [address, seenAt] of tables.addresses)
        if (seenAt < before && !tables.quotaPlaces.has(address)) tables.addresses.delete(address);
      return old.length;
    },
  };
}
