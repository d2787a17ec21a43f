import { readArrivals } from "../fleet/demand.ts";
import type { WarmPool } from "./contract.ts";
import { wantedWarm, type PoolBounds } from "./size.ts";

/** Until the first start has been measured. */
export const USUAL_START_MS = 500;

/**
 * How many warm instances are wanted at `now`, by the hand-outs of late.
 * @param rules `periodMs`: time between two runs that start missing ones
 * @param startMs time that a start takes
 * @throws Unavailable when the store does not answer
 */
export async function readWanted(
  { countHandedOut }: Pick<WarmPool, "countHandedOut">,
  rules: PoolBounds & { readonly periodMs: number },
  startMs: number,
  now: Date,
): Promise<number> {
  if (rules.most === 0) return 0;
  const arrivalsPerSecond = await readArrivals(countHandedOut, now);
  return wantedWarm({ arrivalsPerSecond, refillSeconds: (rules.periodMs + startMs) / 1000 }, rules);
}
