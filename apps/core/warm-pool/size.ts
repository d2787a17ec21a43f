import { stockFor } from "../fleet/demand.ts";

/** What is asked for: hand-outs a second, and seconds until one that was taken is replaced. */
export type Demand = { readonly arrivalsPerSecond: number; readonly refillSeconds: number };

/** Fewest and most instances that are kept warm. */
export type PoolBounds = { readonly least: number; readonly most: number };

/** How many warm instances are wanted: as many as are asked for until one that was taken is replaced. */
export function wantedWarm({ arrivalsPerSecond, refillSeconds }: Demand, { least, most }: PoolBounds): number {
  return Math.min(most, Math.max(least, Math.ceil(stockFor(arrivalsPerSecond, refillSeconds))));
}
