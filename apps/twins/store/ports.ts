import type { HostPorts, Workloads } from "../../core/ports/contract.ts";
import { nameOf } from "../../core/ports/port.ts";
import type { Workload } from "../../core/ports/workload.ts";
import type { Effects } from "../turns.ts";
import type { HostRow, Tables } from "./tables.ts";

/** Balanced ports, in memory. */
export function portEffects(tables: Tables): Effects<HostPorts> {
  const list = () => [...tables.ports.values()].sort((a, b) => inOrder(a.host, b.host) || a.port - b.port);
  return {
    list,

    change: (place, work, whyNot) => {
      const host = hostOf(tables, place.host);
      if (!host) return { kind: "no-host" };
      const name = nameOf(place);
      const before = tables.ports.get(name);
      const after = work(before);
      if (!after) {
        tables.ports.delete(name);
        for (const [key, port] of tables.ports)
          tables.ports.set(key, { ...port, children: port.children.filter((child) => nameOf(child) !== name) });
        return { kind: "changed", now: undefined };
      }
      if (!before && host.state === "draining") return { kind: "no-host" };
      const reason = whyNot(after, host, list());
      if (reason !== undefined) return { kind: "refused", reason };
      const children = after.children.toSorted((a, b) => inOrder(a.host, b.host) || a.port - b.port);
      tables.ports.set(name, { ...after, children });
      return { kind: "changed", now: after };
    },
  };
}

/** Workloads, in memory. */
export function workloadEffects(tables: Tables): Effects<Workloads> {
  const keyOf = ({ host, name }: { readonly host: string; readonly name: string }) => `${host}/${name}`;
  return {
    list: () => [...tables.workloads.values()].sort((a, b) => inOrder(a.host, b.host) || inOrder(a.name, b.name)),

    change: (place, work) => {
      const host = hostOf(tables, place.host);
      if (!host) return { kind: "no-host" };
      const before = tables.workloads.get(keyOf(place));
      const after = work(before);
      if (!after) return { kind: "changed", now: before };
      if (!before && host.state === "draining") return { kind: "no-host" };
      const now: Workload = {
        ...after,
        ...place,
        generation: (before?.generation ?? 0) + 1,
        done: before?.done ?? null,
      };
      tables.workloads.set(keyOf(place), now);
      return { kind: "changed", now };
    },

    acknowledge: (place, { generation, at, fault }) => {
      const row = tables.workloads.get(keyOf(place));
      if (!row || row.generation < generation || (row.done?.generation ?? 0) > generation) return;
      if (fault === null && row.generation === generation && row.state === "removed") {
        tables.workloads.delete(keyOf(place));
        return;
      }
      tables.workloads.set(keyOf(place), { ...row, done: { generation, at, fault } });
    },
  };
}

/** Forgets what a host that is gone did for operators. */
export function forgetForOperators(tables: Tables, hostName: string): void {
  for (const [key, port] of tables.ports)
    if (port.host === hostName) tables.ports.delete(key);
    else tables.ports.set(key, { ...port, children: port.children.filter(({ host }) => host !== hostName) });
  for (const [key, { host }] of tables.workloads) if (host === hostName) tables.workloads.delete(key);
}

function hostOf(tables: Tables, name: string): HostRow | undefined {
  const host = tables.hosts.get(name);
  return host?.state === "gone" ? undefined : host;
}

function inOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
