import type { ReadHeartbeats } from "../core/fleet/contract.ts";
import { readHeartbeat, type Heartbeat } from "../core/fleet/host.ts";
import { inTurns, type Staging } from "./turns.ts";

/** Lifetime of a heartbeat, as the heartbeat script sets it. */
const USUAL_LIFE_MS = 10_000;

type Key = { readonly value: string; readonly endsAt: Date | null };

/** Heartbeats in memory, whose keys end by `clock`. Faults name the calls `readHeartbeats` and `ping`. */
export function createTwinDiscovery({ clock, ...staging }: Staging & { readonly clock: () => Date }) {
  const keys = new Map<string, Key>();

  /** Sets the key of a host; `lifeMs` null: it never ends. */
  function set(hostName: string, value: string, lifeMs: number | null = USUAL_LIFE_MS): void {
    keys.set(hostName, { value, endsAt: lifeMs === null ? null : new Date(clock().getTime() + lifeMs) });
  }

  /** One heartbeat of a healthy host; `over` replaces fields of it. */
  function beat(hostName: string, over: Partial<Heartbeat> = {}, lifeMs?: number | null): void {
    const heartbeat: Heartbeat = {
      name: hostName,
      publicIp: "192.0.2.1",
      privateIp: "10.0.0.1",
      dockerPort: 2376,
      containers: 0,
      memAvailableMb: 100,
      sentAt: clock().toISOString(),
      ...over,
    };
    set(hostName, JSON.stringify(heartbeat), lifeMs);
  }

  const port = inTurns<{ readonly readHeartbeats: ReadHeartbeats; readonly ping: () => Promise<void> }>(
    "",
    {
      readHeartbeats: (hostNames) => {
        const nowMs = clock().getTime();
        return new Map(
          hostNames.flatMap((name) => {
            const key = keys.get(name);
            const lifeMs = key?.endsAt ? key.endsAt.getTime() - nowMs : null;
            return !key || (lifeMs !== null && lifeMs <= 0) ? [] : [[name, readHeartbeat(name, key.value, lifeMs)]];
          }),
        );
      },
      ping: () => undefined,
    },
    staging,
  );

  return {
    ...port,
    set,
    beat,
    /** Ends the key of a host, as happens when a host is silent for long enough. */
    remove: (hostName: string) => keys.delete(hostName),
    /** Loses all keys, as Redis does when it restarts. */
    clear: () => keys.clear(),
  };
}
