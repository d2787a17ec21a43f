import { addFigures, minuteOf, type MinuteFigures } from "../../core/figures/figures.ts";
import type { HandoutTally } from "./handout-tally.ts";

/** What the keeper needs; `source` names this process among all that keep figures. */
export type KeeperPorts = {
  readonly tally: Pick<HandoutTally, "take">;
  readonly keepMinute: (minute: Date, source: string, figures: MinuteFigures) => Promise<void>;
  readonly source: string;
  readonly clock: () => Date;
};

/** Most minutes that wait for a store that does not answer; older ones are dropped. */
const MOST_WAITING = 120;

/** Stores what a process counts minute by minute, so that it outlives the process. */
export function createFigureKeeper({ tally, keepMinute, source, clock }: KeeperPorts) {
  const minutes = new Map<number, { readonly figures: MinuteFigures; readonly isWritten: boolean }>();

  /**
   * Adds what has been counted since the last call to this minute, and writes all minutes not yet written.
   * @throws Unavailable when the store does not answer; the next call writes what this one could not
   */
  async function keep(): Promise<void> {
    const minute = minuteOf(clock()).getTime();
    const more = tally.take();
    const { figures, isWritten } = minutes.get(minute) ?? { figures: {}, isWritten: true };
    minutes.set(minute, { figures: addFigures(figures, more), isWritten: isWritten && Object.keys(more).length === 0 });
    for (const each of [...minutes.keys()].slice(0, -MOST_WAITING)) minutes.delete(each);
    for (const [each, kept] of [...minutes]) {
      // The whole minute each time, also one that is not over.
      if (!kept.isWritten) await keepMinute(new Date(each), source, kept.figures);
      if (each === minute) minutes.set(each, { ...kept, isWritten: true });
      else minutes.delete(each);
    }
  }

  return { keep };
}
