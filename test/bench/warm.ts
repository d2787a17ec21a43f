import type { Bench, Outcome } from "./bench.ts";
import { dockerRunOn } from "./docker-run.ts";
import { timeFigures } from "./figure.ts";
import { openLoop } from "./open-loop.ts";
import { hitsOf, POOL, startPoolService, timePosts, untilReady } from "./pool-service.ts";

const ROUNDS = 5;
const PER_SECOND = 1;
/** Of the yardstick in each round. */
const RUNS = 8;
const RUNS_PER_SECOND = 1.6;

/** Time from request to first PONG when an instance is ready. */
export const warm: Bench = {
  name: "warm",
  measures: `time from POST /instances to PONG with warm instances, ${PER_SECOND} a second, while the pool is refilled`,
  yardstick: "docker run of the same image on the same engine, to PONG, round by round",
  goal: "ratio <= 1/40 at p50, <= 1/10 at p99",
  run,
};

async function run(): Promise<Outcome> {
  const service = await startPoolService();
  try {
    const [host] = service.hosts;
    if (!host) throw new Error("there is no host");
    await untilReady(service);
    const dockerRun = await dockerRunOn(host);
    const posts: number[][] = [];
    const runs: number[][] = [];
    // The first round pays for connections and caches.
    for (let round = -1; round < ROUNDS; round++) {
      await untilReady(service);
      const ours = await timePosts(service, POOL, PER_SECOND);
      await untilReady(service);
      const theirs = await openLoop(RUNS, RUNS_PER_SECOND, dockerRun.toPong);
      for (let index = 0; index < RUNS; index++) await dockerRun.remove(index);
      if (round < 0) continue;
      posts.push(ours);
      runs.push(theirs);
    }
    return {
      figures: timeFigures("POST to PONG, warm", posts, runs, {
        p50: { of: "ratio", atMost: 1 / 40 },
        p99: { of: "ratio", atMost: 1 / 10 },
      }),
      notes: [await hitsOf(service)],
    };
  } finally {
    await service.stop();
  }
}
