import type { FastifyError } from "fastify";
import { Unavailable } from "../core/domain/unavailable.ts";
import type { ChangeLeaseResult } from "../core/actions/change-lease.ts";
import type { CreateResult } from "../core/actions/create-instance.ts";

/** A refusal or fault as a caller sees it (RFC 9457), with the seconds after which to try again. */
export type Problem = {
  readonly type: `urn:getaredis:${string}`;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly retryAfterSeconds?: number;
};

/** Carries a problem through Fastify's error handling, for hooks that can only throw. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** Every refusal that a caller can get, by name: the one place that knows statuses. */
export const problems = {
  invalid: (detail: string): Problem => ({ type: "urn:getaredis:invalid-request", title: "The request is not valid", status: 400, detail }),
  unreadable: (status: number, detail: string): Problem => ({ type: "urn:getaredis:unreadable-request", title: "The request could not be read", status, detail }),
  tokenMissing: (): Problem => ({ type: "urn:getaredis:token-missing", title: "A token is needed", status: 401, detail: "Send the token that came with the instance as the header Authorization: Bearer <token>." }),
  opsTokenMissing: (): Problem => ({ type: "urn:getaredis:token-missing", title: "A token is needed", status: 401, detail: "Send the operator's token as the header Authorization: Bearer <token>." }),
  tokenWrong: (): Problem => ({ type: "urn:getaredis:token-wrong", title: "The token does not fit", status: 403, detail: "This token does not give access here. Check that it was copied whole." }),
  crossSite: (): Problem => ({ type: "urn:getaredis:cross-site", title: "Another site sent this request", status: 403, detail: "Open the page of this service and press the button there." }),
  noRoute: (method: string, path: string): Problem => ({ type: "urn:getaredis:not-found", title: "There is nothing here", status: 404, detail: `${method} ${path} is not something this service answers; see /docs.` }),
  nothingOfThatName: (): Problem => ({ type: "urn:getaredis:not-found", title: "There is nothing here", status: 404, detail: "Nothing has an id or name of this shape." }),
  noInstance: (): Problem => ({ type: "urn:getaredis:not-found", title: "No such instance", status: 404, detail: "No instance has this id. It may have ended so long ago that it is forgotten." }),
  noHost: (): Problem => ({ type: "urn:getaredis:not-found", title: "No such host", status: 404, detail: "No host has this name; GET /ops/api/hosts lists them." }),
  wrongMethod: (method: string, path: string, allowed: readonly string[]): Problem => ({ type: "urn:getaredis:method-not-allowed", title: "The method does not fit", status: 405, detail: `${method} is not for ${path}; it takes ${allowed.join(", ")}.` }),
  notAcceptable: (): Problem => ({ type: "urn:getaredis:not-acceptable", title: "No such format", status: 406, detail: "This service answers as application/json, text/plain or text/html; adapt the Accept header." }),
  ended: (): Problem => ({ type: "urn:getaredis:instance-ended", title: "The instance has ended", status: 409, detail: "Its lease is over and cannot be changed any more. Get another one." }),
  rateLimited: (retryAfterSeconds: number, limit: number): Problem => ({ type: "urn:getaredis:rate-limited", title: "Too many requests", status: 429, detail: `Your address may make ${limit} such requests a minute. Try again in ${retryAfterSeconds} s.`, retryAfterSeconds }),
  internal: (): Problem => ({ type: "urn:getaredis:internal", title: "Something broke on our side", status: 500, detail: "It has been written down. Try again." }),
  unavailable: (): Problem => ({ type: "urn:getaredis:unavailable", title: "Not available right now", status: 503, detail: "A part of this service does not answer. Try again in a few seconds.", retryAfterSeconds: 5 }),
} as const;

/** The problem of a hand-out that came to nothing. `now` dates the advice when to try again. */
export function problemOfCreate(result: Exclude<CreateResult, { kind: "created" }>, now: Date): Problem {
  switch (result.kind) {
    case "lease-out-of-bounds":
      return problems.invalid(`ttlSeconds must be from ${result.leastSeconds} to ${result.mostSeconds}.`);
    case "quota-exceeded": {
      const seconds = Math.max(1, Math.ceil((result.nextFreeAt.getTime() - now.getTime()) / 1000));
      return {
        type: "urn:getaredis:quota-exceeded",
        title: "Your address has all its instances",
        status: 403,
        detail: `An address may hold ${result.quota} at once. End one of them, or wait ${duration(seconds)}: that is when the first one ends by itself.`,
      };
    }
    case "no-capacity":
      return { type: "urn:getaredis:no-capacity", title: "No room right now", status: 503, detail: capacityDetails[result.reason], retryAfterSeconds: result.reason === "no-open-host" ? 10 : 5 };
    case "idempotency-key-reused":
      return { type: "urn:getaredis:idempotency-key-reused", title: "The idempotency key is taken", status: 409, detail: "This Idempotency-Key came before with another request. Use a new key for a new request." };
    case "idempotency-key-in-progress":
      return { type: "urn:getaredis:idempotency-key-in-progress", title: "The first request is still at work", status: 503, detail: "The first request with this Idempotency-Key has no answer yet. Send it again in a moment.", retryAfterSeconds: 2 };
    case "abandoned":
      return { type: "urn:getaredis:abandoned", title: "The caller hung up", status: 499, detail: "The connection closed before the instance was ready, so it was taken back." };
  }
}

const capacityDetails: Readonly<Record<Extract<CreateResult, { kind: "no-capacity" }>["reason"], string>> = {
  "fleet-unseen": "The service cannot see its hosts at this moment. Nothing was handed out; try again in a few seconds.",
  "no-open-host": "No host can take another instance at this moment. Nothing was handed out; try again in a while.",
  "hosts-failed": "The hosts with room did not get an instance going. Nothing was handed out; try again in a few seconds.",
  "too-slow": "Getting an instance going took too long, so it was taken back. Try again in a few seconds.",
};

/** The problem of a lease that was not changed. */
export function problemOfChange(result: Exclude<ChangeLeaseResult, { kind: "changed" }>): Problem {
  if (result.kind === "not-running") return problems.ended();
  return result.mostSeconds < result.leastSeconds
    ? problems.invalid("This instance has reached its longest lifetime; it cannot be extended.")
    : problems.invalid(`ttlSeconds must be from ${result.leastSeconds} to ${result.mostSeconds}, counted from now.`);
}

/** The problem of anything thrown while a request was handled. Statuses of 500 and above reveal nothing. */
export function problemOfFault(fault: unknown): Problem {
  if (fault instanceof ProblemError) return fault.problem;
  if (fault instanceof Unavailable) return problems.unavailable();
  const { code = "", statusCode, validation } = fault as Partial<FastifyError>;
  if (validation) return problems.invalid(sentence((fault as Error).message));
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return problems.unreadable(statusCode, unreadable[code] ?? sentence((fault as Error).message));
  return problems.internal();
}

/** What Fastify finds wrong before a handler sees the request, in our words. */
const unreadable: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "Send a body as application/json, or as a form (application/x-www-form-urlencoded).",
  FST_ERR_CTP_INVALID_JSON_BODY: "The body is not valid JSON.",
  FST_ERR_CTP_BODY_TOO_LARGE: "The body has more than 16 KiB.",
};

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Seconds in words, rounded up to the unit that fits: "40 s", "12 min", "3 h". */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.ceil(seconds / 3600)} h`;
}
