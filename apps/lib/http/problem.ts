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
  /** How to authenticate, with status 401: values of `WWW-Authenticate` (RFC 9110). */
  readonly challenges?: readonly string[];
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

/** What all problems of one `type` have in common. */
export type ProblemType = {
  /** The status that it comes with, unless `when` names others. */
  readonly status: number;
  readonly title: string;
  /** When it comes, in a sentence for the API's reference. */
  readonly when: string;
};

/** Types that any of our HTTP servers may answer with, by the last part of their URN. */
export const generalProblemTypes = {
  "invalid-request": {
    status: 400,
    title: "Invalid request",
    when: "A field of the body, a parameter or a header is missing, unknown or out of its bounds.",
  },
  "unreadable-request": {
    status: 400,
    title: "The request could not be read",
    when:
      "The body is not what its Content-Type says. 408 when the request took too long, 413 when its body is too " +
      "large, 415 when its Content-Type is not taken, 431 when its headers are too large.",
  },
  "method-not-allowed": {
    status: 405,
    title: "Method not allowed",
    when: "The path exists and takes other methods, which the header Allow lists.",
  },
  "rate-limited": {
    status: 429,
    title: "Too many requests",
    when: "The IP address has made too many requests within a minute. Retry-After says when to come back.",
  },
  internal: {
    status: 500,
    title: "Something went wrong on our side",
    when: "The service has a fault, which has been logged.",
  },
  unavailable: {
    status: 503,
    title: "Temporarily unavailable",
    when: "A part of the service does not answer, such as its database. Retry-After says when to come back.",
  },
} as const satisfies Readonly<Record<string, ProblemType>>;

/** Makes problems of these types: `detail` says what happened in this case, why, and what to do next. */
export function problemsOf<Name extends string>(types: Readonly<Record<Name, ProblemType>>) {
  return (name: Name, detail: string, more: Partial<Problem> = {}): Problem => ({
    type: `urn:getaredis:${name}`,
    title: types[name].title,
    status: types[name].status,
    detail,
    ...more,
  });
}

const problem = problemsOf(generalProblemTypes);

/** Refusals that any of our HTTP servers may give. */
export const generalProblems = {
  invalid: (detail: string) => problem("invalid-request", detail),
  unreadable: (status: number, detail: string) => problem("unreadable-request", detail, { status }),
  wrongMethod: (method: string, path: string, allowed: readonly string[]) =>
    problem("method-not-allowed", `${path} does not take ${method}. It takes ${allowed.join(", ")}.`),
  rateLimited: (retryAfterMs: number, limit: number) => {
    const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    return problem(
      "rate-limited",
      `Your IP address may make ${limit} requests of this kind a minute. Try again in ${retryAfterSeconds} s.`,
      { retryAfterSeconds },
    );
  },
  internal: () => problem("internal", "The fault has been logged. Try again."),
  unavailable: () =>
    problem("unavailable", "A part of this service does not answer. Try again in a few seconds.", {
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
