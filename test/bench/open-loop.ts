import { setTimeout as delay } from "node:timers/promises";

/**
 * Begins `count` pieces of work at a steady pace, whether or not those before have ended, and returns the
 * milliseconds of each. They are counted from when it was to begin: one that begins late because the machine was held
 * up has waited, and is not left out.
 */
export async function openLoop(
  count: number,
  perSecond: number,
  work: (index: number) => Promise<void>,
): Promise<number[]> {
  const first = performance.now();
  const underWay: Promise<number>[] = [];
  for (let index = 0; index < count; index++) {
    const scheduled = first + (index * 1000) / perSecond;
    const pause = scheduled - performance.now();
    if (pause > 0) await delay(pause);
    underWay.push(work(index).then(() => performance.now() - scheduled));
  }
  return Promise.all(underWay);
}
