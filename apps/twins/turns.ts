/**
 * Resolves when a call may have its effect, so that its owner decides the order of all calls of all twins.
 * `call` is the call's name, such as `leases.close`.
 */
export type Turn = (call: string) => Promise<void>;

/** A fault of calls of a twin. */
export type FaultRule = {
  /** Name of the call, such as `leases.close`; every call, when it is not given. */
  readonly call?: string;
  /** Which of these calls, by what they are given; all of them, when it is not given. */
  readonly matches?: (...given: never[]) => boolean;
  /** How often it happens; always, when it is not given. */
  readonly times?: number;
  /** `none`: the call fails before it has any effect. `done`: only its answer is lost. */
  readonly effect?: "none" | "done";
  readonly fault: () => Error;
};

/** Rules in force for the calls of a twin, in the order in which they were added. */
export type CallFaults = ReturnType<typeof createCallFaults>;

/** What every twin is made with: the order of its calls (by default none), and their faults. */
export type Staging = { readonly turn?: Turn; readonly faults?: CallFaults };

/** A port whose calls have their effect at once: one call is one step that nothing can interrupt. */
export type Effects<Port> = {
  readonly [Name in keyof Port]: Port[Name] extends (...given: infer Given) => Promise<infer Result>
    ? (...given: Given) => Result
    : never;
};

/** Rules for calls that fail. Nothing fails at first. */
export function createCallFaults() {
  const rules: { readonly rule: FaultRule; hits: number }[] = [];

  function add(rule: FaultRule): void {
    rules.push({ rule, hits: 0 });
  }

  function clear(): void {
    rules.length = 0;
  }

  /** The first rule that matches, counted as having happened. */
  function strike(call: string, given: readonly unknown[]): FaultRule | undefined {
    const struck = rules.find(
      ({ rule, hits }) =>
        (rule.call === undefined || rule.call === call) &&
        hits < (rule.times ?? Infinity) &&
        (rule.matches?.(...(given as never[])) ?? true),
    );
    if (struck) struck.hits++;
    return struck?.rule;
  }

  return { add, clear, strike };
}

/**
 * Makes a port of its effects: each call waits for its turn, then has its whole effect in one step, unless a
 * fault prevents it.
 * @param prefix of the names of its calls, such as `leases.`
 */
export function inTurns<Port extends object>(prefix: string, effects: Effects<Port>, { turn, faults }: Staging): Port {
  return Object.fromEntries(
    Object.entries(effects).map(([name, effect]: [string, unknown]) => [
      name,
      async (...given: unknown[]) => {
        const call = `${prefix}${name}`;
        await turn?.(call);
        const rule = faults?.strike(call, given);
        if (rule && rule.effect !== "done") throw rule.fault();
        const result = (effect as (...given: unknown[]) => unknown)(...given);
        if (rule) throw rule.fault();
        return result;
      },
    ]),
  ) as Port;
}
