/**
 * Lets many ask what is costly to find out: one reading serves all who ask while it goes on, and its answer those who
 * ask later, for as long as `keepMs` says of it, counted from the beginning of the reading. Faults are not kept.
 */
export function createKeptAnswer<T>(
  read: () => Promise<T>,
  keepMs: (answer: T) => number,
  clockMs: () => number,
): () => Promise<T> {
  let kept: { readonly answer: T; readonly readAtMs: number } | undefined;
  let reading: Promise<T> | undefined;

  async function readNow(): Promise<T> {
    const readAtMs = clockMs();
    try {
      const answer = await read();
      kept = { answer, readAtMs };
      return answer;
    } finally {
      reading = undefined;
    }
  }

  return () => {
    if (reading) return reading;
    const ageMs = kept === undefined ? Infinity : clockMs() - kept.readAtMs;
    // Negative when the clock was set back.
    if (kept !== undefined && ageMs >= 0 && ageMs < keepMs(kept.answer)) return Promise.resolve(kept.answer);
    reading = readNow();
    return reading;
  };
}
