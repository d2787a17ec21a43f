import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import { Clean } from "typebox/value";
import type { CarriedServices } from "../balance/carry-services.ts";
import type { CarriedMember, MemberState } from "../balance/servers.ts";
import { protocols, type Balanced } from "../balance/service.ts";

/** A gateway tells of services each second: of long lists it tells the beginning. */
export const MOST_SERVICES_TOLD = 100;
export const MOST_NAMES_TOLD = 10;
/** Of one service, and of all together. */
export const MOST_MEMBERS_TOLD = 100;
export const MOST_MEMBERS_TOLD_IN_ALL = 500;

/**
 * How a member is: `up` gets connections, `retired` does not answer, `draining` gets no new ones, `unknown`: what carries
 * the service does not tell. Those that need a look come first.
 */
export const memberStatesTold = ["retired", "draining", "unknown", "up"] as const satisfies readonly MemberState[];

const count = Type.Integer({ minimum: 0 });

const MemberReport = Type.Object({
  address: Type.String({ maxLength: 64 }),
  state: Type.Enum([...memberStatesTold]),
  /** Why it is retired. */
  fault: Type.Union([Type.String({ maxLength: 200 }), Type.Null()]),
  /** Open connections to it. */
  sessions: count,
});
const ServiceReport = Type.Object({
  name: Type.String({ maxLength: 300 }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  protocol: Type.Enum([...protocols]),
  /** Names in TLS or domains, the first ones of many. */
  names: Type.Array(Type.String({ maxLength: 253 }), { maxItems: MOST_NAMES_TOLD }),
  /** How many members are in each state. */
  retired: count,
  draining: count,
  unknown: count,
  up: count,
  /** The first ones of many. */
  members: Type.Array(MemberReport, { maxItems: MOST_MEMBERS_TOLD }),
  /** What goes through it now, and has since its HAProxy was started or has read its files anew. */
  connections: count,
  accepted: count,
  bytesIn: count,
  bytesOut: count,
});
const ServicesReport = Type.Object({
  gateway: Type.String({ minLength: 1, maxLength: 63 }),
  /** How many services it carries; the first ones, by name, are told of. */
  serviceCount: count,
  services: Type.Array(Type.Unknown(), { maxItems: MOST_SERVICES_TOLD }),
});
const schema = Compile(ServicesReport);
const serviceSchema = Compile(ServiceReport);

/** How a member is, as a gateway sees it. */
export type MemberReport = Static<typeof MemberReport>;
/** How a gateway carries a service. */
export type ServiceReport = Static<typeof ServiceReport>;
/** What a gateway tells of the services that it carries besides instances, under a key that ends by itself. */
export type ServicesReport = Omit<Static<typeof ServicesReport>, "services"> & { readonly services: ServiceReport[] };

/**
 * What a gateway tells of the services that it carries, short enough to be told each second.
 * @param services all that there are
 * @param carried how they are carried; those that are not are not there
 */
export function reportServices(
  gateway: string,
  services: readonly Balanced[],
  carried: CarriedServices,
): ServicesReport {
  let room = MOST_MEMBERS_TOLD_IN_ALL;
  const those = services.filter(({ name }) => carried.has(name));
  const told = those.slice(0, MOST_SERVICES_TOLD).map((service) => {
    const report = reportOf(service, carried.get(service.name), Math.min(room, MOST_MEMBERS_TOLD));
    room -= report.members.length;
    return report;
  });
  return { gateway, serviceCount: those.length, services: told };
}

/**
 * The value of a gateway's key; undefined when it is none, or another gateway's. Services that cannot be read are left
 * out, and counted; fields that a newer gateway tells are left out as well.
 */
export function parseServicesReport(gateway: string, value: string): ServicesReport | undefined {
  let report: unknown;
  try {
    report = JSON.parse(value);
  } catch {
    return undefined;
  }
  if (!schema.Check(report) || report.gateway !== gateway) return undefined;
  const services = report.services.filter((service) => serviceSchema.Check(service));
  return {
    gateway,
    serviceCount: report.serviceCount,
    services: services.map((service) => Clean(ServiceReport, service) as ServiceReport),
  };
}

function reportOf(
  { name, port, protocol, names, members }: Balanced,
  carried: ReturnType<CarriedServices["get"]>,
  most: number,
): ServiceReport {
  const all = members.map(({ address, isDraining }): MemberReport => {
    // nginx does not tell how members are.
    const unknown: CarriedMember = { state: isDraining ? "draining" : "unknown", fault: null, sessions: 0 };
    return { address: address.text, ...(carried?.members.get(address.text) ?? unknown) };
  });
  const byState = Map.groupBy(all, ({ state }) => state);
  const countOf = (state: MemberState) => byState.get(state)?.length ?? 0;
  return {
    name,
    port,
    protocol,
    names: names.slice(0, MOST_NAMES_TOLD),
    retired: countOf("retired"),
    draining: countOf("draining"),
    unknown: countOf("unknown"),
    up: countOf("up"),
    members: memberStatesTold.flatMap((state) => byState.get(state) ?? []).slice(0, most),
    connections: carried?.connections ?? 0,
    accepted: carried?.accepted ?? 0,
    bytesIn: carried?.bytesIn ?? 0,
    bytesOut: carried?.bytesOut ?? 0,
  };
}
