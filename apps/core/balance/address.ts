import ipaddr from "ipaddr.js";

/** Where a member is, in the one form in which it is compared and written: `192.0.2.5:6000` or `[2001:db8::5]:6000`. */
export type MemberAddress = { readonly text: string; readonly ip: string; readonly port: number };

/** A text as a member's address, or why it is none. */
export type AddressReading =
  { readonly kind: "address"; readonly address: MemberAddress } | { readonly kind: "refused"; readonly reason: string };

/** What gateways themselves answer at, this one and its peers: a member there would send connections in a circle. */
export type OwnAddresses = { readonly ips: readonly string[]; readonly ports: readonly number[] };

/** Which addresses may be members. */
export type AddressRules = {
  readonly own: OwnAddresses;
  /** Networks in CIDR notation that a member must be in one of; undefined for any. */
  readonly networks?: readonly string[] | undefined;
};

const LONGEST = 64;
/**
 * Kinds of addresses that no member has. Among link-local ones is the metadata service of clouds, which tells secrets
 * to whoever asks from the machine itself.
 */
const refusedRanges: Readonly<Record<string, string>> = {
  unspecified: "is no address of a machine",
  broadcast: "is a broadcast address",
  multicast: "is a multicast address",
  linkLocal: "is a link-local address",
};

/** Reads `ip:port`. A name is refused: what it means may change without anybody having said so. */
export function readAddress(text: string, { own, networks }: AddressRules): AddressReading {
  const refused = (reason: string): AddressReading => ({ kind: "refused", reason: `${shown(text)} ${reason}` });
  const [, inBrackets, plain, digits = ""] =
    (text.length <= LONGEST && /^(?:\[([0-9a-fA-F:.]+)\]|(\d+\.\d+\.\d+\.\d+)):(\d{1,5})$/.exec(text)) || [];
  const ip = parseIp(inBrackets, plain);
  const port = Number(digits);
  if (!ip || port < 1 || port > 65_535)
    return refused("is no address of a member: it must be ip:port, such as 192.0.2.5:6000");
  const range = ip.range();
  if (refusedRanges[range] !== undefined) return refused(refusedRanges[range]);
  if (networks !== undefined && !networks.some((network) => isIn(ip, network)))
    return refused(`is in none of the networks that members may be in: ${networks.join(", ")}`);
  const address = addressOf(ip, port);
  if (own.ports.includes(port) && (range === "loopback" || own.ips.some((each) => isSame(ip, each))))
    return refused("is a gateway's own address: a connection would come back for ever");
  return { kind: "address", address };
}

/** An address that was read before, and kept as its text. @throws for any other text */
export function keptAddress(text: string): MemberAddress {
  const reading = readAddress(text, { own: { ips: [], ports: [] } });
  if (reading.kind === "refused") throw new Error(reading.reason);
  return reading.address;
}

/** The address at which a machine has a port. @param ip an IP address, else it throws */
export function addressAt(ip: string, port: number): MemberAddress {
  return addressOf(ipaddr.process(ip), port);
}

/** Short enough for a message, without line breaks and other characters that show as something else. */
export function shown(text: string): string {
  return JSON.stringify(text.slice(0, LONGEST)).replaceAll(/[^\x20-\x7e]/g, "?");
}

function parseIp(inBrackets: string | undefined, plain: string | undefined) {
  if (plain !== undefined) return ipaddr.IPv4.isValidFourPartDecimal(plain) ? ipaddr.IPv4.parse(plain) : undefined;
  // An IPv4 address in IPv6's clothes is that address.
  return inBrackets !== undefined && ipaddr.IPv6.isValid(inBrackets) ? ipaddr.process(inBrackets) : undefined;
}

function addressOf(ip: ipaddr.IPv4 | ipaddr.IPv6, port: number): MemberAddress {
  const isIpv4 = ip.kind() === "ipv4";
  const text = isIpv4 ? ip.toString() : (ip as ipaddr.IPv6).toRFC5952String();
  return { text: isIpv4 ? `${text}:${port}` : `[${text}]:${port}`, ip: text, port };
}

function isIn(ip: ipaddr.IPv4 | ipaddr.IPv6, network: string): boolean {
  const [base, bits] = ipaddr.parseCIDR(network);
  return base.kind() === ip.kind() && ip.match(base, bits);
}

function isSame(ip: ipaddr.IPv4 | ipaddr.IPv6, other: string): boolean {
  return ipaddr.isValid(other) && ipaddr.process(other).toNormalizedString() === ip.toNormalizedString();
}
