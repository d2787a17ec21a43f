import type { DropletState } from "../fleet/droplets.ts";
import type { Standing } from "../fleet/standing.ts";
import type { CreateResult } from "../instances/handout.ts";
import type { EndCause } from "../events/names.ts";

/** The outcome of a call for a hand-out. A retry that got the known answer is neither a hand-out nor a refusal. */
export type HandoutOutcome =
  | Exclude<CreateResult["kind"], "no-capacity">
  | Extract<CreateResult, { kind: "no-capacity" }>["reason"]
  /** The store does not answer; something else went wrong. */
  | "unavailable"
  | "fault";

/** How a hand-out began: an instance of the warm pool was there, or a container had to be started. */
export type Beginning = "warm" | "cold";

/** How many there are of each name; names of which there are none may be missing. */
export type Counts<Name extends string> = Readonly<Partial<Record<Name, number>>>;

/**
 * Number of hand-outs that took longer than the next lower bound, and at most this one. `boundSeconds` of the
 * slowest is Infinity.
 */
export type Bucket = { readonly boundSeconds: number; readonly count: number };

/** Figures of a minute; those that were not taken are missing. */
export type MinuteFigures = {
  /** Counts of the minute. */
  readonly handouts?: Counts<HandoutOutcome>;
  /** Of those that succeeded. */
  readonly began?: Counts<Beginning>;
  /** Durations of hand-outs that succeeded, in buckets, in the order of their bounds; empty ones may be missing. */
  readonly took?: readonly Bucket[];
  readonly ends?: Counts<EndCause>;
  /**
   * Counts at one moment of the minute: instances handed out and not ended, slots, hosts by standing, droplets
   * by state.
   */
  readonly leases?: number;
  readonly slots?: { readonly inUse: number; readonly all: number };
  readonly hosts?: Counts<Standing>;
  readonly droplets?: Counts<DropletState>;
};

/** Figures of a minute, as one of several processes has kept them. */
export type KeptMinute = { readonly minute: Date; readonly figures: MinuteFigures };

