import { readAddress, shown, type AddressRules } from "../balance/address.ts";
import type { Announcers, AnnouncerUsers, Pools, ServiceChange, Services } from "../balance/contract.ts";
import type { DeclaredService } from "../balance/desired.ts";
import { applyMessage, type PoolRules } from "../balance/pool.ts";
import type { Member } from "../balance/service.ts";
import { isDomain, isWithin } from "../balance/service.ts";
import { noteAct, type NotePorts } from "./note-act.ts";

/** What managing services needs. */
export type ManageServicesPorts = NotePorts & {
  readonly store: { readonly services: Services; readonly announcers: Announcers };
  readonly pools: Pools;
  readonly announcerUsers: Pick<AnnouncerUsers, "grant" | "revoke" | "passwordOf">;
  /** `seed`: 32 random bytes. */
  readonly random: { readonly seed: () => Buffer };
};

/** What services may be. */
export type ServiceRules = Pick<PoolRules, "mostMembers"> & {
  /** Ports that gateways need for themselves. */
  readonly reservedPorts: readonly number[];
  /** Domains that are the service's own, with all below them. */
  readonly reservedDomains: readonly string[];
  /** Names of the zones there are, for the policy `location`. */
  readonly zones: readonly string[];
};

/** A service as an operator asks for one. */
export type WantedService = Omit<DeclaredService, "members">;

/** A refusal: what is wrong with what was asked for. */
export type Refused = { readonly kind: "refused"; readonly reason: string };

/** Declares a service. */
export async function declareService(
  ports: ManageServicesPorts,
  rules: ServiceRules,
  by: string,
  wanted: WantedService,
): Promise<
  { readonly kind: "declared" | "name-taken" } | { readonly kind: "conflict"; readonly reason: string } | Refused
> {
  const reason = faultOf(wanted, rules);
  if (reason !== undefined) return { kind: "refused", reason };
  const result = await ports.store.services.add(wanted, ports.clock());
  if (result.kind === "declared") {
    const { name, protocol, port, names, policy } = wanted;
    const at = names.length === 0 ? `port ${port}` : `port ${port} by ${names.join(", ")}`;
    await noteAct(ports, by, {
      kind: "add-service",
      reason: `${name} is carried from now on: ${protocol} at ${at}, ${policy}`,
      data: { service: name },
    });
  }
  return result;
}

/** Changes how a service's members are chosen and probed. */
export async function changeService(
  ports: ManageServicesPorts,
  rules: ServiceRules,
  by: string,
  name: string,
  change: ServiceChange,
): Promise<{ readonly kind: "changed" | "unknown" } | Refused> {
  if (change.policy === "location" && rules.zones.length === 0) return { kind: "refused", reason: NO_ZONES };
  if (!(await ports.store.services.change(name, change))) return { kind: "unknown" };
  const told = [change.policy, change.probe && `probed by ${change.probe.kind}`].filter(Boolean).join(", ");
  await noteAct(ports, by, { kind: "change-service", reason: `${name} is ${told} now`, data: { service: name } });
  return { kind: "changed" };
}

/** Removes a service with its members. A pool in Redis stays as it is. False when there is none of this name. */
export async function removeService(ports: ManageServicesPorts, by: string, name: string): Promise<boolean> {
  if (!(await ports.store.services.remove(name))) return false;
  await noteAct(ports, by, {
    kind: "remove-service",
    reason: `${name} is carried no longer`,
    data: { service: name },
  });
  return true;
}

/** A member as an operator asks for one. */
export type WantedMember = Omit<Member, "address"> & { readonly address: string };

/**
 * Adds a member, or changes the one of this address. That of a pool in Redis is added to its key, and has neither
 * weight, zone nor drain.
 */
export async function putMember(
  ports: ManageServicesPorts,
  rules: ServiceRules,
  by: string,
  name: string,
  wanted: WantedMember,
): Promise<{ readonly kind: "added" | "changed" | "unchanged" | "unknown" } | Refused> {
  const service = await findService(ports, name);
  if (!service) return { kind: "unknown" };
  const reading = readAddress(wanted.address, anywhere);
  if (reading.kind === "refused") return reading;
  const member = { ...wanted, address: reading.address };
  if (member.zone !== null && !rules.zones.includes(member.zone))
    return { kind: "refused", reason: `There is no zone ${shown(member.zone)}: SERVICE_ZONES names all of them.` };
  const result = await (service.poolKey === null
    ? ports.store.services.putMember(name, member, rules.mostMembers)
    : addToPool(ports, rules, service.poolKey, member));
  if (typeof result === "object") return result;
  if (result === "full")
    return { kind: "refused", reason: `The service has the ${rules.mostMembers} members that it may have.` };
  if (result === "added" || result === "changed") {
    const { address, weight, zone, isDraining } = member;
    const told = [`weight ${weight}`, zone && `zone ${zone}`, isDraining && "draining"].filter(Boolean).join(", ");
    await noteAct(ports, by, {
      kind: "change-service",
      reason: `${name} has the member ${address.text}: ${told}`,
      data: { service: name },
    });
  }
  return { kind: result };
}

