import type { components } from "./api/api-types.ts";
import type { Ending } from "./exit-codes.ts";

/** What stopped a command, in the form of the API's problems; those of the command line have no status. */
export type StopProblem = Omit<components["schemas"]["Problem"], "status"> & { readonly status?: number };

/** Ends a command that cannot go on, and carries what its user is told. */
export class Stopped extends Error {
  readonly ending: Ending;
  readonly problem: StopProblem;

  constructor(ending: Ending, problem: StopProblem, options?: ErrorOptions) {
    super(problem.detail, options);
    this.ending = ending;
    this.problem = problem;
  }
}

/**
 * A stop that the command line itself has found.
 * @param name of its type, below `urn:getaredis:cli:`
 * @param detail what happened, why, and what to do next
 */
export function stop(ending: Ending, name: string, title: string, detail: string, options?: ErrorOptions): Stopped {
  return new Stopped(ending, { type: `urn:getaredis:cli:${name}`, title, detail }, options);
}

/** A command line that cannot be carried out as it stands. */
export function usage(detail: string): Stopped {
  return stop("usage", "usage", "Wrong command line", detail);
}
