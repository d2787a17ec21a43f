const MINUTE_MS = 60_000;

/** Bytes of replies that this process works on for each of its callers, see {@link createReplyBudget}. */
export type ReplyBudget = ReturnType<typeof createReplyBudget>;

/**
 * Bytes of replies for each caller in a minute, which begins with the caller's first reply. They are charged when they
 * are there, so that commands under way at the same time can pass the limit together.
 */
export function createReplyBudget(bytesPerMinute: number) {
  // In the order in which their minutes began, for all minutes are equally long.
  const minutes = new Map<string, { readonly endsAtMs: number; bytes: number }>();

  /** Milliseconds until replies are read again for all of these callers; 0 when they are now. */
  function waitMs(callers: readonly string[], now: Date): number {
    forgetBefore(now);
    const ends = callers.map((caller) => {
      const minute = minutes.get(caller);
      return minute && minute.bytes >= bytesPerMinute ? minute.endsAtMs : now.getTime();
    });
    return Math.max(...ends) - now.getTime();
  }

  function charge(callers: readonly string[], bytes: number, now: Date): void {
    forgetBefore(now);
    for (const caller of callers) {
      const minute = minutes.get(caller) ?? { endsAtMs: now.getTime() + MINUTE_MS, bytes: 0 };
      minute.bytes += bytes;
      minutes.set(caller, minute);
    }
  }

  function forgetBefore(now: Date): void {
    for (const [caller, { endsAtMs }] of minutes) {
      if (endsAtMs > now.getTime()) return;
      minutes.delete(caller);
    }
  }

  return { waitMs, charge, count: () => minutes.size };
}
