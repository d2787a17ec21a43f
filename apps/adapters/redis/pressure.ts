import type { Redis } from "ioredis";
import type { LateStarts, Pressure } from "../../core/admission/contract.ts";
import { Unavailable } from "../../lib/unavailable.ts";

const MINUTE_MS = 60_000;
const DAY_SECONDS = 86_400;
/** A minute is read until the next one is over. */
const MINUTE_LIFE_SECONDS = 180;

const startsKey = (budget: string) => `admission:starts:${budget}`;
const minuteKey = (minute: number) => `admission:minute:${minute}`;
const proofKey = (id: string) => `admission:proof:${id}`;

/** Starts and used proofs, counted in keys that expire. A budget's count ends a day after its first start. */
export function createRedisPressure(redis: Redis): Pressure {
  async function read(budgets: readonly string[], now: Date): Promise<LateStarts> {
    const minute = Math.floor(now.getTime() / MINUTE_MS);
    const [current, last, ...starts] = await answerOf(
      redis.mget(minuteKey(minute), minuteKey(minute - 1), ...budgets.map(startsKey)),
    );
    return { starts: starts.map(countIn), lastMinute: overMinute(countIn(current), countIn(last), now) };
  }

  async function count(budgets: readonly string[], more: 1 | -1, now: Date): Promise<number> {
    const minute = Math.floor(now.getTime() / MINUTE_MS);
    // Redis before 7 cannot give an expiry to new keys alone.
    const commands = [...budgets.map(startsKey), minuteKey(minute)].flatMap((key, index) => [
      ["set", key, "0", "EX", String(index < budgets.length ? DAY_SECONDS : MINUTE_LIFE_SECONDS), "NX"],
      ["incrby", key, String(more)],
    ]);
    const answers = (await answerOf(redis.pipeline([...commands, ["get", minuteKey(minute - 1)]]).exec())) ?? [];
    for (const [fault] of answers) if (fault) throw new Unavailable("redis", fault);
    const [current, last] = answers.slice(-2).map(([, answer]) => answer as string | number | null);
    return overMinute(countIn(current), countIn(last), now);
  }

  async function useProof(id: string, expiresAt: Date, now: Date): Promise<boolean> {
    const lifeMs = Math.max(1, expiresAt.getTime() - now.getTime());
    return (await answerOf(redis.set(proofKey(id), "1", "PX", lifeMs, "NX"))) === "OK";
  }

  async function returnProof(id: string): Promise<void> {
    await answerOf(redis.del(proofKey(id)));
  }

  return { read, count, useProof, returnProof };
}

/** All of the last sixty seconds, with those of the minute before taken as spread evenly. */
function overMinute(current: number, last: number, now: Date): number {
  return current + last * (1 - (now.getTime() % MINUTE_MS) / MINUTE_MS);
}

/** A key may have expired between a start and its being taken back: fewer than none is none. */
function countIn(value: string | number | null | undefined): number {
  return Math.max(0, Number(value ?? 0));
}

async function answerOf<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (fault) {
    throw new Unavailable("redis", fault);
  }
}
