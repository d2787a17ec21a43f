import { BlockList, isIP } from "node:net";

/** Networks that have a name, as the setting TRUST_PROXY takes them. */
const named: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  linklocal: ["169.254.0.0/16", "fe80::/10"],
  uniquelocal: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
};

/**
 * A test whether an address is one of these: addresses, networks in CIDR notation, and names of networks. What is no
 * address is in none.
 */
export function inNetworks(entries: readonly string[]): (address: string | undefined) => boolean {
  const networks = new BlockList();
  for (const entry of entries.flatMap((entry) => named[entry] ?? [entry])) {
    const [address = "", bits] = entry.split("/");
    if (bits === undefined) networks.addAddress(address, familyOf(address));
    else networks.addSubnet(address, Number(bits), familyOf(address));
  }
  return (address) => address !== undefined && isIP(address) !== 0 && networks.check(address, familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 4 ? "ipv4" : "ipv6";
}
