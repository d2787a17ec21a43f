import rateLimit from "@fastify/rate-limit";
import type { Redis } from "ioredis";
import { ProblemError } from "../../lib/http/problem.ts";
import type { App } from "../app.ts";
import { callerKey } from "../callers/caller-key.ts";
import { problems } from "../problems/problems.ts";

/** What the limits need. */
export type RateLimitParts = {
  /**
   * Redis that all replicas count in; while it does not answer, no request is limited. Without Redis, this
   * process counts on its own.
   */
  readonly rateLimitRedis: Redis | undefined;
  readonly settings: { readonly requestsPerMinute: number };
};

/** Limits the requests of each address; routes may have limits of their own. */
export async function limitRates(app: App, { rateLimitRedis, settings }: RateLimitParts): Promise<void> {
  await app.register(rateLimit, {
    max: settings.requestsPerMinute,
    timeWindow: "1 minute",
    redis: rateLimitRedis,
    nameSpace: "rate:",
    skipOnError: true,
    keyGenerator: callerKey,
    errorResponseBuilder: (_request, context) => new ProblemError(problems.rateLimited(context.ttl, context.max)),
  });
}
