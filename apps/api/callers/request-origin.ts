import type { FastifyRequest } from "fastify";

/** Where a request comes from, by the headers that browsers send. */
export type RequestOrigin =
  /** Our own page, on this host and port; or what a person has typed or opened by a bookmark. */
  | "own page"
  /** Another port or subdomain of ours, or a browser whose headers contradict each other. */
  | "same site"
  /** A page of another site, or one that hides its origin. */
  | "other site"
  /** A program: browsers always send one of the two headers with a request that changes something. */
  | "no browser";

/**
 * Reads where a request comes from. Browsers send Sec-Fetch-Site, but only over https and to loopback; over
 * plain http, only the Origin of a POST shows it.
 */
export function requestOrigin(request: FastifyRequest): RequestOrigin {
  const { "sec-fetch-site": site, origin } = request.headers;
  // "null" is the origin of a page that hides its origin.
  const isOurs = origin !== undefined && URL.canParse(origin) && new URL(origin).host === request.host.toLowerCase();
  if (site === "cross-site") return "other site";
  if (site === "same-origin" || site === "none") return origin === undefined || isOurs ? "own page" : "same site";
  if (site !== undefined) return "same site";
  if (origin === undefined) return "no browser";
  return isOurs ? "own page" : "other site";
}

/**
 * Whether a browser sent the request. Over plain http some of their requests carry neither header; then only the name
 * tells, which all of them begin alike.
 */
export function isBrowser(request: FastifyRequest): boolean {
  return requestOrigin(request) !== "no browser" || /^Mozilla\//.test(request.headers["user-agent"] ?? "");
}

/**
 * For calls that use what a browser gives to any page that has it call us, its address's quota or its cookie: only
 * our own page and programs may make them. Another port or subdomain of ours counts as another site.
 */
export function isFromOwnPage(request: FastifyRequest): boolean {
  const origin = requestOrigin(request);
  return origin === "own page" || origin === "no browser";
}
