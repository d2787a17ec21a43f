/** A request that was answered, or was not. */
export type LabCall = {
  readonly method: string;
  readonly path: string;
  readonly route: string;
  readonly status: number | "none";
  readonly at: number;
};

const KEPT = 10_000;

/** The latest requests, and how many there were of each kind. */
export function createCallLog() {
  let calls: LabCall[] = [];
  const counts = new Map<string, number>();

  function add(call: LabCall): void {
    calls.push(call);
    if (calls.length > 2 * KEPT) calls = calls.slice(-KEPT);
    const kind = `${call.method} ${call.route}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }

  function clear(): void {
    calls = [];
    counts.clear();
  }

  return {
    add,
    clear,
    list: (): readonly LabCall[] => calls,
    /** Requests by "METHOD /route", since the start or the latest `clear`. */
    counts: (): Readonly<Record<string, number>> => Object.fromEntries(counts),
  };
}

export type CallLog = ReturnType<typeof createCallLog>;
