import { parseGateway, type Gateway } from "../core/edge/gateway.ts";
import type { Membership, RouteNews, ServiceReports } from "../core/edge/contract.ts";
import { parseServicesReport } from "../core/edge/service-reports.ts";
import { inTurns, type Staging } from "./turns.ts";

/** A gateway that lives and carries nothing. */
export function gateway(name: string): Gateway {
  return {
    name,
    state: "live",
    addresses: ["192.0.2.1"],
    machineAddresses: ["10.0.0.1"],
    routes: 0,
    unroutable: 0,
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
  };
}

/**
 * Membership and news of gateways and what they tell of services, in memory; keys end by `clock`. Faults name the calls
 * `gateways.list`, `news.nudge`, `services.list` and so on.
 */
export function createTwinGateways({ clock, ...staging }: Staging & { readonly clock: () => Date }) {
  const keys: Keys = new Map();
  const serviceKeys: Keys = new Map();
  const listeners = new Set<{ readonly id: string; readonly hear: (gateway: string, target: string | null) => void }>();
  const gateways = new Set<(ids: readonly string[]) => void>();

  function set(name: string, value: string, lifeMs: number, among = keys): void {
    among.set(name, { value, endsAtMs: clock().getTime() + lifeMs });
  }

  function listed(among: Keys): readonly (readonly [string, string])[] {
    return [...among]
      .filter(([, { endsAtMs }]) => endsAtMs > clock().getTime())
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, { value }]) => [name, value]);
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
        listed(keys).map(([name, value]) => parseGateway(name, value) ?? { name, state: "unreadable" as const }),
    },
    staging,
  );

  const services = inTurns<ServiceReports>(
    "services.",
    {
      tell: (report, lifeMs) => set(report.gateway, JSON.stringify(report), lifeMs, serviceKeys),
      withdraw: (name) => void serviceKeys.delete(name),
      list: () => listed(serviceKeys).flatMap(([name, value]) => parseServicesReport(name, value) ?? []),
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
    services,
    /** Sets the key of a gateway, whatever stands in it. */
    set: (name: string, value: string, lifeMs: number) => set(name, value, lifeMs),
    /** Sets the key by which a gateway tells of services, whatever stands in it. */
    setServices: (name: string, value: string, lifeMs: number) => set(name, value, lifeMs, serviceKeys),
    /** Loses all keys, as Redis does when it restarts. */
    clear: () => {
      keys.clear();
      serviceKeys.clear();
    },
  };
}

type Keys = Map<string, { readonly value: string; readonly endsAtMs: number }>;
