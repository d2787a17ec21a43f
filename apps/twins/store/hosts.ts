import type { Hosts } from "../../core/fleet/contract.ts";
import type { Host, NewHost } from "../../core/fleet/host.ts";
import type { Effects } from "../turns.ts";
import { change, type HostRow, type SlotRow, type Tables } from "./tables.ts";

/** Hosts in memory, with their slots. */
export function hostEffects(tables: Tables): Effects<Hosts> {
  return {
    register: (host, now) => registerHostIn(tables, host, now),

    list: () => {
      const inUse = new Map<string, number>();
      const lastExpiry = new Map<string, Date>();
      for (const { hostName, state, expiresAt } of tables.instances.values()) {
        if (state === "starting" || state === "running") inUse.set(hostName, (inUse.get(hostName) ?? 0) + 1);
        if (state === "running" && expiresAt && expiresAt > (lastExpiry.get(hostName) ?? 0))
          lastExpiry.set(hostName, expiresAt);
      }
      return [...tables.hosts.values()].flatMap((row) =>
        row.state === "gone"
          ? []
          : {
              host: toHost(tables, row, row.state),
              inUse: inUse.get(row.name) ?? 0,
              lastExpiry: lastExpiry.get(row.name) ?? null,
              unreachableSince: tables.droplets.get(row.name)?.unreachableSince ?? null,
              occupied: (tables.slots.get(row.name) ?? []).filter(({ instanceId }) => instanceId !== null).length,
            },
      );
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
