import { setTimeout as sleep } from "node:timers/promises";

/** Soon at first, for what comes at once; then less often, since many conditions ask a server that others wait for. */
const FIRST_POLL_MS = 20;
const LAST_POLL_MS = 100;
const GROWTH = 1.2;

/**
 * Waits until a condition gives something truthy and returns that. Throws after `timeoutMs`, with
 * the condition's own last error when it threw.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 10_000,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * GROWTH, LAST_POLL_MS)) {
    let cause: unknown;
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause });
    await sleep(pollMs);
  }
}
