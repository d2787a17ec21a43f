import type { Services } from "../balance/contract.ts";
import type { DeclaredService } from "../balance/desired.ts";
import type { Policy, Protocol } from "../balance/service.ts";
import type { Membership } from "../edge/contract.ts";
import { MOST_TOLD, type Gateway, type ServiceReport } from "../edge/gateway.ts";
import type { HostPorts, PortMaps, Workloads } from "../ports/contract.ts";
import { portStanding } from "../ports/port-map-report.ts";
import { workloadStanding, type Workload } from "../ports/workload.ts";
import { whileKnown } from "../../lib/unavailable.ts";

/** What the overview of the edge is made from. */
export type EdgeOverviewPorts = {
  /** Undefined without an edge. */
  readonly edge: Pick<Membership, "list"> | undefined;
  readonly store: {
    readonly services: Pick<Services, "list">;
    readonly ports: Pick<HostPorts, "list">;
    readonly workloads: Pick<Workloads, "list">;
  };
  readonly portMaps: Pick<PortMaps, "read">;
};

/** A gateway as ops see it. What it tells cannot be read where there is null. */
export type GatewayOverview = {
  readonly name: string;
  readonly state: Gateway["state"] | "unreadable";
  readonly addresses: readonly string[];
  readonly routes: number | null;
  readonly connections: number | null;
  readonly mostConnections: number | null;
  readonly version: string | null;
};

/**
 * How a service is, over all gateways that carry it: `up`, all its members get connections; `degraded`, some of them on
 * some gateway do not; `down`, on some gateway none does; `draining`, none gets new ones; `empty`, it has no members;
 * `not-carried`, by no gateway that lives; `untold`, nginx carries it and does not tell; `unknown`, Redis
 * does not answer, or gateways carry too many to tell of all.
 */
export type ServiceState = "up" | "degraded" | "down" | "draining" | "empty" | "not-carried" | "untold" | "unknown";

/** A service besides instances. */
export type ServiceOverview = {
  readonly name: string;
  /** Whether an operator has declared it, or hosts announce it as an application. */
  readonly kind: "declared" | "announced";
  readonly port: number;
  readonly protocol: Protocol;
  /** The first ones of many. */
  readonly names: readonly string[];
  readonly policy: Policy | null;
  readonly poolKey: string | null;
  readonly state: ServiceState;
  /** Gateways that carry it. */
  readonly gateways: number;
  /** Members on the gateway with the most of them, and those that get connections on the one with the fewest. */
  readonly members: number;
  readonly up: number;
  /** Addresses of members that do not answer some gateway, the first ones of many. */
  readonly retired: readonly string[];
};

/** A balanced port of a host. `waiting`: its host has not said so far that it does what it should. */
export type PortOverview = {
  readonly host: string;
  readonly port: number;
  readonly image: string | null;
  readonly imagePort: number;
  readonly children: number;
  readonly state: "on" | "stopped" | "waiting" | "refused";
  readonly fault: string | null;
};

/** Containers that run on a host for operators. `waiting`: the last change was not carried out so far. */
export type WorkloadOverview = {
  readonly host: string;
  readonly name: string;
  readonly image: string;
  readonly copies: number;
  readonly state: "running" | "paused" | "stopped" | "waiting" | "failed";
  readonly fault: string | null;
};

/** The edge at one moment. */
export type EdgeOverview = {
  /** Whether instances are reached through gateways. */
  readonly hasEdge: boolean;
  /** null: it is unknown which live, because Redis does not answer. */
  readonly gateways: readonly GatewayOverview[] | null;
  readonly services: readonly ServiceOverview[];
  readonly ports: readonly PortOverview[];
  readonly workloads: readonly WorkloadOverview[];
};

