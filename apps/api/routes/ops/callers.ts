import type { FastifyRequest } from "fastify";
import type { Caller } from "../../../core/operator/operators.ts";

const callers = new WeakMap<FastifyRequest, Caller>();

/** Notes who makes a request that has been admitted. */
export function noteCaller(request: FastifyRequest, caller: Caller): void {
  callers.set(request, caller);
}

/** Who makes an admitted request. @throws when nobody has admitted it: then a route has lost its guard */
export function callerOf(request: FastifyRequest): Caller {
  const caller = callers.get(request);
  if (!caller) throw new Error(`${request.method} ${request.routeOptions.url ?? ""} is not guarded`);
  return caller;
}
