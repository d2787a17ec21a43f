import ipaddr from "ipaddr.js";

/** Name of the listed network that an address's key is in, see `addressKey`; undefined when it is in none. */
export type ListedNetworks = (address: string) => string | undefined;

/** No network is listed. */
export const noNetworks: ListedNetworks = () => undefined;

const LONGEST_NAME = 56;
/** IPv6 addresses are counted by their /64: a list cannot tell apart what is inside one. */
const LONGEST_IPV6_PREFIX = 64;

/**
 * Reads a list of networks: one CIDR a line, and behind it the name that it shares with others; without a name
 * it stands for itself. `#` begins a comment. Of several networks that an address is in, the smallest counts.
 * @throws with the number of the first line that is wrong
 */
export function readListedNetworks(list: string): ListedNetworks {
  /** Names by network, for each kind and length of prefix that occurs. */
  const byPrefix = new Map<string, { readonly prefix: number; readonly names: Map<string, string> }>();
  for (const [index, line] of list.split("\n").entries()) {
    const [cidr, name] = splitLine(line);
    if (cidr === "") continue;
    const fault = faultOf(cidr, name);
    if (fault !== undefined) throw new Error(`line ${index + 1}, "${line.trim()}": ${fault}`);
    const [base, prefix] = ipaddr.parseCIDR(cidr);
    const length = `${base.kind()}/${prefix}`;
    const { names } = byPrefix.get(length) ?? { names: new Map<string, string>() };
    names.set(maskedKey(base, prefix), name === "" ? cidr : name);
    byPrefix.set(length, { prefix, names });
  }
  const smallestFirst = [...byPrefix].sort(([, one], [, other]) => other.prefix - one.prefix);

  return (address) => {
    const parsed = ipaddr.parse(address.replace(/\/64$/, ""));
    for (const [length, { prefix, names }] of smallestFirst) {
      if (!length.startsWith(parsed.kind())) continue;
      const name = names.get(maskedKey(parsed, prefix));
      if (name !== undefined) return name;
    }
    return undefined;
  };
}

function splitLine(line: string): [cidr: string, name: string] {
  const [, cidr = "", name = ""] = /^(\S*)\s*(.*)$/.exec(line.replace(/#.*/, "").trim()) ?? [];
  return [cidr, name];
}

function faultOf(cidr: string, name: string): string | undefined {
  if (!ipaddr.isValidCIDR(cidr)) return "it must begin with a network such as 203.0.113.0/24 or 2001:db8::/32";
  const [base, prefix] = ipaddr.parseCIDR(cidr);
  if (base.kind() === "ipv6" && prefix > LONGEST_IPV6_PREFIX)
    return `an IPv6 network must be a /${LONGEST_IPV6_PREFIX} or larger`;
  if (name.length > LONGEST_NAME || !/^[\x20-\x7e]*$/.test(name))
    return `a name must have ${LONGEST_NAME} ASCII characters at most`;
  return undefined;
}

/** The bits of an address that a prefix covers, the rest cleared. */
function maskedKey(address: ipaddr.IPv4 | ipaddr.IPv6, prefix: number): string {
  return address
    .toByteArray()
    .map((byte, index) => byte & (0xff << Math.min(8, Math.max(0, 8 * (index + 1) - prefix))) & 0xff)
    .join(".");
}
