import { minuteOf, type MinuteFigures } from "../../core/figures/figures.ts";
import type { Metrics } from "./metrics.ts";

/** What the keeper needs; `source` names this process among all that keep figures. */
export type KeeperPorts = {
  readonly metrics: Pick<Metrics, "handouts" | "handoutSeconds">;
  readonly keepMinute: (minute: Date, source: string, figures: MinuteFigures) => Promise<void>;
  readonly source: string;
  readonly clock: () => Date;
};

/** Minutes that wait at most for a store that does not answer; older ones are given up. */
const MOST_WAITING = 120;

/** Keeps what a process counts for Prometheus minute by minute as well, so that it outlives the process. */
export function createFigureKeeper({ metrics, keepMinute, source, clock }: KeeperPorts) {
  const waiting = new Map<number, Record<string, number>>();
  let before = new Map<string, number>();

  /**
   * Counts what has come since the last call to this minute, and writes all minutes not yet written.
   * @throws Unavailable when the store does not answer; the next call makes up for it
   */
  async function keep(): Promise<void> {
    const minute = minuteOf(clock()).getTime();
    const counts = await countsNow();
    const figures = waiting.get(minute) ?? {};
    for (const [name, count] of counts) {
      const more = count - (before.get(name) ?? 0);
      if (more > 0) figures[name] = (figures[name] ?? 0) + more;
    }
    before = counts;
    waiting.set(minute, figures);
    for (const each of [...waiting.keys()].slice(0, -MOST_WAITING)) waiting.delete(each);
    for (const [each, kept] of [...waiting]) {
      if (Object.keys(kept).length > 0) await keepMinute(new Date(each), source, kept);
      // A minute that goes on is written whole each time.
      if (each !== minute) waiting.delete(each);
    }
  }

  async function countsNow(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const { labels, value } of (await metrics.handouts.get()).values) {
      // Neither a hand-out nor a refusal.
      if (labels.result !== "replayed") counts.set(`handout.${labels.result ?? ""}`, value);
    }
    let below = 0;
    for (const { labels, value, metricName } of (await metrics.handoutSeconds.get()).values) {
      if (metricName !== "getaredis_handout_duration_seconds_bucket") continue;
      // Prometheus' buckets hold all that is below them; here each holds its own.
      counts.set(`took.${labels.le ?? ""}`, value - below);
      below = value;
    }
    return counts;
  }

  return { keep };
}
