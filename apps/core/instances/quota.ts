import ipaddr from "ipaddr.js";

/**
 * The key under which an address is counted: an IPv4 address as it is (also when it comes mapped into IPv6), an
 * IPv6 address by its /64, the smallest block that a provider gives to one customer (RFC 6177). Shape:
 * "203.0.113.9" or "2001:db8:1:2::/64".
 * @throws when `address` is no IP address
 */
export function addressKey(address: string): string {
  const parsed = ipaddr.process(address.replace(/%.*$/, ""));
  if (parsed.kind() === "ipv4") return parsed.toString();
  const network = [...(parsed as ipaddr.IPv6).parts.slice(0, 4), 0, 0, 0, 0];
  return `${new ipaddr.IPv6(network).toRFC5952String()}/64`;
}

/**
 * The key of the network that an address is in, out of the address's own key: the /24 of IPv4, the /48 of IPv6,
 * which is what a provider gives to one site. Shape: "203.0.113.0/24" or "2001:db8:1::/48".
 */
export function networkKey(address: string): string {
  const parsed = ipaddr.parse(address.replace(/\/64$/, ""));
  if (parsed.kind() === "ipv4") return `${parsed.toString().replace(/\d+$/, "0")}/24`;
  const network = [...(parsed as ipaddr.IPv6).parts.slice(0, 3), 0, 0, 0, 0, 0];
  return `${new ipaddr.IPv6(network).toRFC5952String()}/48`;
}
