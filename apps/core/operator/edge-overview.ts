import { conflictReason } from "../balance/applications.ts";
import type { Services } from "../balance/contract.ts";
import type { Membership, ServiceReports } from "../edge/contract.ts";
import type { Gateway } from "../edge/gateway.ts";
import type { HostPorts, PortMaps, Workloads } from "../ports/contract.ts";
import type { GatewayDroplets } from "../fleet/contract.ts";
import type { GatewayDropletRow } from "../fleet/gateway-droplets.ts";
import { portStanding } from "../ports/port-map-report.ts";
import { workloadStanding, type Workload } from "../ports/workload.ts";
import { whileKnown } from "../../lib/unavailable.ts";
import { readAnnounced, type Announced, type AnnouncedRules, type ReadAnnouncedPorts } from "./read-announced.ts";
import { serviceOverviews, toldServices, type ServiceOverview } from "./service-overview.ts";

/** What the overview of the edge is made from. */
export type EdgeOverviewPorts = {
  /** Undefined without an edge. */
  readonly edge: Pick<Membership, "list"> | undefined;
  readonly serviceReports: Pick<ServiceReports, "list">;
  readonly board: ReadAnnouncedPorts["board"];
  readonly store: ReadAnnouncedPorts["store"] & {
    readonly services: Pick<Services, "list">;
    readonly ports: Pick<HostPorts, "list">;
    readonly workloads: Pick<Workloads, "list">;
    readonly gatewayDroplets: Pick<GatewayDroplets, "list">;
  };
  readonly portMaps: Pick<PortMaps, "read">;
};

/**
 * States of gateways on droplets that give no sign of life: on their way, at their end, or `silent`, which is to be
 * replaced.
 */
export const absentGatewayStates = ["ordered", "booting", "silent", "destroying"] as const;

/** A gateway as ops see it. What it tells cannot be read where there is null. */
export type GatewayOverview = {
  readonly name: string;
  readonly state: Gateway["state"] | "unreadable" | (typeof absentGatewayStates)[number];
  readonly addresses: readonly string[];
  readonly routes: number | null;
  /** Instances that it cannot lead to: their hosts are known by a name and no IP address. */
  readonly unroutable: number | null;
  readonly connections: number | null;
  readonly mostConnections: number | null;
  readonly version: string | null;
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

/** What hosts announce, in numbers, and what is wrong with it: the first ones of many. */
export type AnnouncedOverview = {
  readonly hosts: number;
  readonly applications: number;
  readonly refusedCount: number;
  readonly refused: readonly string[];
  readonly conflictCount: number;
  readonly conflicts: readonly string[];
};

/** The edge at one moment. */
export type EdgeOverview = {
  /** Whether instances are reached through gateways. */
  readonly hasEdge: boolean;
  /** null: it is unknown which live, because Redis does not answer. */
  readonly gateways: readonly GatewayOverview[] | null;
  readonly services: readonly ServiceOverview[];
  /** null: there is no edge, or Redis does not answer. */
  readonly announced: AnnouncedOverview | null;
  readonly ports: readonly PortOverview[];
  readonly workloads: readonly WorkloadOverview[];
};

/** Of what is wrong with announcements the first few are told. */
const MOST_FAULTS_TOLD = 5;

/** The edge as it is now. @throws Unavailable when MySQL does not answer */
export async function readEdgeOverview(sources: EdgeOverviewPorts, rules: AnnouncedRules): Promise<EdgeOverview> {
  const { edge, serviceReports, store, portMaps } = sources;
  const [living, reports, announced, ordered, declared, ports, workloads] = await Promise.all([
    edge && whileKnown(edge.list(), "redis").then((gateways) => gateways ?? null),
    edge && whileKnown(serviceReports.list(), "redis").then((told) => told ?? null),
    edge && whileKnown(readAnnounced(sources, rules), "redis"),
    store.gatewayDroplets.list(),
    store.services.list(),
    store.ports.list(),
    store.workloads.list(),
  ]);
  const gateways = living === undefined ? [] : living;
  const told = toldServices(gateways?.map(({ name }) => name) ?? null, reports === undefined ? [] : reports);
  const hosts = [...new Set(ports.map(({ host }) => host))];
  const facts = hosts.length === 0 ? undefined : await whileKnown(portMaps.read(hosts), "redis");
  return {
    hasEdge: edge !== undefined,
    gateways: gateways === null ? null : gatewayOverviews(gateways, ordered),
    services: serviceOverviews(declared, told),
    announced: announced ? announcedOverview(announced) : null,
    ports: ports.map(({ host, port, image, imagePort, children, state }) => {
      const { inForce, fault } = portStanding(facts?.get(host) ?? {});
      const standing = fault !== null ? "refused" : inForce === true ? state : "waiting";
      return { host, port, image, imagePort, children: children.length, state: standing, fault };
    }),
    workloads: workloads.map(workloadOverview),
  };
}

/** Gateways that live, and those on droplets that do not live so far, or any more. */
export function gatewayOverviews(
  living: readonly PresentGateway[],
  ordered: readonly Pick<GatewayDropletRow, "name" | "state">[],
): GatewayOverview[] {
  const names = new Set(living.map(({ name }) => name));
  const absent = ordered
    .filter(({ name }) => !names.has(name))
    .map(({ name, state }) => ({
      ...{
        name,
        addresses: [],
        routes: null,
        unroutable: null,
        connections: null,
        mostConnections: null,
        version: null,
      },
      state: state === "joined" || state === "draining" || state === "gone" ? ("silent" as const) : state,
    }));
  return [...living.map(gatewayOverview), ...absent];
}

type PresentGateway = Gateway | { readonly name: string; readonly state: "unreadable" };

/** A gateway by what it tells of itself. */
function gatewayOverview(gateway: PresentGateway): GatewayOverview {
  const { name, state } = gateway;
  if (gateway.state === "unreadable")
    return {
      ...{ name, state, addresses: [], routes: null, unroutable: null },
      ...{ connections: null, mostConnections: null, version: null },
    };
  const { addresses, routes, unroutable = null, connections, version, figures } = gateway;
  return { name, state, addresses, routes, unroutable, connections, mostConnections: figures.mostConnections, version };
}

function announcedOverview({ hosts, conflicts }: Announced): AnnouncedOverview {
  const refused = hosts.flatMap((each) => each.refused.map((part) => ({ ...part, host: each.host })));
  return {
    hosts: hosts.length,
    applications: new Set(hosts.flatMap(({ applications }) => applications.map(({ name }) => name))).size,
    refusedCount: refused.length,
    refused: refused
      .slice(0, MOST_FAULTS_TOLD)
      .map(({ host, application, reason }) => `${host}${application === null ? "" : `, ${application}`}: ${reason}`),
    conflictCount: conflicts.length,
    conflicts: conflicts.slice(0, MOST_FAULTS_TOLD).map(conflictReason),
  };
}

function workloadOverview(workload: Workload): WorkloadOverview {
  const { host, name, image, copies, state } = workload;
  const { isDone, fault } = workloadStanding(workload);
  const standing = fault !== null ? "failed" : isDone && state !== "removed" ? state : "waiting";
  return { host, name, image, copies, state: standing, fault };
}
