import type { ProblemType } from "../../lib/http/problem.ts";
import { problemTypes } from "../problems/problem-types.ts";

/** Name of a problem type: the last part of its URN. */
export type ProblemName = keyof typeof problemTypes;

/** How the reference tells one status of a refused call: a component, and the name that calls refer to it by. */
export type RefusalResponse = { readonly status: number; readonly name: string; readonly response: object };

/** Statuses that a type comes with besides its usual one, at any call that takes a body. */
const otherStatuses: Partial<Record<ProblemName, readonly number[]>> = { "unreadable-request": [413, 415] };
/** Refusals with these statuses tell by Retry-After when to come back. */
const TELLS_WHEN = new Set([429, 503]);
/** Nobody gets this answer: the caller hung up. */
const HUNG_UP = 499;
/** A component for more types than that has the name of its call. */
const MOST_IN_A_NAME = 2;

/** A response for each status that a call may be refused with, in the order of the statuses. */
export function refusalResponses(operationId: string, names: readonly ProblemName[]): readonly RefusalResponse[] {
  const pairs = names.flatMap((name) => statusesOf(name).map((status) => ({ name, status })));
  return [...Map.groupBy(pairs, ({ status }) => status)]
    .filter(([status]) => status !== HUNG_UP)
    .sort(([one], [other]) => one - other)
    .map(([status, group]) => {
      const these = group.map(({ name }) => name).sort();
      return { status, name: componentName(operationId, status, these), response: responseOf(status, these) };
    });
}

function statusesOf(name: ProblemName): readonly number[] {
  return [problemTypes[name].status, ...(otherStatuses[name] ?? [])];
}

function componentName(operationId: string, status: number, names: readonly ProblemName[]): string {
  if (names.length > MOST_IN_A_NAME) return `${pascal(operationId)}${status}`;
  const isOfSeveral = names.some((name) => statusesOf(name).length > 1);
  return `${names.map(pascal).join("Or")}${isOfSeveral ? status : ""}`;
}

function responseOf(status: number, names: readonly ProblemName[]): object {
  return {
    description: names.map((name) => `\`${name}\`: ${(problemTypes[name] satisfies ProblemType).when}`).join("\n\n"),
    ...headersOf(status),
    content: {
      "application/problem+json": {
        schema: {
          allOf: [
            { $ref: "#/components/schemas/Problem" },
            {
              type: "object",
              properties: {
                type: { type: "string", enum: names.map((name) => `urn:getaredis:${name}`) },
                status: { type: "integer", enum: [status] },
              },
            },
          ],
        },
      },
      "text/plain": { schema: { $ref: "#/components/schemas/ProblemText" } },
      "text/markdown": { schema: { $ref: "#/components/schemas/ProblemText" } },
      "text/html": { schema: { $ref: "#/components/schemas/Page" } },
    },
  };
}

function headersOf(status: number): { readonly headers?: object } {
  if (TELLS_WHEN.has(status)) return { headers: { "Retry-After": { $ref: "#/components/headers/RetryAfter" } } };
  return status === 401 ? { headers: { "WWW-Authenticate": { $ref: "#/components/headers/Authenticate" } } } : {};
}

/** "rate-limited" as "RateLimited", "createInstance" as "CreateInstance". */
function pascal(name: string): string {
  return name.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());
}
