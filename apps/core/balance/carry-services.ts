import type { Events } from "../events/contract.ts";
import { whileKnown } from "../../lib/unavailable.ts";
import type { ServicePlane } from "./contract.ts";
import { backendsOf, renderHaproxy, type HaproxyOptions } from "./haproxy.ts";
import { keepConfiguration } from "./keep-configuration.ts";
import {
  memberStates,
  planServers,
  trafficOf,
  type CarriedMember,
  type Leaving,
  type SeenServers,
  type Traffic,
} from "./servers.ts";
import { conflictOf, inOrder, PLAIN_HTTP_PORT, type Balanced } from "./service.ts";
import { createTakenPorts, portsRefused } from "./taken-ports.ts";

/** What carrying services needs. */
export type CarryPorts = {
  readonly plane: ServicePlane;
  readonly store: { readonly events: Pick<Events, "add"> };
  readonly clock: () => Date;
  /** Milliseconds on a clock that nobody sets. */
  readonly nowMs: () => number;
};

/** How services are carried by a gateway. */
export type CarryRules = {
  readonly gateway: string;
  /** Time that connections to a member get to end by themselves when it is taken out. */
  readonly drainMs: number;
};

/** Services as they are in force, with the members that they should have: nothing but those can change meanwhile. */
function withMembersOf(wanted: readonly Balanced[], services: readonly Balanced[]): readonly Balanced[] {
  const formOf = (service: Balanced) => JSON.stringify({ ...service, members: [] });
  const members = new Map(wanted.map((service) => [formOf(service), service.members]));
  return services.map((service) => ({ ...service, members: members.get(formOf(service)) ?? service.members }));
}

/** How a service is carried now: its members by their address, and what has gone through it. */
export type CarriedService = Traffic & { readonly members: ReadonlyMap<string, CarriedMember> };

/** How services are carried now, by name. */
export type CarriedServices = ReadonlyMap<string, CarriedService>;

function withoutRedirects(options: HaproxyOptions, isWithout: boolean): HaproxyOptions {
  return isWithout ? { ...options, redirectsPlainHttp: false } : options;
}

type InForce = { readonly services: readonly Balanced[]; readonly options: HaproxyOptions; readonly text: string };

const nothing: InForce = {
  services: [],
  options: { listenOn: [], certificates: null, zones: [], redirectsPlainHttp: false },
  text: "",
};

/** Of more members of a service that go or come at once, one event tells how many. */
const TOLD_AT_MOST = 10;

/** So often it may refuse what it is told before it reads its files anew. */
const MOST_STEPS_REFUSED = 3;

/**
 * Has HAProxy carry services. What it gives back is called again and again: it looks at what HAProxy does, changes what
 * is not as it should be, and tells which members are up. HAProxy reads its files anew only when something but a member
 * has changed. A service whose port something else has is left out, and tried again by and by. For no services at all there is nothing to do: HAProxy cannot run without one.
 * @throws PlaneFault when HAProxy does not do as it should; the next call begins anew
 */
