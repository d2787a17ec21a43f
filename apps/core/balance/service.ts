import type { MemberAddress } from "./address.ts";

/**
 * How a service chooses a member for a connection:
 * - `round-robin`: each in its turn, as often as its weight says;
 * - `least-connections`: the one with the fewest open connections for its weight;
 * - `consistent-hash`: always the same one for an address that connects, and few addresses move when a member goes;
 * - `location`: one in the zone of the address that connects; any other one while no member of that zone is up.
 */
export const policies = ["round-robin", "least-connections", "consistent-hash", "location"] as const;

/**
 * What the edge speaks:
 * - `tcp`: bytes, passed on as they come;
 * - `tls`: TLS, which ends at the edge; the bytes in it are passed on;
 * - `http`: HTTP by domain, in TLS that ends at the edge, and plain on port 80.
 */
export const protocols = ["tcp", "tls", "http"] as const;

/** By what a member is found to be up: it accepts a connection; it answers `GET` of a path; it answers PING as a Redis. */
export const probeKinds = ["tcp", "http", "redis"] as const;

export type Policy = (typeof policies)[number];
export type Protocol = (typeof protocols)[number];
export type Probe = { readonly kind: "tcp" | "redis" } | { readonly kind: "http"; readonly path: string };

/** Something that is reached at one address. */
export type Service = {
  readonly name: string;
  /** Port that the gateways listen on. */
  readonly port: number;
  readonly protocol: Protocol;
  /** Names in TLS, or domains in HTTP, in small letters; none for whoever comes to the port. */
  readonly names: readonly string[];
  readonly policy: Policy;
  readonly probe: Probe;
};

/** One target of a service. */
export type Member = {
  readonly address: MemberAddress;
  /** Share of the connections beside the other members', 1 to 256. */
  readonly weight: number;
  /** Where it is, for the policy `location`. */
  readonly zone: string | null;
  /** Takes no new connections; those that are open go on. */
  readonly isDraining: boolean;
};

/** A service with its members, as gateways carry it. */
export type Balanced = Service & { readonly members: readonly Member[] };

/** Whose addresses are in which zone, for the policy `location`. */
export type Zone = { readonly name: string; readonly networks: readonly string[] };

export const SERVICE_NAME_PATTERN = "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$";
export const ZONE_PATTERN = "^[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?$";
/** A path of HTTP, without what would end it in a configuration. */
export const PROBE_PATH_PATTERN = "^/[A-Za-z0-9/._~%=&?+-]{0,200}$";
export const MAX_MEMBER_WEIGHT = 256;
/** HTTP is plain here, and everywhere else in TLS. */
export const PLAIN_HTTP_PORT = 80;

const LONGEST_DOMAIN = 253;
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Whether a text is a domain in full, in small letters: no wildcard, no IP address, no dot at its end. */
export function isDomain(text: string): boolean {
  return text.length <= LONGEST_DOMAIN && DOMAIN.test(text);
}

/** Whether a domain is another one, or lies below it. */
export function isWithin(domain: string, other: string): boolean {
  return domain === other || domain.endsWith(`.${other}`);
}

/** A member of a pool that says nothing but where it is. */
export function plainMember(address: MemberAddress): Member {
  return { address, weight: 1, zone: null, isDraining: false };
}

/**
 * Why a service cannot be carried beside others; undefined when it can. Services share a port when they speak the same
 * there and are told apart by their names.
 */
export function conflictOf(service: Service, others: readonly Service[]): string | undefined {
  if (service.protocol === "tcp" && service.names.length > 0)
    return "A tcp service has no names: whoever connects to its port tells none.";
  for (const other of others) {
    if (other.name === service.name) continue;
    if (other.port !== service.port) continue;
    if (other.protocol !== service.protocol || service.protocol === "tcp")
      return `Port ${service.port} belongs to the ${other.protocol} service ${other.name}.`;
    if (service.names.length === 0 && other.names.length === 0)
      return `Whoever comes to port ${service.port} by any name belongs to the service ${other.name}.`;
    const name = service.names.find((each) => other.names.includes(each));
    if (name !== undefined) return `${name} on port ${service.port} belongs to the service ${other.name}.`;
  }
  return undefined;
}

/** Services by name, and the members of each by their address: every gateway has them in the same order. */
export function inOrder<S extends Balanced>(services: readonly S[]): readonly S[] {
  return services
    .map((service) => ({
      ...service,
      names: service.names.toSorted(),
      members: service.members.toSorted((a, b) => (a.address.text < b.address.text ? -1 : 1)),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
