import type { Membership } from "./contract.ts";

type Known = Awaited<ReturnType<Membership["list"]>>[number];

/**
 * All addresses that gateways are reached at, those of this one and of all that live: whatever is sent from one of them
 * to another comes back as a client's.
 * @param own addresses of this machine, and those that it is reached at from outside
 */
export function gatewayAddresses(own: readonly string[], gateways: readonly Known[]): readonly string[] {
  const told = gateways.flatMap((gateway) =>
    gateway.state === "unreadable" ? [] : [...gateway.addresses, ...(gateway.machineAddresses ?? [])],
  );
  return [...new Set([...own, ...told])];
}
