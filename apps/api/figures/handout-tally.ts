import { handoutBuckets, type Beginning, type HandoutOutcome, type MinuteFigures } from "../../core/figures/figures.ts";

/** Hand-outs that a process has counted and that have not been stored yet. */
export type HandoutTally = ReturnType<typeof createHandoutTally>;

/** An empty tally. */
export function createHandoutTally() {
  let handouts: Partial<Record<HandoutOutcome, number>> = {};
  let began: Partial<Record<Beginning, number>> = {};
  let took = new Map<number, number>();

  function count(outcome: HandoutOutcome): void {
    handouts[outcome] = (handouts[outcome] ?? 0) + 1;
  }

  /** Counts how a hand-out that succeeded began. */
  function countBeginning(beginning: Beginning): void {
    began[beginning] = (began[beginning] ?? 0) + 1;
  }

  /** Counts a hand-out in the bucket of the time that it took, in seconds. */
  function time(seconds: number): void {
    const bound = handoutBuckets.find((each) => seconds <= each) ?? Infinity;
    took.set(bound, (took.get(bound) ?? 0) + 1);
  }

  /** The counts since the last call. */
  function take(): Pick<MinuteFigures, "handouts" | "began" | "took"> {
    const taken = {
      ...(Object.keys(handouts).length > 0 && { handouts }),
      ...(Object.keys(began).length > 0 && { began }),
      ...(took.size > 0 && {
        took: [...took].sort(([a], [b]) => a - b).map(([boundSeconds, count]) => ({ boundSeconds, count })),
      }),
    };
    handouts = {};
    began = {};
    took = new Map();
    return taken;
  }

  return { count, countBeginning, time, take };
}
