import { setTimeout as delay } from "node:timers/promises";
import { checkLogin } from "../../apps/adapters/redis/probe.ts";
import { startService, type Service } from "../bed/service.ts";
import { giveBack, handOut, type Answer } from "./hand-out.ts";
import { openLoop } from "./open-loop.ts";

/** Instances that are kept ready. */
export const POOL = 16;

/** As the settings have it: tests run these jobs, and read the fleet, more often. */
export const AS_SET = {
  RECONCILE_CRON: "* * * * *",
  TRANSFER_CRON: "*/30 * * * * *",
  FLEET_REFRESH_MS: "1000",
} as const;

const SLOTS = 64;
const PONG_MS = 10_000;
const POLL_MS = 100;

/** The product on real parts, with a pool that is as large whatever is asked for. */
export function startPoolService(): Promise<Service> {
  return startService({
    capacity: SLOTS,
    env: {
      QUOTA_PER_ADDRESS: "1000",
      WARM_POOL_MIN: String(POOL),
      WARM_POOL_MAX: String(POOL),
      ...AS_SET,
    },
  });
}

/** Resolves when so many instances are ready. */
export async function untilReady({ store }: Service, count: number = POOL): Promise<void> {
  const ready = async () => (await store.warmPool.list()).filter(({ state }) => state === "warm").length;
  while ((await ready()) < count) await delay(POLL_MS);
}

/**
 * Hands out instances at a steady pace, and ends them afterwards.
 * @returns milliseconds from when each was to be asked for to its `PONG`
 */
export async function timePosts({ origin }: Service, count: number, perSecond: number): Promise<number[]> {
  const answers: Answer[] = [];
  const times = await openLoop(count, perSecond, async () => {
    const answer = await handOut(origin);
    await checkLogin(answer.host, answer.port, answer.password, AbortSignal.timeout(PONG_MS));
    answers.push(answer);
  });
  await Promise.all(answers.map((answer) => giveBack(origin, answer)));
  return times;
}

/** How many of all hand-outs so far found a warm instance, in words. */
export async function hitsOf({ store }: Service): Promise<string> {
  const { all, warm } = await store.warmPool.countHandedOut(new Date(0));
  return `${warm} of ${all} hand-outs found a warm instance`;
}
