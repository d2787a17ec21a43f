import { availableParallelism } from "node:os";
import pMap from "p-map";
import { startService } from "../bed/service.ts";
import type { Bench, Outcome } from "./bench.ts";
import { dockerRunOn } from "./docker-run.ts";
import { timeFigures, type Figure } from "./figure.ts";
import { giveBack, handOut, handOutToPong, type Answer } from "./hand-out.ts";
import { costOf, readMemory, startBare } from "./host-memory.ts";
import { openLoop } from "./open-loop.ts";

/** Instances on one engine. */
const LEVELS = [40, 100, 300];
/** Hand-outs that are timed at each, and as many of the yardstick, in turns. */
const EACH = 10;
const PER_SECOND = 1.6;
/** Starts at once while it is filled. */
const FILLING = 4;

/** What many instances on one engine cost, and how it hands out beside them. */
export const density: Bench = {
  name: "density",
  measures: `memory of an instance and a cold hand-out's time to PONG with ${LEVELS.join(", ")} instances on one engine`,
  yardstick: "a bare redis-server, as many of them; docker run to PONG beside the same instances, in turns",
  goal: "",
  run,
};

async function run(): Promise<Outcome> {
  const most = Math.max(...LEVELS);
  const service = await startService({
    capacity: most + 2 * EACH,
    env: { QUOTA_PER_ADDRESS: "10000", WARM_POOL_MAX: "0" },
  });
  try {
    const { origin, hosts } = service;
    const [host] = hosts;
    if (!host) throw new Error("there is no host");
    const instances: Answer[] = [await handOut(origin)];
    const before = await readMemory(host);
    const dockerRun = await dockerRunOn(host);
    const figures: Figure[] = [];
    const notes: string[] = [];
    let bare = 0;
    for (const level of LEVELS) {
      const missing = level - (instances.length - 1);
      const begun = performance.now();
      const added = await pMap(Array.from({ length: missing }), () => handOut(origin), { concurrency: FILLING });
      const seconds = (performance.now() - begun) / 1000;
      instances.push(...added);
      await startBare(host, level - bare, bare);
      bare = level;
      const cost = costOf(before, await readMemory(host), level);
      figures.push({
        what: `${level} instances: memory of each`,
        unit: "MB",
        share: 0.5,
        rounds: [[cost.all]],
        yardstick: [[cost.bare]],
      });
      const timed: Answer[] = [];
      const times = await openLoop(2 * EACH, PER_SECOND, async (index) => {
        if (index % 2 === 0) timed.push(await handOutToPong(origin));
        else await dockerRun.toPong(index);
      });
      for (const answer of timed) await giveBack(origin, answer);
      for (let index = 1; index < 2 * EACH; index += 2) await dockerRun.remove(index);
      const own = times.filter((_, index) => index % 2 === 0);
      const yardstick = times.filter((_, index) => index % 2 === 1);
      figures.push(...timeFigures(`${level} instances: POST to PONG, cold`, [own], [yardstick]));
      notes.push(
        `${level} instances: ${(added.length / seconds).toFixed(1)} starts a second, ${FILLING} at once; of an ` +
          `instance's memory ${cost.server.toFixed(2)} MB are the server's, ${cost.shim.toFixed(2)} the shim's, ` +
          `${cost.engine.toFixed(2)} the engine's, ${cost.kernel.toFixed(2)} the kernel's`,
      );
    }
    notes.push(`on ${availableParallelism()} processors`);
    return { figures, notes };
  } finally {
    await service.stop();
  }
}
