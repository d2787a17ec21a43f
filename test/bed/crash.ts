/** When a process crashes: just before a call has its effect, or just after. */
export const moments = ["before", "after"] as const;

/** A crash at one call, counted over all functions that were made crashing. */
export interface Crash {
  /** The same work for a process that crashes at its n-th call: nothing of it happens from then on. */
  crashing: <Work extends (...given: never[]) => Promise<unknown>>(work: Work) => Work;
  /** All functions of a port, and of the ports in it, made crashing. */
  each: <Port extends object>(port: Port) => Port;
  /** Resolves when the process has crashed. */
  crashed: Promise<true>;
}

/** Crash at the `call`-th call (from 1), before or after its effect. */
export function crashAt(call: number, moment: (typeof moments)[number]): Crash {
  let calls = 0;
  const crash = Promise.withResolvers<true>();
  const never = new Promise<never>(() => undefined);
  const crashing: Crash["crashing"] = (work) =>
    (async (...given: Parameters<typeof work>) => {
      calls++;
      if (calls > call) return never;
      if (calls < call) return work(...given);
      if (moment === "after") await work(...given);
      crash.resolve(true);
      return never;
    }) as unknown as typeof work;
  const each: Crash["each"] = (port) =>
    Object.fromEntries(
      Object.entries(port).map(([name, part]: [string, unknown]) => [
        name,
        typeof part === "function" ? crashing(part as () => Promise<unknown>) : each(part as object),
      ]),
    ) as typeof port;
  return { crashing, each, crashed: crash.promise };
}
