import type { LeasePlane } from "../core/edge/contract.ts";
import type { RouteTable } from "../core/edge/routes.ts";
import { inTurns, type Staging } from "./turns.ts";

/** A plane in memory: connections go where its table says when they begin. Faults name its calls. */
export function createTwinLeasePlane(staging: Staging = {}) {
  let table = new Map<string, string>();
  /** Added while they were there. */
  const twice = new Set<string>();
  const sessions = new Set<{ readonly id: string; readonly target: string; readonly onEnd: () => void }>();
  let accepted = 0;

  const plane = inTurns<LeasePlane>(
    "",
    {
      readRoutes: () => new Map(Array.from(table, ([id, target]) => [id, twice.has(id) ? "?" : target])),
      changeRoutes: (changes) => {
        for (const change of changes) {
          if (change.kind === "add" && table.has(change.id)) {
            twice.add(change.id);
            continue;
          }
          twice.delete(change.id);
          if (change.kind === "delete") table.delete(change.id);
          else table.set(change.id, change.target);
        }
      },
      swapRoutes: (next) => {
        table = new Map(next);
        twice.clear();
      },
      endSessions: (ended) => {
        const over = [...sessions].filter(({ target }) => ended.some((each) => each.target === target));
        for (const session of over) {
          sessions.delete(session);
          session.onEnd();
        }
        return over.length;
      },
      forgetOlder: () => undefined,
      readFacts: () => ({
        connections: sessions.size,
        accepted,
        bytesIn: 0,
        bytesOut: 0,
        handshakes: 0,
        failedHandshakes: 0,
        mostConnections: 1_000,
        reloads: 0,
      }),
    },
    staging,
  );

  /** Connects to an instance; undefined when there is no way. */
  function connect(id: string, onEnd: () => void): string | undefined {
    accepted++;
    const target = table.get(id);
    if (target !== undefined) sessions.add({ id, target, onEnd });
    return target;
  }

  return {
    ...plane,
    connect,
    /** What somebody else does to its table. */
    tamper: (change: (routes: Map<string, string>) => void) => change(table),
    carried: (): RouteTable => table,
  };
}
