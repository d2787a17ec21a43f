import type { FastifyError, FastifyReply } from "fastify";
import { Unavailable } from "../unavailable.ts";

/** A refusal or fault as a caller sees it (RFC 9457), with the seconds after which to try again. */
export type Problem = {
  readonly type: `urn:getaredis:${string}`;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly retryAfterSeconds?: number;
  /** Whom to ask: a mail address or a URL. */
  readonly contact?: string;
  /** What a program needs besides, as further members of the body. */
  readonly members?: Readonly<Record<string, string | number>>;
};

/** Sends a problem as problem+json, whatever the caller accepts. */
export function sendAsJson(
  { type, title, status, detail, contact, members }: Problem,
  reply: FastifyReply,
): FastifyReply {
  return reply
    .code(status)
    .type("application/problem+json; charset=utf-8")
    .send(`${JSON.stringify({ type, title, status, detail, contact, ...members }, null, 2)}\n`);
}

/** Carries a problem through Fastify's error handling, for hooks that can only throw. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** Refusals that any of our HTTP servers may give. */
export const generalProblems = {
  invalid: (detail: string): Problem => ({
    type: "urn:getaredis:invalid-request",
    title: "The request is not valid",
    status: 400,
    detail,
  }),
  unreadable: (status: number, detail: string): Problem => ({
    type: "urn:getaredis:unreadable-request",
    title: "The request could not be read",
    status,
    detail,
  }),
  wrongMethod: (method: string, path: string, allowed: readonly string[]): Problem => ({
    type: "urn:getaredis:method-not-allowed",
    title: "The method does not fit",
    status: 405,
    detail: `${method} is not for ${path}; it takes ${allowed.join(", ")}.`,
  }),
  rateLimited: (retryAfterMs: number, limit: number): Problem => {
    const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    return {
      type: "urn:getaredis:rate-limited",
      title: "Too many requests",
      status: 429,
      detail: `Your address may make ${limit} such requests a minute. Try again in ${retryAfterSeconds} s.`,
      retryAfterSeconds,
    };
  },
  internal: (): Problem => ({
    type: "urn:getaredis:internal",
    title: "Something broke on our side",
    status: 500,
    detail: "It has been written down. Try again.",
  }),
  unavailable: (): Problem => ({
    type: "urn:getaredis:unavailable",
    title: "Not available right now",
    status: 503,
    detail: "A part of this service does not answer. Try again in a few seconds.",
    retryAfterSeconds: 5,
  }),
} as const;

/**
 * The problem of anything thrown while a request was handled. Statuses of 500 and above reveal nothing.
 * @param unreadable texts for what Fastify finds wrong before a handler sees the request
 */
export function problemOfFault(fault: unknown, unreadable: Readonly<Record<string, string>>): Problem {
  if (fault instanceof ProblemError) return fault.problem;
  if (fault instanceof Unavailable) return generalProblems.unavailable();
  const { code = "", statusCode, validation } = fault as Partial<FastifyError>;
  if (validation) return generalProblems.invalid(sentence((fault as Error).message));
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return generalProblems.unreadable(statusCode, unreadable[code] ?? sentence((fault as Error).message));
  return generalProblems.internal();
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
