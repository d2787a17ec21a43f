import { setTimeout as sleep } from "node:timers/promises";

/** Real time, as the core asks for it: the moment, a pause, and a signal that aborts after so many milliseconds. */
export const realTime = {
  clock: (): Date => new Date(),
  delay: (ms: number): Promise<void> => sleep(ms),
  after: (ms: number): AbortSignal => AbortSignal.timeout(ms),
};