/** Figures over time, one value a step; null where nobody has kept any. */
export type FigureSeries = {
  /** Beginnings of the steps, in milliseconds since 1970. */
  readonly times: readonly number[];
  /** Sums of the step, by name without its first part. */
  readonly handouts: Series;
  readonly began: Series;
  readonly ends: Series;
  /** As in the step's last sample: an instance or host that changed during the step counts once. */
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

const MINUTE_MS = 60_000;

/** Beginning of the minute that a moment is in. */
export function minuteOf(moment: Date): Date {
  return new Date(Math.floor(moment.getTime() / MINUTE_MS) * MINUTE_MS);
}

/** Merges what several processes have kept into steps of `stepMs`, from `from` until `to`. */
export function figureSeries(minutes: readonly KeptMinute[], from: Date, to: Date, stepMs: number): FigureSeries {
  const count = Math.max(0, Math.ceil((to.getTime() - from.getTime()) / stepMs));
  const steps: MinuteFigures[][] = Array.from({ length: count }, () => []);
  for (const { minute, figures } of mergeByMinute(minutes))
    steps[Math.floor((minute.getTime() - from.getTime()) / stepMs)]?.push(figures);
  const sums = (of: (figures: MinuteFigures) => NamedCounts | undefined): Series =>
    seriesOf(steps.map((step) => (step.some(isCounted) ? addUp(step.map(of)) : undefined)));
  const lasts = (of: (figures: MinuteFigures) => NamedCounts | undefined): Series =>
    seriesOf(steps.map((step) => step.map(of).findLast((counts) => counts !== undefined)));
  const highest = (of: (figures: MinuteFigures) => number | undefined): Values =>
    steps.map((step) => step.map(of).reduce((most, value) => larger(most, value), undefined) ?? null);
  const quantiles = (share: number): Values => steps.map((step) => quantile(addBuckets(step), share));
  return {
    times: steps.map((_step, index) => from.getTime() + index * stepMs),
    handouts: sums(({ handouts }) => handouts),
    began: sums(({ began }) => began),
    ends: sums(({ ends }) => ends),
    hosts: lasts(({ hosts }) => hosts),
    droplets: lasts(({ droplets }) => droplets),
    leases: highest(({ leases }) => leases),
    slots: highest(({ slots }) => slots?.all),
    took: { p50: quantiles(0.5), p95: quantiles(0.95), p99: quantiles(0.99) },
  };
}

type NamedCounts = Counts<string>;

/** Within a minute, what several processes have kept adds up. In the order of time. */
function mergeByMinute(minutes: readonly KeptMinute[]): KeptMinute[] {
  const merged = new Map<number, MinuteFigures>();
  for (const { minute, figures } of minutes)
    merged.set(minute.getTime(), addFigures(merged.get(minute.getTime()) ?? {}, figures));
  return [...merged].sort(([a], [b]) => a - b).map(([minute, figures]) => ({ minute: new Date(minute), figures }));
}

/** Figures of two processes, or of two parts of a minute, as one. */
export function addFigures(a: MinuteFigures, b: MinuteFigures): MinuteFigures {
  const slots = a.slots && b.slots;
  return {
    ...a,
    ...b,
    ...(a.handouts && b.handouts && { handouts: addUp([a.handouts, b.handouts]) }),
    ...(a.began && b.began && { began: addUp([a.began, b.began]) }),
    ...(a.took && b.took && { took: addBuckets([a, b]) }),
    ...(a.ends && b.ends && { ends: addUp([a.ends, b.ends]) }),
    ...(a.leases !== undefined && b.leases !== undefined && { leases: a.leases + b.leases }),
    ...(slots && { slots: { inUse: a.slots.inUse + b.slots.inUse, all: a.slots.all + b.slots.all } }),
    ...(a.hosts && b.hosts && { hosts: addUp([a.hosts, b.hosts]) }),
    ...(a.droplets && b.droplets && { droplets: addUp([a.droplets, b.droplets]) }),
  };
}

function addUp<Name extends string>(all: readonly (Counts<Name> | undefined)[]): Counts<Name> {
  const sums: Partial<Record<Name, number>> = {};
  for (const counts of all)
    for (const name of Object.keys(counts ?? {}) as Name[]) sums[name] = (sums[name] ?? 0) + (counts?.[name] ?? 0);
  return sums;
}

function addBuckets(all: readonly MinuteFigures[]): Bucket[] {
  const counts = new Map<number, number>();
  for (const { boundSeconds, count } of all.flatMap(({ took }) => took ?? []))
    counts.set(boundSeconds, (counts.get(boundSeconds) ?? 0) + count);
  return [...counts].sort(([a], [b]) => a - b).map(([boundSeconds, count]) => ({ boundSeconds, count }));
}

/** Whether anything was counted: standings and states alone say nothing of hand-outs and ends. */
function isCounted({ handouts, took, ends, leases, slots }: MinuteFigures): boolean {
  return [handouts, took, ends, leases, slots].some((part) => part !== undefined);
}

function larger(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

/** Values of each name, in the order of names; null in steps of which nothing is known. */
function seriesOf(steps: readonly (NamedCounts | undefined)[]): Series {
  const names = new Set(steps.flatMap((counts) => Object.keys(counts ?? {})));
  return Object.fromEntries(
    [...names].sort().map((name) => [name, steps.map((counts) => (counts ? (counts[name] ?? 0) : null))]),
  );
}

/**
 * The quantile for a share between 0 and 1, with values taken as spread evenly within their bucket; null
 * without values. Values beyond the last bound count as that bound. Empty buckets may be missing.
 */
export function quantile(buckets: readonly Bucket[], share: number): number | null {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return null;
  let below = 0;
  for (const { boundSeconds: bound, count } of buckets) {
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
