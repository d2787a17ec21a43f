/**
 * What goes wrong. Of any request: `rate-limit` (429), `server-error` (500), `hang` (no answer at all),
 * `answer-lost` (it has its effect, and the connection breaks), `half-answer` (the JSON ends in the middle).
 * Of orders: `droplet-limit` and `out-of-stock` (422). Of new droplets: `never-active` (stays `new`),
 * `never-boots` (`active`, and no machine), `slow-boot` (the machine is switched on `ms` later),
 * `list-lags` (in no list for `ms`, though found by its id). Of deletions: `delete-refused` (422, another
 * event is pending), `delete-fails` (500), `delete-ignored` (204, and the droplet stays).
 */
export type FaultKind = (typeof faultKinds)[number];

export const faultKinds = [
  "rate-limit",
  "server-error",
  "hang",
  "answer-lost",
  "half-answer",
  "droplet-limit",
  "out-of-stock",
  "never-active",
  "never-boots",
  "slow-boot",
  "list-lags",
  "delete-refused",
  "delete-fails",
  "delete-ignored",
] as const;

/** A fault, and what it happens to; a field that is not given matches everything. */
export type FaultRule = {
  readonly kind: FaultKind;
  /** How often it happens; always, when it is not given. */
  readonly times?: number;
  readonly method?: string;
  /** Beginning of the path, such as /v2/droplets. */
  readonly path?: string;
  /** Name of the droplet. */
  readonly name?: string;
  readonly size?: string;
  /** Of `slow-boot` and `list-lags`. */
  readonly ms?: number;
  /** Of `rate-limit`. */
  readonly retryAfterSeconds?: number;
};

/** What is being done, for rules to match. */
export type Occasion = {
  readonly method: string;
  readonly path: string;
  readonly name: string | undefined;
  readonly size: string | undefined;
};

/** Rules in force, in the order in which they were added. */
export function createFaults() {
  const rules = new Map<number, { readonly rule: FaultRule; hits: number }>();
  let lastId = 0;

  /** @returns the rule's number */
  function add(rule: FaultRule): number {
    rules.set(++lastId, { rule, hits: 0 });
    return lastId;
  }

  /** @returns whether there was such a rule */
  function remove(id: number): boolean {
    return rules.delete(id);
  }

  function clear(): void {
    rules.clear();
  }

  function list(): { readonly id: number; readonly rule: FaultRule; readonly hits: number }[] {
    return [...rules].map(([id, { rule, hits }]) => ({ id, rule, hits }));
  }

  /** The first rule of one of these kinds that matches, counted as having happened. */
  function strike(occasion: Occasion, ...kinds: readonly FaultKind[]): FaultRule | undefined {
    for (const entry of rules.values()) {
      const { rule, hits } = entry;
      if (!kinds.includes(rule.kind) || hits >= (rule.times ?? Infinity) || !matches(rule, occasion)) continue;
      entry.hits++;
      return rule;
    }
    return undefined;
  }

  return { add, remove, clear, list, strike };
}

export type Faults = ReturnType<typeof createFaults>;

function matches(rule: FaultRule, { method, path, name, size }: Occasion): boolean {
  return (
    (rule.method === undefined || rule.method === method) &&
    path.startsWith(rule.path ?? "") &&
    (rule.name === undefined || rule.name === name) &&
    (rule.size === undefined || rule.size === size)
  );
}
