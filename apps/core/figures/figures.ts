/**
 * Figures of a minute, by name. Counts: `handout.<result>`, `took.<upper bound in s>` (of those handed
 * out, each in one bucket; `took.+Inf` the slowest), `end.<cause>`. Gauges: `leases`, `slots.in_use`,
 * `slots.all`, `hosts.<standing>`, `droplets.<state>`.
 */
export type MinuteFigures = Readonly<Record<string, number>>;

/** Figures as one of several processes has kept them for a minute. */
export type KeptMinute = { readonly minute: Date; readonly figures: MinuteFigures };

/** Figures over time, one value a step; null where nobody has kept any. */
export type FigureSeries = {
  /** Beginnings of the steps, in milliseconds since 1970. */
  readonly times: readonly number[];
  /** Sums of the step, by name without its first part. */
  readonly handouts: Series;
  readonly ends: Series;
  /** As the step's last sample had them: whoever changed within it counts once. */
  readonly hosts: Series;
  readonly droplets: Series;
  /** The step's highest. */
  readonly leases: Values;
  readonly slots: Values;
  /** Seconds that half, 95 and 99 of 100 hand-outs took at most; null in a step without any. */
  readonly took: { readonly p50: Values; readonly p95: Values; readonly p99: Values };
};

/** One value a step. */
export type Values = readonly (number | null)[];
/** Values by name. */
export type Series = Readonly<Record<string, Values>>;

/** Figures by name. */
type Counts = ReadonlyMap<string, number>;

const MINUTE_MS = 60_000;
const highest = /^(leases$|slots\.)/;
const sampled = /^(hosts|droplets)\./;

/** Beginning of the minute that a moment is in. */
export function minuteOf(moment: Date): Date {
  return new Date(Math.floor(moment.getTime() / MINUTE_MS) * MINUTE_MS);
}

/** Puts what processes have kept together to steps of `stepMs` from `from` on, as many as there are until `to`. */
export function figureSeries(minutes: readonly KeptMinute[], from: Date, to: Date, stepMs: number): FigureSeries {
  const count = Math.max(0, Math.ceil((to.getTime() - from.getTime()) / stepMs));
  const samples: Counts[][] = Array.from({ length: count }, () => []);
  for (const { minute, figures } of mergeByMinute(minutes))
    samples[Math.floor((minute - from.getTime()) / stepMs)]?.push(figures);
  const steps = samples.map(putTogether);
  const sums = (prefix: string): Series => seriesOf(steps, prefix);
  const lasts = (prefix: string): Series =>
    seriesOf(
      samples.map((step) => lastWith(step, prefix)),
      prefix,
    );
  const gauge = (name: string): Values => steps.map((step) => step.get(name) ?? null);
  const quantiles = (share: number): Values => steps.map((step) => quantile(bucketsOf(step), share));
  return {
    times: steps.map((_step, index) => from.getTime() + index * stepMs),
    handouts: sums("handout."),
    ends: sums("end."),
    hosts: lasts("hosts."),
    droplets: lasts("droplets."),
    leases: gauge("leases"),
    slots: gauge("slots.all"),
    took: { p50: quantiles(0.5), p95: quantiles(0.95), p99: quantiles(0.99) },
  };
}

/** Within a minute, what several processes have kept adds up. In the order of time. */
function mergeByMinute(minutes: readonly KeptMinute[]): { minute: number; figures: Map<string, number> }[] {
  const merged = new Map<number, Map<string, number>>();
  for (const { minute, figures } of minutes) {
    const sums = merged.get(minute.getTime()) ?? new Map<string, number>();
    for (const [name, value] of Object.entries(figures)) sums.set(name, (sums.get(name) ?? 0) + value);
    merged.set(minute.getTime(), sums);
  }
  return [...merged].sort(([a], [b]) => a - b).map(([minute, figures]) => ({ minute, figures }));
}

/**
 * A step's minutes as one: counts added up, gauges at their highest;
 * without those of which only a whole sample says something.
 */
function putTogether(step: readonly Counts[]): Counts {
  const whole = new Map<string, number>();
  for (const [name, value] of step.flatMap((figures) => [...figures])) {
    if (!sampled.test(name))
      whole.set(name, highest.test(name) ? Math.max(whole.get(name) ?? 0, value) : (whole.get(name) ?? 0) + value);
  }
  return whole;
}

/** Those named so of the last minute that has any. */
function lastWith(step: readonly Counts[], prefix: string): Counts {
  const last = step.findLast((figures) => [...figures.keys()].some((name) => name.startsWith(prefix)));
  return new Map([...(last ?? [])].filter(([name]) => name.startsWith(prefix)));
}

function seriesOf(steps: readonly Counts[], prefix: string): Series {
  const names = new Set(steps.flatMap((step) => [...step.keys()].filter((name) => name.startsWith(prefix))));
  return Object.fromEntries(
    [...names]
      .sort()
      .map((name) => [
        name.slice(prefix.length),
        steps.map((step) => (step.size === 0 ? null : (step.get(name) ?? 0))),
      ]),
  );
}

/** Upper bounds with their counts, in order. */
type Bucket = { readonly bound: number; readonly count: number };

function bucketsOf(step: Counts): Bucket[] {
  return [...step]
    .filter(([name]) => name.startsWith("took."))
    .map(([name, count]) => ({ bound: Number(name.slice("took.".length).replace("+Inf", "Infinity")), count }))
    .sort((a, b) => a.bound - b.bound);
}

/**
 * Value that a share of all lies below, taken as spread evenly within its bucket; null without any. What
 * is beyond the last bound counts as that bound. Buckets that nothing fell into may be missing.
 */
export function quantile(buckets: readonly Bucket[], share: number): number | null {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return null;
  let below = 0;
  for (const { bound, count } of buckets) {
    if (count > 0 && below + count >= share * total) {
      const lower = lowerBoundOf(bound);
      return bound === Infinity ? lower : lower + ((bound - lower) * (share * total - below)) / count;
    }
    below += count;
  }
  return null;
}

/** Upper bounds of the buckets that hand-outs are counted in, in seconds. */
export const handoutBuckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30];

function lowerBoundOf(bound: number): number {
  return handoutBuckets.findLast((each) => each < bound) ?? 0;
}
