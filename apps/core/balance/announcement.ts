import ipaddr from "ipaddr.js";
import { readAddress, shown, type AddressRules, type MemberAddress } from "./address.ts";
import { isDomain, isWithin, SERVICE_NAME_PATTERN } from "./service.ts";

/** One application as a host announces it. */
export type Application = {
  readonly name: string;
  /** Port that the gateways listen on. */
  readonly listenPort: number;
  readonly protocol: "http" | "tcp";
  /** In small letters, sorted; none with `tcp`. */
  readonly domains: readonly string[];
  /** Where the host itself serves it. */
  readonly target: MemberAddress;
};

/** Something in an announcement that is not followed, and why. */
export type RefusedPart = {
  /** Name of the application; null when it has none that can be told, or when the host's whole announcement is meant. */
  readonly application: string | null;
  readonly reason: string;
};

/** What a host announces now. */
export type Announcement = {
  readonly host: string;
  readonly applications: readonly Application[];
  readonly refused: readonly RefusedPart[];
};

/** What announcements may ask for. */
export type AnnouncementRules = AddressRules & {
  /** Ports that applications may listen on. */
  readonly listenPorts: readonly number[];
  /** Domains that are the service's own, with all below them. */
  readonly reservedDomains: readonly string[];
  /** Names of the applications that a host may announce; undefined for any. */
  readonly allowedTo: (host: string) => readonly string[] | undefined;
};

export const ANNOUNCEMENT_PREFIX = "app:";
/** Prefix of the Redis users that announcers log in as; others of the same Redis must not have it by chance. */
export const announcerUserPrefix = "getaredis-app-";
/** What a host that announces may be called: it stands in a key, in a user's name and in that user's rules. */
export const ANNOUNCER_NAME_PATTERN = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
/** What is longer is not read. */
export const LONGEST_ANNOUNCEMENT = 64_000;
export const MOST_APPLICATIONS = 200;
export const MOST_DOMAINS = 100;
/** The longest that an announcement may be set to last: a longer one would count as there long after its host is gone. */
export const LONGEST_LIFE_MS = 3_600_000;

const NAME = new RegExp(SERVICE_NAME_PATTERN);
const fields = ["name", "listen-port", "application-port", "protocol", "domains"];

/**
 * Reads the value of key `app:<host>`:
 * `{"address": "10.0.0.5", "applications": [{"name", "listen-port", "application-port", "protocol", "domains"}]}`.
 * Each field of each application is checked by itself: an application with a fault is left out and told, the others
 * are followed.
 * @param lifeMs time until the key expires; null when it never does
 */
export function readAnnouncement(
  host: string,
  text: string,
  lifeMs: number | null,
  rules: AnnouncementRules,
): Announcement {
  const refusedAsAWhole = (reason: string): Announcement => ({
    host,
    applications: [],
    refused: [{ application: null, reason }],
  });
  if (lifeMs === null || lifeMs > LONGEST_LIFE_MS)
    return refusedAsAWhole("its key must expire within an hour: it would stay when its host is gone");
  if (text.length > LONGEST_ANNOUNCEMENT)
    return refusedAsAWhole(`it is longer than ${LONGEST_ANNOUNCEMENT} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refusedAsAWhole("it is no JSON");
  }
  if (!isObject(value)) return refusedAsAWhole("it is no JSON object");
  const unknown = Object.keys(value).find((key) => key !== "address" && key !== "applications");
  if (unknown !== undefined) return refusedAsAWhole(`it has a field ${shown(unknown)}, which means nothing`);
  const { address, applications } = value;
  if (typeof address !== "string" || !ipaddr.isValid(address) || /[%\s]/.test(address))
    return refusedAsAWhole("address must be the host's IP address");
  if (!Array.isArray(applications)) return refusedAsAWhole("applications must be a list");
  if (applications.length > MOST_APPLICATIONS)
    return refusedAsAWhole(`it has more than ${MOST_APPLICATIONS} applications`);

  const read = new Map<string, Application>();
  const refused: RefusedPart[] = [];
  for (const each of applications as readonly unknown[]) {
    const reading = readApplication(each, host, ipaddr.process(address).toString(), rules);
    if ("reason" in reading) refused.push(reading);
    else if (read.has(reading.name)) refused.push({ application: reading.name, reason: "it is there twice" });
    else read.set(reading.name, reading);
  }
  return { host, applications: [...read.values()], refused };
}

function readApplication(
  value: unknown,
  host: string,
  ip: string,
  rules: AnnouncementRules,
): Application | RefusedPart {
  if (!isObject(value)) return { application: null, reason: "an application must be a JSON object" };
  const { name, protocol } = value;
  if (typeof name !== "string" || !NAME.test(name))
    return {
      application: null,
      reason: `name ${shown(String(name))} must be small letters, digits and dashes, 32 at most`,
    };
  const refused = (reason: string): RefusedPart => ({ application: name, reason });

  const unknown = Object.keys(value).find((key) => !fields.includes(key));
  if (unknown !== undefined) return refused(`it has a field ${shown(unknown)}, which means nothing`);
  const allowed = rules.allowedTo(host);
  if (allowed !== undefined && !allowed.includes(name)) return refused(`host ${host} may not announce it`);
  if (protocol !== "http" && protocol !== "tcp")
    return refused(`protocol ${shown(String(protocol))} must be http or tcp`);
  const listenPort = portIn(value["listen-port"]);
  if (listenPort === undefined) return refused("listen-port must be a port, 1 to 65535");
  if (!rules.listenPorts.includes(listenPort))
    return refused(`listen-port ${listenPort} must be one of ${rules.listenPorts.join(", ")}`);
  const port = portIn(value["application-port"]);
  if (port === undefined) return refused("application-port must be a port, 1 to 65535");
  const domains = domainsIn(value["domains"], protocol, rules);
  if (typeof domains === "string") return refused(domains);
  const target = readAddress(ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`, rules);
  if (target.kind === "refused") return refused(target.reason);
  return { name, listenPort, protocol, domains, target: target.address };
}

/** The domains of an application, or why they are none. */
function domainsIn(
  value: unknown,
  protocol: "http" | "tcp",
  { reservedDomains }: AnnouncementRules,
): readonly string[] | string {
  const given = value ?? [];
  if (!Array.isArray(given)) return "domains must be a list";
  if (protocol === "tcp")
    return given.length === 0 ? [] : "domains must be empty with tcp: whoever connects tells no domain";
  if (given.length === 0) return "domains must name one or more with http";
  if (given.length > MOST_DOMAINS) return `domains must be ${MOST_DOMAINS} at most`;
  const domains = new Set<string>();
  for (const each of given as readonly unknown[]) {
    const domain = typeof each === "string" ? each.toLowerCase() : "";
    if (!isDomain(domain)) return `domain ${shown(String(each))} must be a domain in full, without a wildcard`;
    const reserved = reservedDomains.find((own) => isWithin(domain, own));
    if (reserved !== undefined) return `domain ${domain} belongs to this service itself`;
    domains.add(domain);
  }
  return [...domains].sort();
}

/** A port, as a number or in digits. */
function portIn(value: unknown): number | undefined {
  const port = typeof value === "string" && /^[1-9]\d{0,4}$/.test(value) ? Number(value) : value;
  return typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535 ? port : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
