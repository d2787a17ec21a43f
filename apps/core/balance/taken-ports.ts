/** What is left out is tried again after this time: its port may have become free. */
const TRY_AGAIN_MS = 60_000;

/** Ports that HAProxy or nginx could not listen on, by its own words: something else on the machine has them. */
export function portsRefused(words: string): readonly number[] {
  const found = words.matchAll(/for frontend port:(\d+): cannot bind|bind\(\) to \S*:(\d+) failed/g);
  return [...new Set(Array.from(found, ([, haproxys, nginxs]) => Number(haproxys ?? nginxs)))];
}

/**
 * Remembers which ports of a machine are not to be had, so that one service whose port something else has keeps no other
 * service from being carried.
 */
export function createTakenPorts() {
  const until = new Map<number, number>();
  return {
    /** @returns whether any of them was not known so far */
    add: (ports: readonly number[], nowMs: number): boolean => {
      const fresh = ports.filter((port) => (until.get(port) ?? -Infinity) <= nowMs);
      for (const port of fresh) until.set(port, nowMs + TRY_AGAIN_MS);
      return fresh.length > 0;
    },
    has: (port: number, nowMs: number): boolean => (until.get(port) ?? -Infinity) > nowMs,
  };
}
