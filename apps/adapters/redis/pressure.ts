import type { Redis } from "ioredis";
import type { LateStarts, Pressure } from "../../core/admission/contract.ts";
import { Unavailable } from "../../lib/unavailable.ts";

const MINUTE_MS = 60_000;
const DAY_SECONDS = 86_400;
/** A minute is read until the next one is over. */
const MINUTE_LIFE_SECONDS = 180;

/**
 * Counts at all keys but the last, of which those that are new expire after a day, the second last after three minutes;
 * tells the counts of the last two. One command in place of seven: a hand-out waits for it.
 */
const COUNT = `
local current
for index = 1, #KEYS - 1 do
  if redis.call("SET", KEYS[index], ARGV[1], "EX", index < #KEYS - 1 and ARGV[2] or ARGV[3], "NX") then
    current = tonumber(ARGV[1])
  else
    current = redis.call("INCRBY", KEYS[index], ARGV[1])
  end
end
return {current, redis.call("GET", KEYS[#KEYS])}`;

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
    const keys = [...budgets.map(startsKey), minuteKey(minute), minuteKey(minute - 1)];
    const [current, last] = (await answerOf(
      redis.eval(COUNT, keys.length, ...keys, more, DAY_SECONDS, MINUTE_LIFE_SECONDS),
    )) as [number, string | null];
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
