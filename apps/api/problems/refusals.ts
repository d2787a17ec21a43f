import type { FastifyRequest } from "fastify";

const refusals = new WeakMap<FastifyRequest, string>();

/** Notes why a request is refused, for its line in the log. The first note counts: it knows most. */
export function noteRefusal(request: FastifyRequest, reason: string): void {
  if (!refusals.has(request)) refusals.set(request, reason);
}

/** Why a request was refused; undefined when it was not. */
export function refusalOf(request: FastifyRequest): string | undefined {
  return refusals.get(request);
}
