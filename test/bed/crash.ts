/** Where a process dies: just before a call has its effect, or just after. */
export const moments = ["before", "after"] as const;

/** A death at one call, counted over everything it was told to strike. */
export interface Crash {
  /** The same work for a process that dies at its n-th call: nothing of it happens from then on. */
  crashing: <Work extends (...given: never[]) => Promise<unknown>>(work: Work) => Work;
  /** All functions of a port, and of the ports in it, made crashing. */
  each: <Port extends object>(port: Port) => Port;
  /** Resolves when death has come. */
  died: Promise<true>;
}

/** Crash at the `call`-th call (from 1), before or after its effect. */
export function crashAt(call: number, moment: (typeof moments)[number]): Crash {
  let calls = 0;
  const death = Promise.withResolvers<true>();
  const never = new Promise<never>(() => undefined);
  const crashing: Crash["crashing"] = (work) =>
    (async (...given: Parameters<typeof work>) => {
      calls++;
      if (calls > call) return never;
      if (calls < call) return work(...given);
      if (moment === "after") await work(...given);
      death.resolve(true);
      return never;
    }) as unknown as typeof work;
  const each: Crash["each"] = (port) =>
    Object.fromEntries(
      Object.entries(port).map(([name, part]: [string, unknown]) => [
        name,
        typeof part === "function" ? crashing(part as () => Promise<unknown>) : each(part as object),
      ]),
    ) as typeof port;
  return { crashing, each, died: death.promise };
}
