import type { Tables } from "./store/tables.ts";
import { inTurns, type Staging } from "./turns.ts";

/** A candidate for leading `job`, among all candidates over the same tables. Each new leader has a new term. */
export function createTwinLeadership(tables: Tables, job: string, staging: Staging = {}) {
  const self = {};
  let held: number | undefined;

  return inTurns<{
    /** The term of this candidate's leadership; undefined while another one leads. */
    readonly term: () => Promise<number | undefined>;
    /** Steps down at once. */
    readonly resign: () => Promise<void>;
  }>(
    "leadership.",
    {
      term: () => {
        if (tables.leaders.get(job) === self) return held;
        if (tables.leaders.has(job)) return undefined;
        held = (tables.terms.get(job) ?? 0) + 1;
        tables.leaders.set(job, self);
        tables.terms.set(job, held);
        return held;
      },
      resign: () => {
        if (tables.leaders.get(job) === self) tables.leaders.delete(job);
      },
    },
    staging,
  );
}
