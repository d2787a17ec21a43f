import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { addressKey } from "../instances/quota.ts";

/**
 * Shortest and longest prefix of a network that can be blocked. A shorter one is a slip of the pen; IPv6 addresses
 * are counted by their /64, so there is nothing narrower to block.
 */
const prefixes = { ipv4: { least: 8, most: 32 }, ipv6: { least: 16, most: 64 } } as const;

/** A network as it is kept, see {@link readNetwork}, or why a text names none that can be blocked. */
export type NetworkReading =
  { readonly kind: "network"; readonly network: string } | { readonly kind: "refused"; readonly reason: string };

/**
 * Reads an address or a network in CIDR notation in its one form: "203.0.113.9", "203.0.113.0/24", "2001:db8::/48".
 * An IPv6 address means its /64, as everywhere.
 */
export function readNetwork(text: string): NetworkReading {
  const [, address = "", length] = /^([^/]*?)(?:\/(\d{1,3}))?$/.exec(text.trim()) ?? [];
  if (isIP(address) === 0) return refused(`${shown(text)} is neither an IP address nor a network such as 192.0.2.0/24`);
  if (length === undefined) return { kind: "network", network: addressKey(address) };
  const parsed = ipaddr.parse(address);
  const { least, most } = prefixes[parsed.kind()];
  const prefix = Number(length);
  if (prefix < least) return refused(`${shown(text)} is too wide: /${least} is the widest network that can be blocked`);
  if (prefix > most) {
    return refused(
      parsed.kind() === "ipv4"
        ? `${shown(text)} is no network: an IPv4 prefix has ${most} bits at most`
        : `${shown(text)} is too narrow: IPv6 addresses are counted by their /64, here ${networkOf(address, 64)}`,
    );
  }
  const network = networkOf(address, prefix);
  if (ipaddr.parse(withoutPrefix(network)).toNormalizedString() !== parsed.toNormalizedString())
    return refused(`${shown(text)} has bits set beyond its prefix: name the network ${network}, or the address alone`);
  return { kind: "network", network };
}

/**
 * Every network that can be blocked and holds an address or a whole network, that itself first.
 * @param network as {@link readNetwork} gives it, or the address as it is counted, see `addressKey`
 */
export function networksAround(network: string): readonly string[] {
  const address = withoutPrefix(network);
  const { isIpv6, prefix } = shapeOf(network);
  const { least } = prefixes[isIpv6 ? "ipv6" : "ipv4"];
  return Array.from({ length: prefix - least + 1 }, (_, step) => networkOf(address, prefix - step));
}

/**
 * Whether a network holds an address.
 * @param network as {@link readNetwork} gives it
 * @param key the address as it is counted, see `addressKey`; "" once it is erased
 */
export function holds(network: string, key: string): boolean {
  const address = withoutPrefix(key);
  const { isIpv6, prefix } = shapeOf(network);
  return isIP(address) === (isIpv6 ? 6 : 4) && networkOf(address, prefix) === network;
}

/** First and last address of a network, as bytes in their order: 4 of them for IPv4, 16 for IPv6. */
export function edgesOf(network: string): { readonly first: Buffer; readonly last: Buffer } {
  const first = Buffer.from(ipaddr.parse(withoutPrefix(network)).toByteArray());
  const { prefix } = shapeOf(network);
  return { first, last: first.map((byte, index) => byte | (0xff >> onesIn(prefix, index))) as Buffer };
}

/** The network of `prefix` bits around an address, in the form that addresses are counted by where it is one of them. */
function networkOf(address: string, prefix: number): string {
  const parsed = ipaddr.parse(address);
  const bytes = parsed.toByteArray().map((byte, index) => byte & ~(0xff >> onesIn(prefix, index)) & 0xff);
  const base = ipaddr.fromByteArray(bytes);
  if (base.kind() === "ipv4") return prefix === 32 ? base.toString() : `${base.toString()}/${prefix}`;
  return `${(base as ipaddr.IPv6).toRFC5952String()}/${prefix}`;
}

/** How many of the bits of a byte belong to a prefix. */
function onesIn(prefix: number, index: number): number {
  return Math.min(8, Math.max(0, prefix - 8 * index));
}

function shapeOf(network: string): { readonly isIpv6: boolean; readonly prefix: number } {
  const [address = "", prefix = "32"] = network.split("/");
  return { isIpv6: address.includes(":"), prefix: Number(prefix) };
}

function withoutPrefix(network: string): string {
  return network.replace(/\/.*$/, "");
}

function refused(reason: string): NetworkReading {
  return { kind: "refused", reason };
}

/** Short enough for a message, however long it is. */
function shown(text: string): string {
  return JSON.stringify(text.trim().slice(0, 60));
}
