/** How many instances were handed out since a moment. */
export type CountHandedOut = (since: Date) => Promise<{ readonly all: number }>;

const MINUTE_MS = 60_000;
/** Quantile of the normal distribution: one time in a hundred more is asked for. */
const Z_99 = 2.33;

/**
 * Hand-outs a second: those of the last minute or of the last ten, whichever is higher, so that a burst is followed at
 * once and remembered for a while.
 */
export async function readArrivals(countHandedOut: CountHandedOut, now: Date): Promise<number> {
  const since = (minutes: number) => countHandedOut(new Date(now.getTime() - minutes * MINUTE_MS));
  const [lastMinute, lastTen] = await Promise.all([since(1), since(10)]);
  return arrivalsPerSecond(lastMinute.all, lastTen.all);
}

/** {@link readArrivals} out of the hand-outs of the last minute and the last ten. */
export function arrivalsPerSecond(lastMinute: number, lastTenMinutes: number): number {
  return Math.max(lastMinute / 60, lastTenMinutes / 600);
}

/**
 * What is asked for while something is on its way that takes so many seconds, with a reserve for chance. This is the
 * base-stock level of inventory theory for Poisson arrivals, lambda L + z sqrt(lambda L) in the normal approximation
 * (Zipkin, Foundations of Inventory Management, 2000, chapter 6).
 */
export function stockFor(arrivalsPerSecond: number, seconds: number): number {
  const expected = arrivalsPerSecond * seconds;
  return expected + Z_99 * Math.sqrt(expected);
}
