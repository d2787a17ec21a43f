import { isIP } from "node:net";

/** Which names in a request's Host header this service answers to. */
export type HostRules = {
  /** Names in small letters, or "*" for all; undefined when the operator has named none. */
  readonly allowed: "*" | readonly string[] | undefined;
  /** Names or addresses that the other settings give this service. */
  readonly own: readonly string[];
};

/**
 * Whether this service answers to a name. A page of another site can have its own name lead to this machine (DNS
 * rebinding), and browsers would let it read the answers then. Addresses and localhost cannot be taken that way.
 * @param hostname from the Host header, without its port; "" when there is none, which no browser does
 * @param isFromProxy whether a trusted proxy sent the request: it decides which names reach us, unless the
 *   operator has named some
 */
export function isServed(hostname: string, { allowed, own }: HostRules, isFromProxy: boolean): boolean {
  const name = hostname.toLowerCase().replace(/\.$/, "");
  if (name === "" || name === "localhost" || isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0) return true;
  if (allowed === "*") return true;
  if ([...own, ...(allowed ?? [])].some((each) => each.toLowerCase() === name)) return true;
  return allowed === undefined && isFromProxy;
}
