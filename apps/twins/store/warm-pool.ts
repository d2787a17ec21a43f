import type { WarmOffer, WarmPool } from "../../core/warm-pool/contract.ts";
import type { Effects } from "../turns.ts";
import { longestFree } from "./slots.ts";
import { addRow, change, engineHostOf, type InstanceRow, type Tables } from "./tables.ts";

/** Instances in memory that are nobody's yet: those with a nonce. */
export function warmPoolEffects(tables: Tables): Effects<WarmPool> {
  const isOpen = (hostName: string) => tables.hosts.get(hostName)?.state === "active";
  return {
    begin: (draft, hostName) => {
      const host = tables.hosts.get(hostName);
      if (!host || !isOpen(hostName)) return { kind: "host-closed" };
      const slot = longestFree(tables.slots.get(hostName) ?? [], host.capacity, draft.createdAt);
      if (!slot) return { kind: "host-full" };
      addRow(tables, {
        ...draft,
        state: "warming",
        hostName,
        port: slot.port,
        address: "",
        tokenHash: Buffer.alloc(32),
      });
      return { kind: "taken", port: slot.port };
    },

    ready: (id, server, now) => {
      const row = tables.instances.get(id);
      if (row?.state !== "warming" || row.deadline <= now || !isOpen(row.hostName)) return false;
      change(tables.instances, id, { state: "warm", server, warmSince: now });
      return true;
    },

    end: (id) => endWarmIn(tables, id),

    list: () =>
      [...tables.instances.values()]
        .flatMap((row) => {
          const { id: instanceId, state, createdAt, deadline, recipe } = row;
          if ((state !== "warming" && state !== "warm") || recipe === null) return [];
          return [{ instanceId, state, host: engineHostOf(tables, row.hostName), recipe, createdAt, deadline }];
        })
        .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime() || (a.instanceId < b.instanceId ? -1 : 1)),

    countColdStarts: () => {
      const cold = [...tables.instances.values()].filter((row) => row.state === "starting" && row.warmSince === null);
      return new Map([...Map.groupBy(cold, ({ hostName }) => hostName)].map(([name, rows]) => [name, rows.length]));
    },

    countHandedOut: (since) => {
      const rows = [...tables.instances.values()].filter(({ handedOutAt }) => handedOutAt && handedOutAt >= since);
      return { all: rows.length, warm: rows.filter(({ warmSince }) => warmSince !== null).length };
    },
  };
}

/** The oldest instance of the pool that a hand-out can claim. */
export function readyOn(tables: Tables, hostName: string, offer: WarmOffer): InstanceRow | undefined {
  return warmRowsOf(tables, hostName)
    .filter(({ state, recipe, warmSince }) => {
      return (
        state === "warm" && recipe?.equals(offer.recipe) === true && warmSince !== null && warmSince >= offer.readySince
      );
    })
    .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime() || (a.id < b.id ? -1 : 1))[0];
}

/** The instance of the pool that goes when a hand-out needs its slot: one that is not ready before one that is. */
export function evictable(tables: Tables, hostName: string): InstanceRow | undefined {
  return warmRowsOf(tables, hostName).sort(
    (a, b) =>
      Number(a.state === "warm") - Number(b.state === "warm") ||
      a.createdAt.getTime() - b.createdAt.getTime() ||
      (a.id < b.id ? -1 : 1),
  )[0];
}

/** `end` as a part of another step. */
export function endWarmIn(tables: Tables, id: string): boolean {
  const row = tables.instances.get(id);
  if (row?.state !== "warming" && row?.state !== "warm") return false;
  change(tables.instances, id, { state: "ending" });
  return true;
}

/** Instances of the pool on a host. */
export function warmRowsOf(tables: Tables, hostName: string): InstanceRow[] {
  return [...tables.instances.values()].filter(
    (row) => row.hostName === hostName && (row.state === "warming" || row.state === "warm"),
  );
}
