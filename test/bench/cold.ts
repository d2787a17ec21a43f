import { startService } from "../bed/service.ts";
import type { Bench, Outcome } from "./bench.ts";
import { dockerRunOn } from "./docker-run.ts";
import { timeFigures } from "./figure.ts";
import { giveBack, handOutToPong } from "./hand-out.ts";
import { openLoop } from "./open-loop.ts";

const ROUNDS = 6;
/** Of each in a round. */
const EACH = 10;
/** Both together: each start takes a fifth of a second of both processors, and its removal half of that. */
const PER_SECOND = 1.6;

/** Time from request to first PONG without a warm instance. */
export const cold: Bench = {
  name: "cold",
  measures: "time from POST /instances to PONG, when the container is started for it",
  yardstick: "docker run of the same image on the same engine, to PONG, in turns",
  goal: "ratio <= 1.0, p50 and p99",
  run,
};

async function run(): Promise<Outcome> {
  const service = await startService({ capacity: 16, env: { QUOTA_PER_ADDRESS: "1000", WARM_POOL_MAX: "0" } });
  try {
    const { origin, hosts } = service;
    const [host] = hosts;
    if (!host) throw new Error("there is no host");
    // The first of each pays for connections and caches.
    await giveBack(origin, await handOutToPong(origin));
    const dockerRun = await dockerRunOn(host);
    const posts: number[][] = [];
    const runs: number[][] = [];
    for (let round = -1; round < ROUNDS; round++) {
      const removals: Promise<void>[] = [];
      // Even ones are ours: both see the same machine, and each other.
      const times = await openLoop(2 * EACH, PER_SECOND, async (index) => {
        if (index % 2 === 0) {
          const answer = await handOutToPong(origin);
          removals.push(giveBack(origin, answer));
        } else {
          await dockerRun.toPong(index);
          removals.push(dockerRun.remove(index));
        }
      });
      await Promise.all(removals);
      if (round < 0) continue;
      posts.push(times.filter((_, index) => index % 2 === 0));
      runs.push(times.filter((_, index) => index % 2 === 1));
    }
    const goal = { of: "ratio", atMost: 1 } as const;
    return { figures: timeFigures("POST to PONG, cold", posts, runs, { p50: goal, p99: goal }) };
  } finally {
    await service.stop();
  }
}
