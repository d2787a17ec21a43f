import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { addressKey } from "../../core/instances/quota.ts";

/**
 * Key of the caller's address, see {@link addressKey}. A trusted proxy may name something that is no address
 * ("unknown", or an address with a port): its own address counts then, so that nobody avoids the limits that
 * way.
 */
export function callerKey(request: FastifyRequest): string {
  const { remoteAddress } = request.socket;
  // A closed connection has no address any more, and nobody waits for the answer.
  return addressKey(isIP(request.ip) !== 0 ? request.ip : (remoteAddress ?? "::"));
}
