import { parseGateway, type Gateway } from "../core/edge/gateway.ts";
import type { CarriedRoute, Membership, RouteNews } from "../core/edge/contract.ts";
import { Unavailable } from "../lib/unavailable.ts";

/** A gateway that lives and carries nothing. */
export function gateway(name: string): Gateway {
  return { name, state: "live", addresses: ["192.0.2.1"], routes: 0, connections: 0, version: "0.0.0" };
}

/** Membership and news of gateways in memory; keys end by `clock`. */
export function createTwinGateways({ clock }: { readonly clock: () => Date }) {
  const keys = new Map<string, { readonly value: string; readonly endsAtMs: number }>();
  const listeners = new Set<{ readonly id: string; readonly hear: (gateway: string, target: string | null) => void }>();
  const nudged = new Set<(ids: readonly string[]) => void>();
  const failing = new Set<string>();
  let lost = 0;

  /** Sets the key of a gateway, whatever stands in it. */
  function set(name: string, value: string, lifeMs: number): void {
    keys.set(name, { value, endsAtMs: clock().getTime() + lifeMs });
  }

  function answer<T>(call: string, work: () => T): Promise<T> {
    return failing.has(call)
      ? Promise.reject(new Unavailable("redis", new Error("the twin was told to fail")))
      : Promise.resolve(work());
  }

  const membership: Membership = {
    beat: (told, lifeMs) => answer("beat", () => set(told.name, JSON.stringify(told), lifeMs)),
    withdraw: (name) => answer("withdraw", () => void keys.delete(name)),
    list: () =>
      answer("list", () =>
        [...keys]
          .filter(([, { endsAtMs }]) => endsAtMs > clock().getTime())
          .sort(([one], [other]) => (one < other ? -1 : 1))
          .map(([name, { value }]) => parseGateway(name, value) ?? { name, state: "unreadable" as const }),
      ),
  };

  const news: RouteNews = {
    nudge: (ids) =>
      answer("nudge", () => {
        if (lost-- > 0) return;
        for (const hear of nudged) hear(ids);
      }),
    acknowledge: (name, carried: readonly CarriedRoute[]) =>
      answer("acknowledge", () => {
        for (const { id, target } of carried)
          for (const listener of listeners) if (listener.id === id) listener.hear(name, target);
      }),
    onAcknowledged: (id, hear) => {
      const listener = { id, hear };
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };

  return {
    membership,
    news,
    set,
    /** Calls a listener for what gateways are asked to look at. */
    onNudge: (hear: (ids: readonly string[]) => void) => void nudged.add(hear),
    /** Loses the next nudges. */
    loseNudges: (count: number) => void (lost = count),
    /** Has a call fail from now on. */
    fail: (call: string) => void failing.add(call),
    mend: () => failing.clear(),
  };
}
