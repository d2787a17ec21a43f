const MINUTE_MS = 60_000;

/** Which lines of a kind are written: the first ones of each minute; the others are counted. */
export type LogSamples = {
  /** Whether the next line of a kind is to be written. Kinds are few: names of calls and causes, never what is sent. */
  readonly admits: (kind: string) => boolean;
  /** Begins the next minute, and reports what the last one left out. */
  readonly turnOver: () => void;
  /** Ends it, with a last report. */
  readonly stop: () => void;
};

/** Bounds what floods of the same can write into a log. `report` gets each kind with the number left out. */
export function sampleLogs(mostPerMinute: number, report: (kind: string, suppressed: number) => void): LogSamples {
  const counts = new Map<string, number>();
  const timer = setInterval(turnOver, MINUTE_MS).unref();

  function admits(kind: string): boolean {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return count <= mostPerMinute;
  }

  function turnOver(): void {
    for (const [kind, count] of counts) if (count > mostPerMinute) report(kind, count - mostPerMinute);
    counts.clear();
  }

  return {
    admits,
    turnOver,
    stop: () => {
      clearInterval(timer);
      turnOver();
    },
  };
}
