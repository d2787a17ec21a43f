import type { ProblemName } from "./refusal-responses.ts";

declare module "fastify" {
  interface FastifySchema {
    /** Name of the call, for generated clients. */
    operationId?: string;
    /** Role of an operator that the call needs. */
    "x-role"?: string;
    /** Problem types that this call has besides those that follow from its form, see `refusalsOf`. */
    refusals?: readonly ProblemName[];
  }
}

/** What of a call decides how it can be refused. */
export type CallForm = {
  readonly method: string;
  readonly takesParams: boolean;
  readonly security: readonly Readonly<Record<string, unknown>>[];
  /** A probe is not rate-limited, and tells of faults in words of its own. */
  readonly isProbe: boolean;
  /** Role that an operator has to have for it; undefined for calls that are no operator's. */
  readonly role: string | undefined;
  readonly refusals: readonly ProblemName[];
};

/** All problem types that a call may answer with: its own, and those that every call of its form has. */
export function refusalsOf({ method, takesParams, security, isProbe, role, refusals }: CallForm): ProblemName[] {
  const changes = method !== "GET";
  const isForOperator = role !== undefined;
  const needsToken = isForOperator || security.some((scheme) => "owner" in scheme);
  const byForm: (ProblemName | false)[] = [
    "invalid-request",
    changes && "unreadable-request",
    needsToken && "token-missing",
    isForOperator && "token-expired",
    needsToken && "token-wrong",
    // A viewer is the least that an operator can be.
    isForOperator && role !== "viewer" && "role-needed",
    isForOperator && changes && "cross-site",
    takesParams && "not-found",
    "other-host",
    !isProbe && "rate-limited",
    !isProbe && "internal",
    !isProbe && "unavailable",
  ];
  return [...new Set([...byForm.filter((name) => name !== false), ...refusals])];
}
