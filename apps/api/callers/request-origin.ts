import type { FastifyRequest } from "fastify";

/** Where a request comes from, by what browsers say of their pages. */
export type RequestOrigin =
  /** Our own page, on this host and port; or what a person has typed or opened by a bookmark. */
  | "own page"
  /** Another port or subdomain of ours, or a browser whose headers contradict each other. */
  | "same site"
  /** A page of somebody else, or one that hides where it is. */
  | "other site"
  /** A program: browsers always send one of the two headers with what changes something. */
  | "no browser";

/**
 * Reads where a request comes from. Browsers send Sec-Fetch-Site, but only over https and to loopback; over plain
 * http the Origin of a POST is what tells.
 */
export function requestOrigin(request: FastifyRequest): RequestOrigin {
  const { "sec-fetch-site": site, origin } = request.headers;
  // "null" is the origin of a page that hides where it is.
  const isOurs = origin !== undefined && URL.canParse(origin) && new URL(origin).host === request.host.toLowerCase();
  if (site === "cross-site") return "other site";
  if (site === "same-origin" || site === "none") return origin === undefined || isOurs ? "own page" : "same site";
  if (site !== undefined) return "same site";
  if (origin === undefined) return "no browser";
  return isOurs ? "own page" : "other site";
}

/** For what anybody may ask: only pages of other sites are refused, which would spend their visitors' quota. */
export function isFromOtherSite(request: FastifyRequest): boolean {
  return requestOrigin(request) === "other site";
}

/**
 * For what a cookie gives the right to, which a browser sends by itself: nothing but our own page and programs may
 * ask. Another port or subdomain of ours is another page.
 */
export function isFromOwnPage(request: FastifyRequest): boolean {
  const origin = requestOrigin(request);
  return origin === "own page" || origin === "no browser";
}
