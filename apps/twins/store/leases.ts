import type { Leases } from "../../core/instances/contract.ts";
import type { EndCause } from "../../core/events/names.ts";
import type { Instance, InstanceState } from "../../core/instances/instance.ts";
import type { Effects } from "../turns.ts";
import { addStarts, change, endOf, engineHostOf, hostOf, type InstanceRow, type Tables } from "./tables.ts";

const statesBefore: Readonly<Record<EndCause, readonly InstanceState[]>> = {
  failed: ["starting"],
  abandoned: ["starting", "running"],
  expired: ["running"],
  lost: ["running"],
  owner: ["starting", "running"],
  operator: ["starting", "running"],
  misuse: ["running"],
};

/** A row of an instance that is or was somebody's. */
export type SomebodysRow = InstanceRow & { readonly state: InstanceState };

/** Instances in memory, from hand-out to end. */
export function leaseEffects(tables: Tables): Effects<Leases> {
  return {
    find: (id) => {
      const row = tables.instances.get(id);
      return row && isSomebodys(row) ? toInstance(tables, row) : undefined;
    },

    findAt: (publicHost, port) => {
      const [host] = [...tables.hosts.values()].filter((each) => each.publicHost.toLowerCase() === publicHost);
      const slot = tables.slots.get(host?.name ?? "")?.find((each) => each.port === port && each.instanceId !== null);
      const row = tables.instances.get(slot?.instanceId ?? "");
      return row && isSomebodys(row) ? toInstance(tables, row) : undefined;
    },

    setExpiry: (id, expiresAt, now) => {
      const row = tables.instances.get(id);
      if (row?.state !== "running" || endOf(row) <= now) return false;
      tables.instances.set(id, { ...row, expiresAt });
      return true;
    },

    beginEnd: (id, cause, now) => beginEndIn(tables, id, cause, now),

    close: (id, now, portTakenUntil) => {
      const row = tables.instances.get(id);
      if (row?.state !== "ending") return;
      tables.instances.set(id, { ...row, state: "ended", endedAt: now });
      const { basePort } = hostOf(tables, row.hostName);
      tables.slots.set(
        row.hostName,
        (tables.slots.get(row.hostName) ?? []).map((each) =>
          each.instanceId === id
            ? {
                slot: each.slot,
                port: basePort + each.slot,
                instanceId: null,
                freeSince: now,
                portTakenUntil: portTakenUntil ?? null,
              }
            : each,
        ),
      );
      if (!isSomebodys(row)) tables.instances.delete(id);
    },

    endOver: (now) =>
      [...tables.instances.values()].filter(
        (row) => row.state === "running" && endOf(row) <= now && beginEndIn(tables, row.id, "expired", now),
      ).length,

    findContainer: (id) => {
      const row = tables.instances.get(id);
      return row && isSomebodys(row)
        ? { instanceId: id, state: row.state, host: engineHostOf(tables, row.hostName) }
        : undefined;
    },

    findAddress: (id) => {
      const row = tables.instances.get(id);
      return row && { host: hostOf(tables, row.hostName).checkHost, port: row.port };
    },

    listDue: (now) =>
      [...tables.instances.values()]
        .filter((row) =>
          row.state === "ending"
            ? isSomebodys(row) || row.warmSince !== null || row.deadline <= now
            : row.state === "running" && endOf(row) <= now,
        )
        .sort((a, b) => endOf(a).getTime() - endOf(b).getTime())
        .map(({ id, state, hostName }) => ({
          instanceId: id,
          state: state === "running" ? state : "ending",
          host: engineHostOf(tables, hostName),
        })),

    listHeld: () =>
      [...tables.instances.values()].flatMap(({ id, state, address, hostName, port }) => {
        if (state !== "starting" && state !== "running") return [];
        const { checkHost } = hostOf(tables, hostName);
        return [{ instanceId: id, state, address, checkHost, port, host: engineHostOf(tables, hostName) }];
      }),

    noteRestart: (id, restart) => {
      const row = tables.instances.get(id);
      if (row?.state !== "running" || restart.at < row.createdAt) return false;
      if (row.lastRestart && row.lastRestart.at >= restart.at) return false;
      tables.instances.set(id, { ...row, lastRestart: { at: restart.at, cause: restart.cause } });
      return true;
    },

    listServers: () => {
      const running = [...tables.instances.values()].filter(({ state }) => state === "running");
      const servers = running.flatMap(({ server }) => server ?? []);
      return [...new Map(servers.map((server) => [`${server.engine} ${server.version}`, server])).entries()]
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([, server]) => server);
    },

    listOpenOf: (hostName) =>
      [...tables.instances.values()].flatMap((row) => {
        const { id, state, deadline } = row;
        if (row.hostName !== hostName || state === "ended") return [];
        return [state === "starting" || state === "warming" ? { id, state, deadline } : { id, state }];
      }),
  };
}

/** Whether a hand-out has begun: instances of the warm pool are nobody's until then, and are shown to nobody. */
export function isSomebodys(row: InstanceRow): row is SomebodysRow {
  return row.nonce === null;
}

/** `beginEnd` as a part of another step. */
export function beginEndIn(tables: Tables, id: string, cause: EndCause, now: Date): boolean {
  const row = tables.instances.get(id);
  if (!row || !isSomebodys(row) || !statesBefore[cause].includes(row.state)) return false;
  if (cause === "expired" && endOf(row) > now) return false;
  change(tables.instances, id, { state: "ending", endCause: cause });
  const places = new Set(tables.quotaPlaces.get(row.address));
  places.delete(id);
  if (places.size > 0) tables.quotaPlaces.set(row.address, places);
  else tables.quotaPlaces.delete(row.address);
  if (cause === "failed")
    for (const budget of [row.address, ...(tables.networkPlaces.get(id) ?? [])])
      addStarts(tables, budget, row.createdAt, -1);
  tables.networkPlaces.delete(id);
  tables.claims.delete(id);
  return true;
}

/** The instance out of a row. */
export function toInstance(tables: Tables, row: SomebodysRow): Instance {
  const {
    id,
    state,
    hostName,
    port,
    address,
    tokenHash,
    passwordHash,
    createdAt,
    warmSince,
    latestEnd,
    sentBytes,
    endedAt,
    endCause,
    server,
    lastRestart,
  } = row;
  const { publicHost } = hostOf(tables, hostName);
  const term =
    row.handedOutAt === null || row.expiresAt === null
      ? { handedOutAt: null, deadline: row.deadline, expiresAt: null }
      : { handedOutAt: row.handedOutAt, deadline: null, expiresAt: row.expiresAt };
  return {
    ...{ id, state, hostName, publicHost, port, address, tokenHash, passwordHash, createdAt, warmSince },
    ...term,
    ...{ latestEnd, sentBytes, endedAt, endCause, server, lastRestart },
  };
}
