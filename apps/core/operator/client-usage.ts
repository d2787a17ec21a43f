import ipaddr from "ipaddr.js";
import { addressKey } from "../instances/quota.ts";

/** How an instance is used by those who know its password; nobody else can change these figures. */
export type ClientUsage = {
  /** Log-ins since its server began, repeated ones on a connection included. */
  readonly logins: number;
  /** Addresses, an IPv6 /64 as one, that have subscribed to channels now. */
  readonly subscribers: number;
};

/**
 * Asks an instance how it is used, as its user `watch`, within `withinMs` in all. Undefined when it
 * does not answer in time, or not to this password: it may be older than that user.
 */
export type ReadClientUsage = (
  host: string,
  port: number,
  password: string,
  withinMs: number,
) => Promise<ClientUsage | undefined>;

/**
 * Usage out of the answers to INFO commandstats and CLIENT LIST TYPE pubsub. Connections are not counted: strangers
 * make them, too. A wrong password is a call that failed. What no Redis tells is passed over: a holder may have taken
 * over the server.
 */
export function clientUsageOf(commandStats: string, subscribedClients: string): ClientUsage {
  const stats = commandStats.matchAll(/^cmdstat_(?:auth|hello):calls=(\d{1,15}),.*\bfailed_calls=(\d{1,15})\b/gm);
  const logins = [...stats].reduce((sum, [, calls, failed]) => sum + Number(calls) - Number(failed), 0);
  // From the beginning of the line: a client may choose a name that looks like another address.
  const clients = subscribedClients.matchAll(/^id=\d+ addr=(?:([\d.]+)|\[([\da-f:.]+)\]):\d+ /gm);
  const addresses = [...clients].map(([, ipv4, ipv6 = ""]) => ipv4 ?? ipv6).filter((each) => ipaddr.isValid(each));
  return { logins: Math.max(0, logins), subscribers: new Set(addresses.map(addressKey)).size };
}
