import type { Pressure } from "../core/admission/contract.ts";
import { inTurns, type Staging } from "./turns.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Starts and used proofs in memory. Faults name the calls `pressure.read` and the like. */
export function createTwinPressure(staging: Staging = {}): Pressure {
  const starts = new Map<string, { count: number; readonly endsAt: Date }>();
  const minutes = new Map<number, number>();
  /** When each is forgotten, by id. */
  const proofs = new Map<string, Date>();

  function startsOf(budget: string, now: Date): number {
    const kept = starts.get(budget);
    return kept && kept.endsAt > now ? Math.max(0, kept.count) : 0;
  }

  function lastMinute(now: Date): number {
    const minute = Math.floor(now.getTime() / MINUTE_MS);
    const over = (now.getTime() % MINUTE_MS) / MINUTE_MS;
    return Math.max(0, minutes.get(minute) ?? 0) + Math.max(0, minutes.get(minute - 1) ?? 0) * (1 - over);
  }

  return inTurns<Pressure>(
    "pressure.",
    {
      read: (budgets, now) => ({
        starts: budgets.map((budget) => startsOf(budget, now)),
        lastMinute: lastMinute(now),
      }),
      count: (budgets, more, now) => {
        for (const budget of budgets) {
          const kept = starts.get(budget);
          if (kept && kept.endsAt > now) kept.count += more;
          else starts.set(budget, { count: more, endsAt: new Date(now.getTime() + DAY_MS) });
        }
        const minute = Math.floor(now.getTime() / MINUTE_MS);
        minutes.set(minute, (minutes.get(minute) ?? 0) + more);
        return lastMinute(now);
      },
      useProof: (id, expiresAt, now) => {
        const until = proofs.get(id);
        if (until && until > now) return false;
        proofs.set(id, expiresAt);
        return true;
      },
      returnProof: (id) => {
        proofs.delete(id);
      },
    },
    staging,
  );
}
