import type { Budgets } from "../../apps/core/instances/budgets.ts";

/** An address may hold `live` instances, and nothing else is bounded. */
export function liveOnly(live: number): Budgets {
  return { address: { live, startsPerDay: 1_000_000 }, networks: [], newcomersOnly: undefined };
}