/** The edge as it is now. @throws Unavailable when MySQL does not answer */
export async function readEdgeOverview({ edge, store, portMaps }: EdgeOverviewPorts): Promise<EdgeOverview> {
  const [living, declared, ports, workloads] = await Promise.all([
    edge && whileKnown(edge.list(), "redis").then((gateways) => gateways ?? null),
    store.services.list(),
    store.ports.list(),
    store.workloads.list(),
  ]);
  const gateways = living === undefined ? [] : living;
  const hosts = [...new Set(ports.map(({ host }) => host))];
  const facts = hosts.length === 0 ? undefined : await whileKnown(portMaps.read(hosts), "redis");
  return {
    hasEdge: edge !== undefined,
    gateways: gateways === null ? null : gateways.map(gatewayOverview),
    services: serviceOverviews(
      declared,
      gateways === null ? null : gateways.filter((gateway) => gateway.state !== "unreadable"),
    ),
    ports: ports.map(({ host, port, image, imagePort, children, state }) => {
      const { inForce, fault } = portStanding(facts?.get(host) ?? {});
      const standing = fault !== null ? "refused" : inForce === true ? state : "waiting";
      return { host, port, image, imagePort, children: children.length, state: standing, fault };
    }),
    workloads: workloads.map(workloadOverview),
  };
}

/** A gateway by what it tells of itself. */
export function gatewayOverview(
  gateway: Gateway | { readonly name: string; readonly state: "unreadable" },
): GatewayOverview {
  const { name, state } = gateway;
  if (gateway.state === "unreadable")
    return { name, state, addresses: [], routes: null, connections: null, mostConnections: null, version: null };
  const { addresses, routes, connections, version, figures } = gateway;
  return { name, state, addresses, routes, connections, mostConnections: figures.mostConnections, version };
}

/**
 * Services by name: those that are declared, and those that gateways carry because hosts announce them.
 * @param gateways null while it is unknown which live
 */
export function serviceOverviews(
  declared: readonly DeclaredService[],
  gateways: readonly Pick<Gateway, "serviceCount" | "services">[] | null,
): ServiceOverview[] {
  // Not all that is carried is told of where that is much.
  const isKnown = gateways?.every(({ serviceCount, services }) => services.length === serviceCount) ?? false;
  const reports = Map.groupBy(
    (gateways ?? []).flatMap(({ services }) => services),
    ({ name }) => name,
  );
  const known = new Map(declared.map((service) => [service.name, service]));
  const names = [...new Set([...known.keys(), ...reports.keys()])].sort();
  return names.flatMap((name) => {
    const told = reports.get(name) ?? [];
    const service = known.get(name);
    const shape = service ?? told[0];
    if (!shape) return [];
    return {
      name,
      kind: service ? "declared" : "announced",
      port: shape.port,
      protocol: shape.protocol,
      names: shape.names.slice(0, MOST_TOLD),
      policy: service?.policy ?? null,
      poolKey: service?.poolKey ?? null,
      state: told.length > 0 ? stateOf(told) : isKnown ? "not-carried" : "unknown",
      gateways: told.length,
      members: Math.max(service?.poolKey === null ? service.members.length : 0, ...told.map(membersIn)),
      up: told.length === 0 ? 0 : Math.min(...told.map(({ up }) => up)),
      retired: [...new Set(told.flatMap(({ retiredMembers }) => retiredMembers))].slice(0, MOST_TOLD),
    };
  });
}

function stateOf(reports: readonly ServiceReport[]): ServiceState {
  if (reports.every((report) => membersIn(report) === 0)) return "empty";
  if (reports.some(({ up, draining, unknown, retired }) => up + draining + unknown === 0 && retired > 0)) return "down";
  if (reports.some(({ retired }) => retired > 0)) return "degraded";
  if (reports.some(({ unknown }) => unknown > 0)) return "untold";
  return reports.every(({ up }) => up === 0) ? "draining" : "up";
}

function membersIn({ up, retired, draining, unknown }: ServiceReport): number {
  return up + retired + draining + unknown;
}

function workloadOverview(workload: Workload): WorkloadOverview {
  const { host, name, image, copies, state } = workload;
  const { isDone, fault } = workloadStanding(workload);
  const standing = fault !== null ? "failed" : isDone && state !== "removed" ? state : "waiting";
  return { host, name, image, copies, state: standing, fault };
}
