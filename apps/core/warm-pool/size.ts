/** What is asked for: hand-outs a second, and seconds until one that was taken is replaced. */
export type Demand = { readonly arrivalsPerSecond: number; readonly refillSeconds: number };

/** Fewest and most instances that are kept warm. */
export type PoolBounds = { readonly least: number; readonly most: number };

/** Quantile of the normal distribution: one hand-out in a hundred may find none. */
const Z_99 = 2.33;

/**
 * How many warm instances are wanted: as many as are asked for until one that was taken is replaced, and a reserve for
 * chance. This is the base-stock level of inventory theory for Poisson arrivals, lambda L + z sqrt(lambda L) in the
 * normal approximation (Zipkin, Foundations of Inventory Management, 2000, chapter 6).
 */
export function wantedWarm({ arrivalsPerSecond, refillSeconds }: Demand, { least, most }: PoolBounds): number {
  const expected = arrivalsPerSecond * refillSeconds;
  return Math.min(most, Math.max(least, Math.ceil(expected + Z_99 * Math.sqrt(expected))));
}

/**
 * Arrivals a second out of what was handed out in the last minute and the last ten: the higher of both, so that a burst
 * is followed at once and remembered for a while.
 */
export function arrivalsPerSecond(lastMinute: number, lastTenMinutes: number): number {
  return Math.max(lastMinute / 60, lastTenMinutes / 600);
}
