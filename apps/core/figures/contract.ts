import type { EndCause } from "../events/names.ts";
import type { KeptMinute, MinuteFigures } from "./figures.ts";

/**
 * Figures of each minute, and the counts that they are made from. Calls throw `Unavailable` while the store
 * does not answer.
 */
export type Figures = {
  /** Keeps the figures of a minute in place of those that the same source has kept of it before. */
  readonly keepMinute: (minute: Date, source: string, figures: MinuteFigures) => Promise<void>;
  /** Last minute that a source has kept figures of; undefined when it has none. */
  readonly lastMinute: (source: string) => Promise<Date | undefined>;
  /** What all sources have kept of the minutes since `from`, in no order. */
  readonly readMinutes: (from: Date) => Promise<KeptMinute[]>;
  /** How many instances ended in each minute from `from` until before `to`, by cause. */
  readonly countEnds: (
    from: Date,
    to: Date,
  ) => Promise<{ readonly minute: Date; readonly cause: EndCause; readonly ends: number }[]>;
};

/** Instances running, and hand-outs since the beginning. */
export type HandoutCounts = { readonly running: number; readonly startedEver: number };

/** History of all instances. Calls throw `Unavailable` while the store does not answer. */
export type History = {
  /** Instances running at `now`, and hand-outs since the beginning. */
  readonly countHandouts: (now: Date) => Promise<HandoutCounts>;
  /**
   * Deletes instances that ended before `before`, and hosts, droplets, events, figures and addresses of that
   * time. Returns the number of instances.
   */
  readonly prune: (before: Date) => Promise<number>;
  /**
   * Erases the holders' addresses of instances that ended before `before`, and addresses that were last seen then.
   * Returns the number of instances.
   */
  readonly eraseHolders: (before: Date) => Promise<number>;
};
