import { bareWork, rulesOf } from "./bare-work.ts";
import type { Bench, Outcome } from "./bench.ts";
import { timeFigures } from "./figure.ts";
import { hitsOf, POOL, startPoolService, timePosts, untilReady } from "./pool-service.ts";

const ROUNDS = 5;
const PER_SECOND = 1;

/** What a warm hand-out takes beyond the work that it cannot do without. */
export const warmWork: Bench = {
  name: "warm-work",
  measures: `time from POST /instances to PONG with warm instances, ${PER_SECOND} a second, while the pool is refilled`,
  yardstick: "the same two transactions and a log-in, in a loop on the same MySQL and engine",
  goal: "ratio <= 2 at p50",
  run,
};

async function run(): Promise<Outcome> {
  const service = await startPoolService();
  try {
    const { store, hosts } = service;
    const [host] = hosts;
    if (!host) throw new Error("there is no host");
    const rules = rulesOf(service);
    const posts: number[][] = [];
    const work: number[][] = [];
    for (let round = -1; round < ROUNDS; round++) {
      await untilReady(service);
      const ours = await timePosts(service, POOL, PER_SECOND);
      await untilReady(service);
      const bare: number[] = [];
      for (let index = 0; index < POOL; index++) {
        const begun = performance.now();
        const { id } = await bareWork(store, rules, host.name, "127.0.0.1", host.address);
        bare.push(performance.now() - begun);
        // The reaper removes its container.
        await store.leases.beginEnd(id, "owner", new Date());
      }
      if (round < 0) continue;
      posts.push(ours);
      work.push(bare);
    }
    return {
      figures: timeFigures("POST to PONG, warm", posts, work, { p50: { of: "ratio", atMost: 2 } }),
      notes: [await hitsOf(service)],
    };
  } finally {
    await service.stop();
  }
}
