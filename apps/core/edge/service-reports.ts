import type { MemberState } from "../balance/servers.ts";
import type { Balanced } from "../balance/service.ts";
import { MOST_SERVICES_TOLD, MOST_TOLD, type Gateway, type ServiceReport } from "./gateway.ts";

/**
 * What a gateway tells of the services that it carries, short enough to be told each second.
 * @param states of members by service and address, as far as they are known
 */
export function reportServices(
  services: readonly Balanced[],
  states: ReadonlyMap<string, ReadonlyMap<string, MemberState>>,
): Pick<Gateway, "serviceCount" | "services"> {
  const told = services.slice(0, MOST_SERVICES_TOLD).map((service) => reportOf(service, states.get(service.name)));
  return { serviceCount: services.length, services: told };
}

function reportOf(
  { name, port, protocol, names, members }: Balanced,
  known: ReadonlyMap<string, MemberState> | undefined,
): ServiceReport {
  const told = members.map(({ address, isDraining }) => ({
    address: address.text,
    // nginx does not tell how members are.
    state: known?.get(address.text) ?? (isDraining ? "draining" : "unknown"),
  }));
  const those = (state: MemberState) => told.filter((member) => member.state === state);
  const retired = those("retired");
  return {
    name,
    port,
    protocol,
    names: names.slice(0, MOST_TOLD),
    up: those("up").length,
    retired: retired.length,
    draining: those("draining").length,
    unknown: those("unknown").length,
    retiredMembers: retired.slice(0, MOST_TOLD).map(({ address }) => address),
  };
}
