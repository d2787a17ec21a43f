import type { Figure } from "./figure.ts";

/** A measurement of `npm run bench`. */
export type Bench = {
  /** What `--only` takes. */
  readonly name: string;
  readonly measures: string;
  /** What is measured beside it in the same run, since a time says something of a machine, and a ratio of the code. */
  readonly yardstick: string;
  /** In words; the figures have it in numbers. */
  readonly goal: string;
  readonly run: () => Promise<Outcome>;
};

/** What a measurement has found, and what belongs to it in words. */
export type Outcome = {
  readonly figures: readonly Figure[];
  readonly notes?: readonly string[];
};