export function carryServices(
  { plane, store, clock, nowMs }: CarryPorts,
  { gateway, drainMs }: CarryRules,
): (services: readonly Balanced[], options: HaproxyOptions) => Promise<CarriedServices> {
  const configuration = keepConfiguration({ plane, store, clock, nowMs }, gateway);
  let leaving: Leaving = new Map();
  let inForce = nothing;
  let structure: string | undefined;
  let lastSeen: SeenServers = new Map();
  let stepsRefused = 0;
  const taken = createTakenPorts();
  const retired = new Set<string>();

  async function carry(all: readonly Balanced[], asked: HaproxyOptions): Promise<CarriedServices> {
    const now = nowMs();
    const wanted = all.filter(({ port }) => !taken.has(port, now));
    const options = withoutRedirects(asked, taken.has(PLAIN_HTTP_PORT, now));
    const services = inOrder([...wanted, ...leavingBeside(wanted)]);
    if (services.length === 0) {
      forget();
      inForce = nothing;
      return new Map();
    }
    const rendered = renderHaproxy(services, options);
    if (rendered.structure !== structure) {
      if ((await configuration.keep(rendered.text)) !== "refused") {
        structure = rendered.structure;
        inForce = { services, options, text: rendered.text };
      } else if (taken.add(portsRefused(configuration.refusal() ?? ""), now)) return carry(all, asked);
      else inForce = { ...inForce, services: withMembersOf(services, inForce.services) };
    } else if (rendered.text !== inForce.text) {
      await plane.write(rendered.text);
      inForce = { services, options, text: rendered.text };
    }
    const before = await plane.readServers();
    const step = { leaving, drainMs, now: nowMs() };
    const plan = planServers(inForce.services, inForce.options.zones, before, step);
    leaving = plan.leaving;
    const refusals = await plane.tell(plan.commands);
    // A server goes when its last connection has ended: until then it is asked again and again.
    const refusesOthers = refusals.some((each) => !each.includes("del server"));
    stepsRefused = refusesOthers ? stepsRefused + 1 : 0;
    if (plan.missing.length > 0 || stepsRefused >= MOST_STEPS_REFUSED) forget();
    const { servers, backends } = plan.commands.length > 0 ? await plane.readServers() : before;
    lastSeen = servers;
    const { zones } = inForce.options;
    const carried = new Map(
      inForce.services.map((service) => [
        service.name,
        { ...trafficOf(service, zones, backends), members: memberStates(service, zones, servers) },
      ]),
    );
    await tellChanges(carried);
    return carried;
  }

  /**
   * Services that are wanted no longer and still have members there: they go when those have, so that their connections
   * end like those of a member that is taken out.
   */
  function leavingBeside(wanted: readonly Balanced[]): readonly Balanced[] {
    return inForce.services
      .filter(({ name }) => !wanted.some((service) => service.name === name))
      .filter((service) => conflictOf(service, wanted) === undefined)
      .filter((service) => backendsOf(service, inForce.options.zones).some(({ name }) => lastSeen.get(name)?.size))
      .map((service) => ({ ...service, members: [] }));
  }

  function forget(): void {
    stepsRefused = 0;
    structure = undefined;
    configuration.forget();
  }

  /** Tells which members have gone out of use, and which have come back; of many at once only how many. */
  async function tellChanges(carried: CarriedServices): Promise<void> {
    const known = new Set<string>();
    for (const [service, { members }] of carried) {
      const changed: Record<"member-retired" | "member-back", string[]> = { "member-retired": [], "member-back": [] };
      for (const [member, { state }] of members) {
        const key = `${service} ${member}`;
        known.add(key);
        if (state === "retired" && !retired.has(key)) {
          retired.add(key);
          changed["member-retired"].push(member);
        } else if ((state === "up" || state === "draining") && retired.delete(key)) changed["member-back"].push(member);
      }
      await tell("member-retired", service, changed["member-retired"]);
      await tell("member-back", service, changed["member-back"]);
    }
    for (const key of retired) if (!known.has(key)) retired.delete(key);
  }

  async function tell(
    kind: "member-retired" | "member-back",
    service: string,
    members: readonly string[],
  ): Promise<void> {
    const [first] = members;
    if (first === undefined) return;
    const told = members.length > TOLD_AT_MOST ? [first] : members;
    for (const member of told) {
      const isOne = told.length === members.length;
      const who = isOne ? member : `${members.length} members, ${member} among them,`;
      const verb = kind === "member-back" ? "again reachable from" : "not reachable from";
      const reason = `${who} of service ${service} ${isOne ? "is" : "are"} ${verb} gateway ${gateway}`;
      // Members change whether or not that can be kept.
      await whileKnown(
        store.events.add({ actor: "gateway", kind, reason, data: { service, member } }, clock()),
        "mysql",
      );
    }
  }

  return async (services, options) => {
    try {
      return await carry(services, options);
    } catch (fault) {
      forget();
      throw fault;
    }
  };
}
