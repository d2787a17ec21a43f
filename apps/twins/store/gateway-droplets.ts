import type { GatewayDroplets } from "../../core/fleet/contract.ts";
import { SCALING } from "../../core/fleet/scaling.ts";
import type { Effects } from "../turns.ts";
import { change, type GatewayOrderRow, type Tables } from "./tables.ts";

/** Gateways that the fleet orders, in memory. */
export function gatewayDropletEffects(tables: Tables): Effects<GatewayDroplets> {
  const { gatewayDroplets } = tables;
  const rows = () => [...gatewayDroplets.values()];
  const isInTerm = (term: number) => tables.terms.get(SCALING) === term;

  return {
    list: () =>
      rows()
        .filter(({ state }) => state !== "gone")
        .map(({ name, state, dropletId, plan, orderedAt, joinedAt, silentSince, drainingSince }) => ({
          ...{ name, state, dropletId, plan, orderedAt, joinedAt, silentSince, drainingSince },
        })),

    listCosts: (since) =>
      rows()
        .filter(({ state, goneAt }) => state !== "gone" || (goneAt !== null && goneAt >= since))
        .map(({ dropletId, hourlyPrice, orderedAt, goneAt }) => ({ dropletId, hourlyPrice, orderedAt, goneAt })),

    readOrderFailures: () => {
      const lastJoined = Math.max(0, ...rows().flatMap(({ joinedAt, number }) => (joinedAt === null ? [] : number)));
      const failed = rows().filter(
        ({ joinedAt, endingAt, number }) => joinedAt === null && endingAt !== null && number > lastJoined,
      );
      const ends = failed.map(({ endingAt }) => endingAt?.getTime() ?? 0);
      return {
        inARow: failed.length,
        outOfStock: failed.filter(({ outOfStock }) => outOfStock).length,
        lastAt: ends.length === 0 ? null : new Date(Math.max(...ends)),
      };
    },

    addOrder: (term, { namePrefix, size, tokenHash, cap, plan }, now) => {
      if (!isInTerm(term) || rows().filter(({ state }) => state !== "gone").length >= cap) return undefined;
      const number = ++tables.lastGatewayNumber;
      const name = `${namePrefix}-${number}`;
      const order: GatewayOrderRow = {
        ...{ number, name, size, plan, tokenHash, state: "ordered", orderedAt: now, outOfStock: false },
        ...{ dropletId: null, hourlyPrice: null, joinedAt: null, silentSince: null, drainingSince: null },
        ...{ endingAt: null, goneAt: null, secretHash: null },
      };
      gatewayDroplets.set(name, order);
      return name;
    },

    adopt: (name, dropletId, hourlyPrice) => {
      const row = gatewayDroplets.get(name);
      if (!row) return false;
      if (row.state !== "ordered") return row.dropletId === dropletId;
      if (rows().some((other) => other.dropletId === dropletId)) return false;
      change(gatewayDroplets, name, { state: "booting", dropletId, hourlyPrice });
      return true;
    },

    closeOrder: (name, _reason, outOfStock, now) => {
      if (gatewayDroplets.get(name)?.state !== "ordered") return;
      change(gatewayDroplets, name, { state: "gone", endingAt: now, goneAt: now, outOfStock });
    },

    listGoneIds: (since) =>
      rows().flatMap(({ state, goneAt, dropletId }) =>
        state === "gone" && goneAt !== null && goneAt > since && dropletId !== null ? dropletId : [],
      ),

    enrol: ({ name, tokenHash, secretHash }) => {
      const row = gatewayDroplets.get(name);
      if (!row?.tokenHash.equals(tokenHash)) return "refused";
      if (row.state !== "ordered" && row.state !== "booting") return "refused";
      if (row.secretHash !== null && !row.secretHash.equals(secretHash)) return "refused";
      change(gatewayDroplets, name, { secretHash });
      return "granted";
    },

    identify: (name, secretHash) => {
      const row = gatewayDroplets.get(name);
      if (row?.secretHash?.equals(secretHash) !== true || row.state === "destroying" || row.state === "gone")
        return undefined;
      return { isDraining: row.state === "draining" };
    },

    admit: (name, now) => {
      if (gatewayDroplets.get(name)?.state !== "booting") return false;
      change(gatewayDroplets, name, { state: "joined", joinedAt: now });
      return true;
    },

    keepTimers: (timers) => {
      for (const { name, silentSince, drainingSince } of timers) {
        const state = gatewayDroplets.get(name)?.state;
        if (state === "joined" || state === "draining") change(gatewayDroplets, name, { silentSince, drainingSince });
      }
    },

    forgetSilence: () => {
      for (const { name } of rows()) change(gatewayDroplets, name, { silentSince: null });
    },

    beginDrain: (term, name, now) => {
      if (!isInTerm(term) || gatewayDroplets.get(name)?.state !== "joined") return false;
      change(gatewayDroplets, name, { state: "draining", drainingSince: now });
      return true;
    },

    beginDestroy: (term, name, _reason, now) => {
      const state = gatewayDroplets.get(name)?.state;
      if (!isInTerm(term) || (state !== "booting" && state !== "joined" && state !== "draining")) return false;
      change(gatewayDroplets, name, { state: "destroying", endingAt: now });
      return true;
    },

    close: (name, _reason, now) => {
      const row = gatewayDroplets.get(name);
      if (!row || row.state === "gone") return;
      change(gatewayDroplets, name, { state: "gone", goneAt: now, endingAt: row.endingAt ?? now });
    },
  };
}
