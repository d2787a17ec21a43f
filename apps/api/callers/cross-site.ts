import type { FastifyRequest } from "fastify";

/**
 * Whether a browser sends this for a page of another site. It says so in Sec-Fetch-Site, but only over
 * https and to loopback; over plain http the Origin of a POST is what tells. Programs send neither.
 */
export function isCrossSite(request: FastifyRequest): boolean {
  const { "sec-fetch-site": site, origin } = request.headers;
  if (site !== undefined) return site === "cross-site";
  // "null" is what a page sends that hides where it is.
  return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== request.host.toLowerCase());
}
