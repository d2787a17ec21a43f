import type { Leases } from "../../core/instances/contract.ts";
import type { EndCause, Instance, InstanceState } from "../../core/instances/instance.ts";
import type { Effects } from "../turns.ts";
import { change, engineHostOf, hostOf, type InstanceRow, type Tables } from "./tables.ts";

const statesBefore: Readonly<Record<EndCause, readonly InstanceState[]>> = {
  failed: ["starting"],
  abandoned: ["starting", "running"],
  expired: ["running"],
  lost: ["running"],
  owner: ["starting", "running"],
  operator: ["starting", "running"],
};

/** Instances in memory, from hand-out to end. */
export function leaseEffects(tables: Tables): Effects<Leases> {
  return {
    find: (id) => {
      const row = tables.instances.get(id);
      return row && toInstance(tables, row);
    },

    setExpiry: (id, expiresAt, now) => {
      const row = tables.instances.get(id);
      if (row?.state !== "running" || row.expiresAt <= now) return false;
      tables.instances.set(id, { ...row, expiresAt });
      return true;
    },

    beginEnd: (id, cause, now) => beginEndIn(tables, id, cause, now),

    close: (id, now, slotFreeFrom = now) => {
      const row = tables.instances.get(id);
      if (row?.state !== "ending") return;
      tables.instances.set(id, { ...row, state: "ended", endedAt: now });
      const { basePort } = hostOf(tables, row.hostName);
      tables.slots.set(
        row.hostName,
        (tables.slots.get(row.hostName) ?? []).map((each) =>
          each.instanceId === id
            ? { slot: each.slot, port: basePort + each.slot, instanceId: null, freeSince: slotFreeFrom }
            : each,
        ),
      );
    },

    findContainer: (id) => {
      const row = tables.instances.get(id);
      return row && { instanceId: id, state: row.state, host: engineHostOf(tables, row.hostName) };
    },

    findAddress: (id) => {
      const row = tables.instances.get(id);
      return row && { host: hostOf(tables, row.hostName).checkHost, port: row.port };
    },

    listDue: (now) =>
      [...tables.instances.values()]
        .filter(({ state, expiresAt }) => state === "ending" || (state === "running" && expiresAt <= now))
        .sort((a, b) => a.expiresAt.getTime() - b.expiresAt.getTime())
        .map(({ id, state, hostName }) => ({ instanceId: id, state, host: engineHostOf(tables, hostName) })),

    listOpenOf: (hostName) =>
      [...tables.instances.values()]
        .filter((row) => row.hostName === hostName && row.state !== "ended")
        .map(({ id, state, expiresAt }) => ({ id, state, deadline: expiresAt })),
  };
}

/** `beginEnd` as a part of another step. */
export function beginEndIn(tables: Tables, id: string, cause: EndCause, now: Date): boolean {
  const row = tables.instances.get(id);
  if (!row || !statesBefore[cause].includes(row.state)) return false;
  if (cause === "expired" && row.expiresAt > now) return false;
  change(tables.instances, id, { state: "ending", endCause: cause });
  const places = new Set(tables.quotaPlaces.get(row.address));
  places.delete(id);
  if (places.size > 0) tables.quotaPlaces.set(row.address, places);
  else tables.quotaPlaces.delete(row.address);
  tables.claims.delete(id);
  return true;
}

/** The instance out of a row. */
export function toInstance(tables: Tables, row: InstanceRow): Instance {
  const { id, state, hostName, port, address, tokenHash, createdAt, expiresAt, latestEnd, endedAt, endCause } = row;
  const { publicHost } = hostOf(tables, hostName);
  return {
    id,
    state,
    hostName,
    publicHost,
    port,
    address,
    tokenHash,
    createdAt,
    expiresAt,
    latestEnd,
    endedAt,
    endCause,
  };
}
