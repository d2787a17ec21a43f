import type { DeclaredService } from "../balance/desired.ts";
import type { MemberState } from "../balance/servers.ts";
import type { Policy, Protocol } from "../balance/service.ts";
import {
  memberStatesTold,
  MOST_NAMES_TOLD,
  type MemberReport,
  type ServiceReport,
  type ServicesReport,
} from "../edge/service-reports.ts";

/**
 * How a service is, over all gateways that carry it: `up`, all its members get connections; `degraded`, some of them on
 * some gateway do not; `down`, on some gateway none does; `draining`, none gets new ones; `empty`, it has no members;
 * `not-carried`, by no gateway that lives; `untold`, nginx carries it and does not tell; `unknown`, Redis does not
 * answer, or a gateway does not tell of all that it carries.
 */
export const serviceStates = [
  "up",
  "degraded",
  "down",
  "draining",
  "empty",
  "not-carried",
  "untold",
  "unknown",
] as const;
export type ServiceState = (typeof serviceStates)[number];

/** How a gateway carries a service. */
export type ToldService = ServiceReport & { readonly gateway: string };

/** How a gateway sees a member. */
export type SeenMember = Omit<MemberReport, "address"> & { readonly gateway: string };

/** A member over all gateways that tell of it. */
export type MemberOverview = {
  readonly address: string;
  /** As the gateway sees it that sees it worst, and why it is retired there. */
  readonly state: MemberState;
  readonly fault: string | null;
  /** Open connections to it through all gateways. */
  readonly sessions: number;
  /** Gateways that see it as `state`. */
  readonly gateways: readonly string[];
};

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
  /** Open connections through all gateways. */
  readonly connections: number;
  /** Members on the gateway with the most of them, and those that get connections on the one with the fewest. */
  readonly members: number;
  readonly up: number;
  /** The first ones of many, those that need a look before the others. */
  readonly memberList: readonly MemberOverview[];
};

/** What gateways tell of services, in a form that can be looked up. */
export type ToldServices = {
  /** What each gateway tells of a service. */
  readonly of: (service: string) => readonly ToldService[];
  readonly names: readonly string[];
  /** Whether all gateways that live tell of all that they carry. */
  readonly isKnown: boolean;
};

const MOST_MEMBERS_LISTED = 10;

/**
 * @param gateways names of those that live; null while that is unknown
 * @param reports null while it is unknown what they tell
 */
export function toldServices(
  gateways: readonly string[] | null,
  reports: readonly ServicesReport[] | null,
): ToldServices {
  const told = Map.groupBy(
    (reports ?? []).flatMap(({ gateway, services }) => services.map((service) => ({ ...service, gateway }))),
    ({ name }) => name,
  );
  const telling = new Set((reports ?? []).map(({ gateway }) => gateway));
  return {
    of: (service) => told.get(service) ?? [],
    names: [...told.keys()],
    isKnown:
      reports !== null &&
      gateways !== null &&
      gateways.every((gateway) => telling.has(gateway)) &&
      reports.every(({ serviceCount, services }) => services.length === serviceCount),
  };
}

/** Services by name: those that are declared, and those that gateways carry because hosts announce them. */
export function serviceOverviews(declared: readonly DeclaredService[], told: ToldServices): ServiceOverview[] {
  const known = new Map(declared.map((service) => [service.name, service]));
  const names = [...new Set([...known.keys(), ...told.names])].sort();
  return names.flatMap((name) => {
    const reports = told.of(name);
    const service = known.get(name);
    const shape = service ?? reports[0];
    if (!shape) return [];
    return {
      name,
      kind: service ? "declared" : "announced",
      port: shape.port,
      protocol: shape.protocol,
      names: shape.names.slice(0, MOST_NAMES_TOLD),
      policy: service?.policy ?? null,
      poolKey: service?.poolKey ?? null,
      state: serviceState(reports, told.isKnown),
      gateways: reports.length,
      connections: connectionsIn(reports),
      members: Math.max(service?.poolKey === null ? service.members.length : 0, ...reports.map(membersIn)),
      up: reports.length === 0 ? 0 : Math.min(...reports.map(({ up }) => up)),
      memberList: memberOverviews(reports).slice(0, MOST_MEMBERS_LISTED),
    };
  });
}

/** @param isKnown whether it would be told of, if it were carried */
export function serviceState(reports: readonly ServiceReport[], isKnown: boolean): ServiceState {
  if (reports.length === 0) return isKnown ? "not-carried" : "unknown";
  if (reports.every((report) => membersIn(report) === 0)) return "empty";
  if (reports.some(({ up, draining, unknown, retired }) => up + draining + unknown === 0 && retired > 0)) return "down";
  if (reports.some(({ retired }) => retired > 0)) return "degraded";
  if (reports.some(({ unknown }) => unknown > 0)) return "untold";
  return reports.every(({ up }) => up === 0) ? "draining" : "up";
}

/** Open connections through all gateways. */
export function connectionsIn(reports: readonly ServiceReport[]): number {
  return reports.reduce((sum, { connections }) => sum + connections, 0);
}

/** How each gateway sees each member that it tells of, by the member's address. */
export function seenMembers(reports: readonly ToldService[]): ReadonlyMap<string, readonly SeenMember[]> {
  const all = reports.flatMap(({ gateway, members }) => members.map((member) => ({ ...member, gateway })));
  return new Map(
    [...Map.groupBy(all, ({ address }) => address)].map(([address, seen]) => [
      address,
      seen.map(({ gateway, state, fault, sessions }) => ({ gateway, state, fault, sessions })),
    ]),
  );
}

function memberOverviews(reports: readonly ToldService[]): MemberOverview[] {
  const rank = (state: MemberState) => memberStatesTold.indexOf(state);
  return [...seenMembers(reports)]
    .map(([address, seen]) => {
      const [state = "unknown"] = seen.map((each) => each.state).sort((one, other) => rank(one) - rank(other));
      const worst = seen.filter((each) => each.state === state);
      return {
        address,
        state,
        fault: worst[0]?.fault ?? null,
        sessions: seen.reduce((sum, { sessions }) => sum + sessions, 0),
        gateways: worst.map(({ gateway }) => gateway),
      };
    })
    .sort((one, other) => rank(one.state) - rank(other.state) || (one.address < other.address ? -1 : 1));
}

function membersIn({ up, retired, draining, unknown }: ServiceReport): number {
  return up + retired + draining + unknown;
}
