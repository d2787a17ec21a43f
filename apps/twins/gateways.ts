import { parseGateway, type Gateway } from "../core/edge/gateway.ts";
import type { Membership, RouteNews } from "../core/edge/contract.ts";
import { inTurns, type Staging } from "./turns.ts";

/** A gateway that lives and carries nothing. */
export function gateway(name: string): Gateway {
  return {
    name,
    state: "live",
    addresses: ["192.0.2.1"],
    routes: 0,
    connections: 0,
    version: "0.0.0",
    figures: {
      mostConnections: 1_000,
      accepted: 0,
      handshakes: 0,
      failedHandshakes: 0,
      bytesIn: 0,
      bytesOut: 0,
      reloads: 0,
      lagMs: 0,
    },
    serviceCount: 0,
    services: [],
  };
}

/**
 * Membership and news of gateways in memory; keys end by `clock`. Faults name the calls `gateways.list`, `news.nudge`
 * and so on.
 */
export function createTwinGateways({ clock, ...staging }: Staging & { readonly clock: () => Date }) {
  const keys = new Map<string, { readonly value: string; readonly endsAtMs: number }>();
  const listeners = new Set<{ readonly id: string; readonly hear: (gateway: string, target: string | null) => void }>();
  const gateways = new Set<(ids: readonly string[]) => void>();

  /** Sets the key of a gateway, whatever stands in it. */
  function set(name: string, value: string, lifeMs: number): void {
    keys.set(name, { value, endsAtMs: clock().getTime() + lifeMs });
  }

  const membership = inTurns<Membership>(
    "gateways.",
    {
      join: (told, lifeMs) => set(told.name, JSON.stringify(told), lifeMs),
      renew: (told, lifeMs) => {
        if ((keys.get(told.name)?.endsAtMs ?? 0) <= clock().getTime()) return false;
        set(told.name, JSON.stringify(told), lifeMs);
        return true;
      },
      withdraw: (name) => void keys.delete(name),
      list: () =>
        [...keys]
          .filter(([, { endsAtMs }]) => endsAtMs > clock().getTime())
          .sort(([one], [other]) => (one < other ? -1 : 1))
          .map(([name, { value }]) => parseGateway(name, value) ?? { name, state: "unreadable" as const }),
    },
    staging,
  );

  const told = inTurns<Pick<RouteNews, "nudge" | "acknowledge">>(
    "news.",
    {
      nudge: (ids) => {
        for (const hear of gateways) hear(ids);
      },
      acknowledge: (name, carried) => {
        for (const { id, target } of carried)
          for (const listener of listeners) if (listener.id === id) listener.hear(name, target);
      },
    },
    staging,
  );

  const news: RouteNews = {
    ...told,
    onNudge: (hear) => {
      gateways.add(hear);
      return () => void gateways.delete(hear);
    },
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
    /** Loses all keys, as Redis does when it restarts. */
    clear: () => keys.clear(),
  };
}