/** Removes a member; its connections get some time to end. False when there is no such member. */
export async function removeMember(
  ports: ManageServicesPorts,
  rules: ServiceRules,
  by: string,
  name: string,
  address: string,
): Promise<boolean> {
  const service = await findService(ports, name);
  if (!service) return false;
  const reading = readAddress(address, anywhere);
  const text = reading.kind === "address" ? reading.address.text : address;
  const isRemoved =
    service.poolKey === null
      ? await ports.store.services.removeMember(name, text)
      : (
          await ports.pools.change(service.poolKey, (pool) =>
            applyMessage(pool, { kind: "remove", entry: address }, { own: anywhere.own, ...rules }),
          )
        ).kind === "changed";
  if (isRemoved)
    await noteAct(ports, by, {
      kind: "change-service",
      reason: `${name} has the member ${shown(text)} no longer`,
      data: { service: name },
    });
  return isRemoved;
}

/** Lets a host announce applications. The password is in the result and nowhere else. */
export async function addAnnouncer(
  ports: ManageServicesPorts,
  by: string,
  name: string,
  applications: readonly string[] | null,
): Promise<{ readonly kind: "added"; readonly password: string } | { readonly kind: "name-taken" }> {
  const announcer = { name, applications, nonce: ports.random.seed(), createdAt: ports.clock(), createdBy: by };
  if (!(await ports.store.announcers.add(announcer))) return { kind: "name-taken" };
  await ports.announcerUsers.grant(announcer);
  const what = applications === null ? "any application" : applications.join(", ");
  await noteAct(ports, by, { kind: "add-announcer", reason: `${name} may announce ${what}` });
  return { kind: "added", password: ports.announcerUsers.passwordOf(announcer) };
}

/** Lets a host announce nothing more: what it has announced ends within its key's time. False when it is none. */
export async function removeAnnouncer(ports: ManageServicesPorts, by: string, name: string): Promise<boolean> {
  if (!(await ports.store.announcers.remove(name))) return false;
  await ports.announcerUsers.revoke(name);
  await noteAct(ports, by, { kind: "remove-announcer", reason: `${name} may announce nothing more` });
  return true;
}

const NO_ZONES = "The policy location needs zones, and SERVICE_ZONES names none.";

/** Gateways alone know their own addresses, and leave them out. */
const anywhere: AddressRules = { own: { ips: [], ports: [] } };

function faultOf(service: WantedService, { reservedPorts, reservedDomains, zones }: ServiceRules): string | undefined {
  const { port, protocol, names, policy, poolKey } = service;
  if (reservedPorts.includes(port)) return `Port ${port} is one that gateways need for themselves.`;
  const wrong = names.find((name) => !isDomain(name));
  if (wrong !== undefined) return `${shown(wrong)} must be a domain in full, in small letters and without a wildcard.`;
  const own = names.find((name) => reservedDomains.some((reserved) => isWithin(name, reserved)));
  if (own !== undefined) return `${own} belongs to this service itself.`;
  if (protocol === "tcp" && names.length > 0) return "A tcp service has no names: whoever connects tells none.";
  if (policy === "location" && zones.length === 0) return NO_ZONES;
  if (policy === "location" && poolKey !== null)
    return "Members of a pool in Redis have no zones: choose another policy, or declare the members.";
  return undefined;
}

async function findService({ store }: ManageServicesPorts, name: string): Promise<DeclaredService | undefined> {
  return (await store.services.list()).find((service) => service.name === name);
}

async function addToPool(
  { pools }: ManageServicesPorts,
  rules: ServiceRules,
  key: string,
  { address, weight, zone, isDraining }: Member,
): Promise<"added" | "unchanged" | Refused> {
  if (weight !== 1 || zone !== null || isDraining)
    return { kind: "refused", reason: "Members of a pool in Redis have neither weight nor zone, and do not drain." };
  const change = await pools.change(key, (text) =>
    applyMessage(text, { kind: "add", entry: address.text }, { own: anywhere.own, ...rules }),
  );
  if (change.kind === "refused") return change;
  return change.kind === "changed" ? "added" : "unchanged";
}
