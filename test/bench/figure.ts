import { quantile, spreadOf } from "./statistics.ts";

/** Something measured in rounds, in each of which its yardstick was measured as well. */
export type Figure = {
  readonly what: string;
  /** Of the samples, as "ms" or "a second". */
  readonly unit: string;
  /** Which quantile of the samples it is; 0.5 is the median. */
  readonly share: number;
  /** The samples of each round. */
  readonly rounds: readonly (readonly number[])[];
  /** The samples of the yardstick in the same rounds; none where there is nothing to compare with. */
  readonly yardstick?: readonly (readonly number[])[];
  readonly goal?: Goal;
};

/** A bound of the ratio to the yardstick, or of the value itself. */
export type Goal = { readonly of: "ratio" | "value" } & ({ readonly atMost: number } | { readonly atLeast: number });

/** A figure as it is told. */
export type Summary = {
  readonly what: string;
  readonly unit: string;
  readonly rounds: number;
  readonly samples: number;
  readonly value: Spread;
  readonly yardstick?: Spread;
  readonly ratio?: Spread;
  readonly goal?: Goal;
  readonly isReached?: boolean;
};

/** A quantile over all samples, and the least and most that a round alone gives. */
export type Spread = { readonly all: number; readonly least: number; readonly most: number };

/** Times as figures: the median and the 99th percentile, each with its goal. */
export function timeFigures(
  what: string,
  rounds: Figure["rounds"],
  yardstick: Figure["yardstick"],
  goals: { readonly p50?: Goal; readonly p99?: Goal } = {},
): Figure[] {
  return ([0.5, 0.99] as const).map((share) => {
    const goal = share === 0.5 ? goals.p50 : goals.p99;
    return {
      what: `${what}, ${share === 0.5 ? "p50" : "p99"}`,
      unit: "ms",
      share,
      rounds,
      ...(yardstick && { yardstick }),
      ...(goal && { goal }),
    };
  });
}

/** Sums up the rounds of a figure. The ratio is that of the quantiles over all rounds. */
export function summarize({ what, unit, share, rounds, yardstick, goal }: Figure): Summary {
  const value = spread(rounds, share);
  const beside = yardstick && spread(yardstick, share);
  const ratio = yardstick &&
    beside && {
      all: value.all / beside.all,
      ...spreadOf(rounds.map((samples, round) => quantile(samples, share) / quantile(yardstick[round] ?? [], share))),
    };
  const judged = goal?.of === "ratio" ? ratio?.all : value.all;
  return {
    what,
    unit,
    rounds: rounds.length,
    samples: rounds.flat().length,
    value,
    ...(beside && { yardstick: beside }),
    ...(ratio && { ratio }),
    ...(goal && { goal, isReached: judged !== undefined && isWithin(goal, judged) }),
  };
}

function spread(rounds: Figure["rounds"], share: number): Spread {
  return { all: quantile(rounds.flat(), share), ...spreadOf(rounds.map((samples) => quantile(samples, share))) };
}

function isWithin(goal: Goal, value: number): boolean {
  return "atMost" in goal ? value <= goal.atMost : value >= goal.atLeast;
}
