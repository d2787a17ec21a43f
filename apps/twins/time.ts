import { setImmediate as pause } from "node:timers/promises";

const pending = Symbol("pending");

/** A clock at `start`, with pauses and time-outs that go by it. */
export function createVirtualTime(start: Date) {
  let nowMs = start.getTime();
  let lastNumber = 0;
  const timers = new Map<number, { readonly atMs: number; readonly ring: () => void }>();

  function clock(): Date {
    return new Date(nowMs);
  }

  /** Resolves when `ms` milliseconds have passed. */
  function delay(ms: number): Promise<void> {
    return new Promise((resolve) => set(ms, resolve));
  }

  /** A signal that aborts when `ms` milliseconds have passed, as `AbortSignal.timeout` does. */
  function after(ms: number): AbortSignal {
    const controller = new AbortController();
    set(ms, () => controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")));
    return controller.signal;
  }

  function set(ms: number, ring: () => void): void {
    timers.set(++lastNumber, { atMs: nowMs + ms, ring });
  }

  /** Lets `ms` milliseconds pass at once; timers fire in their order. */
  function pass(ms: number): void {
    const endMs = nowMs + ms;
    for (let next = earliest(); next && next.atMs <= endMs; next = earliest()) ringNext();
    nowMs = endMs;
  }

  /**
   * Waits for `work`. Whenever only timers are left to wait for, time advances to the next one. For work on
   * twins only: waiting for real I/O would look the same as waiting for a timer.
   * @throws when nothing is left to wait for and the work is not done
   */
  async function run<T>(work: Promise<T>): Promise<T> {
    for (;;) {
      const result = await Promise.race([work, pause(pending)]);
      if (result !== pending) return result;
      if (timers.size === 0) throw new Error("the work waits for something that will never come");
      ringNext();
    }
  }

  function earliest(): { readonly number: number; readonly atMs: number; readonly ring: () => void } | undefined {
    let first: ReturnType<typeof earliest>;
    for (const [number, timer] of timers) if (!first || timer.atMs < first.atMs) first = { number, ...timer };
    return first;
  }

  function ringNext(): void {
    const next = earliest();
    if (!next) return;
    timers.delete(next.number);
    nowMs = Math.max(nowMs, next.atMs);
    next.ring();
  }

  return { clock, delay, after, pass, run };
}
