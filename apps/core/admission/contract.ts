/** Hand-outs that have begun lately: of each budget asked about within about a day, and of all within a minute. */
export type LateStarts = { readonly starts: readonly number[]; readonly lastMinute: number };

/**
 * Counts that all replicas share and that may be lost: how hard to make it depends on them, and what anybody may
 * hold does not. Calls throw `Unavailable` while the system does not answer.
 */
export type Pressure = {
  /** What has begun lately, by the keys of addresses and networks. */
  readonly read: (budgets: readonly string[], now: Date) => Promise<LateStarts>;
  /**
   * Counts a hand-out for these keys and in all, or takes it back.
   * @returns all of the last minute, this one included
   */
  readonly count: (budgets: readonly string[], more: 1 | -1, now: Date) => Promise<number>;
  /** Uses a solved challenge up; false when it has been used before. It is remembered until it expires. */
  readonly useProof: (id: string, expiresAt: Date, now: Date) => Promise<boolean>;
  /** Makes a used proof good again: it was used for nothing. */
  readonly returnProof: (id: string) => Promise<void>;
};
