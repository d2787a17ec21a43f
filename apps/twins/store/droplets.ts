import type { Droplets } from "../../core/fleet/contract.ts";
import { SCALING } from "../../core/fleet/scaling.ts";
import type { Effects } from "../turns.ts";
import { registerHostIn } from "./hosts.ts";
import { beginEndIn, isSomebodys } from "./leases.ts";
import { forgetForOperators } from "./ports.ts";
import { change, forOperators, leasesOf, type DropletOrderRow, type Tables } from "./tables.ts";
import { endWarmIn, warmRowsOf } from "./warm-pool.ts";

/** Droplets in memory. */
export function dropletEffects(tables: Tables): Effects<Droplets> {
  const rows = () => [...tables.droplets.values()];
  const isInTerm = (term: number) => tables.terms.get(SCALING) === term;
  const isUsed = (name: string) => leasesOf(tables, name).length > 0 || forOperators(tables, name) > 0;

  return {
    list: () =>
      rows()
        .filter(({ state }) => state !== "gone")
        .map(({ name, state, dropletId, orderedAt, joinedAt, idleSince, unhealthySince }) => ({
          name,
          state,
          dropletId,
          orderedAt,
          joinedAt,
          idleSince,
          unhealthySince,
        })),

    listLives: (since) =>
      rows()
        .filter(({ state, goneAt }) => state !== "gone" || (goneAt !== null && goneAt >= since))
        .map(({ name, state, dropletId, region, size, hourlyPrice, orderedAt, joinedAt, goneAt }) => ({
          name,
          state,
          dropletId,
          region,
          size,
          hourlyPrice,
          orderedAt,
          joinedAt,
          goneAt,
        })),

    readOrderFailures: () => {
      const lastJoined = Math.max(0, ...rows().flatMap(({ joinedAt, number }) => (joinedAt === null ? [] : number)));
      const failed = rows().filter(
        ({ joinedAt, endingAt, number }) => joinedAt === null && endingAt !== null && number > lastJoined,
      );
      return {
        inARow: failed.length,
        outOfStock: failed.filter(({ outOfStock }) => outOfStock).length,
        lastAt:
          failed.length === 0 ? null : new Date(Math.max(...failed.map(({ endingAt }) => endingAt?.getTime() ?? 0))),
      };
    },

    addOrder: (term, { namePrefix, region, size, tokenHash, cap }, now) => {
      if (!isInTerm(term) || rows().filter(({ state }) => state !== "gone").length >= cap) return undefined;
      const number = ++tables.lastDropletNumber;
      const name = `${namePrefix}-${number}`;
      const order: DropletOrderRow = {
        number,
        name,
        state: "ordered",
        dropletId: null,
        region,
        size,
        hourlyPrice: null,
        orderedAt: now,
        joinedAt: null,
        endingAt: null,
        goneAt: null,
        outOfStock: false,
        idleSince: null,
        unhealthySince: null,
        unreachableSince: null,
        tokenHash,
        keyHash: null,
      };
      tables.droplets.set(name, order);
      return name;
    },

    adopt: (name, dropletId, hourlyPrice) => {
      const row = tables.droplets.get(name);
      if (!row) return false;
      if (row.state !== "ordered") return row.dropletId === dropletId;
      if (rows().some((other) => other.dropletId === dropletId)) return false;
      tables.droplets.set(name, { ...row, state: "booting", dropletId, hourlyPrice });
      return true;
    },

    closeOrder: (name, _reason, outOfStock, now) => {
      if (tables.droplets.get(name)?.state !== "ordered") return;
      change(tables.droplets, name, { state: "gone", endingAt: now, goneAt: now, outOfStock });
    },

    enrol: ({ hostName, tokenHash, keyHash }) => {
      const row = tables.droplets.get(hostName);
      if (!row?.tokenHash.equals(tokenHash)) return "refused";
      if (row.state !== "ordered" && row.state !== "booting") return "refused";
      if (row.keyHash !== null && !row.keyHash.equals(keyHash)) return "refused";
      tables.droplets.set(hostName, { ...row, keyHash });
      return "granted";
    },

    admit: (host, now) => {
      const row = tables.droplets.get(host.name);
      if (row?.state !== "booting" || tables.destroyRequests.has(host.name)) return false;
      tables.droplets.set(host.name, { ...row, state: "joined", joinedAt: now, idleSince: now });
      registerHostIn(tables, host, now);
      return true;
    },

    keepTimers: (timers) => {
      for (const { name, idleSince, unhealthySince } of timers)
        if (tables.droplets.get(name)?.state === "joined") change(tables.droplets, name, { idleSince, unhealthySince });
    },

    forgetUnhealthy: () => {
      for (const { name } of rows()) change(tables.droplets, name, { unhealthySince: null });
    },

    keepReachability: (reached, unreached, now) => {
      for (const name of reached) change(tables.droplets, name, { unreachableSince: null });
      for (const name of unreached)
        if (tables.droplets.get(name)?.unreachableSince === null)
          change(tables.droplets, name, { unreachableSince: now });
    },

    listUnreached: () =>
      rows().flatMap(({ name, state, unreachableSince }) =>
        unreachableSince !== null && state !== "gone" ? name : [],
      ),

    listGoneIds: (since) =>
      rows().flatMap(({ state, goneAt, dropletId }) =>
        state === "gone" && goneAt !== null && goneAt > since && dropletId !== null ? dropletId : [],
      ),

    beginDrain: (term, name) => {
      if (!isInTerm(term) || tables.hosts.get(name)?.state !== "active") return false;
      if (isUsed(name)) return false;
      change(tables.hosts, name, { state: "draining" });
      return true;
    },

    beginDestroy: (term, name, _reason, leases, now) => {
      if (!isInTerm(term)) return false;
      if (leases === "none" && isUsed(name)) return false;
      const row = tables.droplets.get(name);
      if (row?.state !== "booting" && row?.state !== "joined") return false;
      tables.droplets.set(name, { ...row, state: "destroying", endingAt: now });
      change(tables.hosts, name, { state: "draining" });
      loseLeases(tables, name, now);
      return true;
    },

    close: (name, _reason, now) => {
      const row = tables.droplets.get(name);
      if (!row || row.state === "gone") return;
      tables.droplets.set(name, { ...row, state: "gone", goneAt: now, endingAt: row.endingAt ?? now });
      if (!tables.hosts.has(name)) return;
      loseLeases(tables, name, now);
      for (const row of [...tables.instances.values()].filter(({ hostName }) => hostName === name))
        if (!isSomebodys(row)) tables.instances.delete(row.id);
        else if (row.state === "ending") change(tables.instances, row.id, { state: "ended", endedAt: now });
      forgetForOperators(tables, name);
      tables.slots.delete(name);
      change(tables.hosts, name, { state: "gone" });
    },
  };
}

/** Marks the leases of a host that is gone as lost; hand-outs under way fail, and warm instances are no use. */
function loseLeases(tables: Tables, hostName: string, now: Date): void {
  for (const { id, state } of leasesOf(tables, hostName))
    beginEndIn(tables, id, state === "running" ? "lost" : "failed", now);
  for (const { id } of warmRowsOf(tables, hostName)) endWarmIn(tables, id);
}
