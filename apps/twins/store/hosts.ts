import { isDeepStrictEqual } from "node:util";
import type { Hosts, HostsMark } from "../../core/fleet/contract.ts";
import type { Host, HostUse, NewHost } from "../../core/fleet/host.ts";
import type { Effects } from "../turns.ts";
import { change, forOperators, type HostRow, type SlotRow, type Tables } from "./tables.ts";

/** Hosts in memory, with their slots. */
export function hostEffects(tables: Tables): Effects<Hosts> {
  const readings = new WeakMap<HostsMark, ReadonlyMap<string, HostUse>>();
  let lastMark = 0;

  return {
    register: (host, now) => registerHostIn(tables, host, now),

    list: () => listUse(tables),

    listChanged: (mark, named) => {
      const before = mark && (readings.get(mark) ?? new Map<string, HostUse>());
      const uses = listUse(tables);
      const after = new Map(uses.map((use) => [use.host.name, use]));
      const next = { at: ++lastMark };
      readings.set(next, after);
      return {
        hosts: uses.filter(
          (use) => !before || named.includes(use.host.name) || !isDeepStrictEqual(before.get(use.host.name), use),
        ),
        gone: [...(before?.keys() ?? [])].filter((name) => !after.has(name)),
        mark: next,
      };
    },

    setState: (name, state) => {
      const host = tables.hosts.get(name);
      if (!host || host.state === "gone") return false;
      const droplet = tables.droplets.get(name);
      if (droplet && (droplet.state === "destroying" || tables.destroyRequests.has(name))) return false;
      change(tables.hosts, name, { state });
      return true;
    },

    listFirstSeen: () =>
      new Map(
        [...tables.hosts.values()]
          .filter(({ state }) => state !== "gone")
          .map(({ name, createdAt }) => [name, createdAt]),
      ),

    readDeployment: () => tables.deployment,
  };
}

/** All hosts with their use. */
function listUse(tables: Tables): HostUse[] {
  const inUse = new Map<string, number>();
  const warm = new Map<string, number>();
  const lastExpiry = new Map<string, Date>();
  for (const { hostName, state, expiresAt } of tables.instances.values()) {
    if (state === "starting" || state === "running") inUse.set(hostName, (inUse.get(hostName) ?? 0) + 1);
    if (state === "warming" || state === "warm") warm.set(hostName, (warm.get(hostName) ?? 0) + 1);
    if (state === "running" && expiresAt && expiresAt > (lastExpiry.get(hostName) ?? 0))
      lastExpiry.set(hostName, expiresAt);
  }
  return [...tables.hosts.values()].flatMap((row) =>
    row.state === "gone"
      ? []
      : {
          host: toHost(tables, row, row.state),
          inUse: inUse.get(row.name) ?? 0,
          warm: warm.get(row.name) ?? 0,
          ...(forOperators(tables, row.name) > 0 && { forOperators: forOperators(tables, row.name) }),
          lastExpiry: lastExpiry.get(row.name) ?? null,
          unreachableSince: tables.droplets.get(row.name)?.unreachableSince ?? null,
          occupied: (tables.slots.get(row.name) ?? []).filter(({ instanceId }) => instanceId !== null).length,
        },
  );
}

/** `register` as a part of another step. */
export function registerHostIn(tables: Tables, host: NewHost, now: Date): void {
  const known = tables.hosts.get(host.name);
  const { name, engineUrl, publicHost, checkHost, bindAddress, capacity, basePort } = host;
  tables.hosts.set(name, {
    ...{ name, engineUrl, publicHost, checkHost, bindAddress, capacity, basePort },
    id: known?.id ?? ++tables.lastHostId,
    state: known?.state ?? "active",
    createdAt: known?.createdAt ?? now,
  });
  const kept = (tables.slots.get(name) ?? [])
    .filter(({ slot, instanceId }) => slot < capacity || instanceId !== null)
    .map((row) => (row.instanceId === null ? { ...row, port: basePort + row.slot } : row));
  const bySlot = new Map<number, SlotRow>(kept.map((row) => [row.slot, row]));
  for (let slot = 0; slot < capacity; slot++)
    if (!bySlot.has(slot))
      bySlot.set(slot, { slot, port: basePort + slot, instanceId: null, freeSince: now, portTakenUntil: null });
  tables.slots.set(
    name,
    [...bySlot.values()].sort((a, b) => a.slot - b.slot),
  );
}

function toHost(
  { deployment }: Tables,
  { name, engineUrl, publicHost, checkHost, bindAddress, capacity, basePort }: HostRow,
  state: Host["state"],
): Host {
  return { name, engineUrl, deployment, publicHost, checkHost, bindAddress, capacity, basePort, state };
}
