import { startService } from "../bed/service.ts";
import type { Bench, Outcome } from "./bench.ts";
import { giveBack, handOut, type Answer } from "./hand-out.ts";
import { costOf, readMemory, startBare, type HostMemory } from "./host-memory.ts";

const ROUNDS = 3;
/** Of each. What processes have in common is spread over them. */
const COUNT = 40;

/** What an instance costs its host. */
export const memory: Bench = {
  name: "memory",
  measures: `memory that an empty instance costs its host, of ${COUNT}: server, shim, engine, kernel`,
  yardstick: "as many redis-server processes of the distribution, with their kernel memory",
  goal: "ratio <= 2",
  run,
};

async function run(): Promise<Outcome> {
  const service = await startService({ capacity: COUNT + 1, env: { QUOTA_PER_ADDRESS: "1000", WARM_POOL_MAX: "0" } });
  try {
    const { origin, hosts } = service;
    const [host] = hosts;
    if (!host) throw new Error("there is no host");
    // The first one makes the network, and has the engine load what it needs for any.
    const first = await handOut(origin);
    const before = await readMemory(host);
    const answers: Answer[] = [];
    for (let count = 0; count < COUNT; count++) answers.push(await handOut(origin));
    await startBare(host, COUNT);
    const readings: HostMemory[] = [];
    for (let round = 0; round < ROUNDS; round++) readings.push(await readMemory(host));
    for (const answer of [first, ...answers]) await giveBack(origin, answer);
    const costs = readings.map((now) => costOf(before, now, COUNT));
    const parts = ["server", "shim", "proxy", "engine", "kernel"] as const;
    const last = costs.at(-1);
    return {
      figures: [
        {
          what: "memory of an instance",
          unit: "MB",
          share: 0.5,
          rounds: costs.map(({ all }) => [all]),
          yardstick: costs.map(({ bare }) => [bare]),
          goal: { of: "ratio", atMost: 2 },
        },
        ...parts.map((part) => ({
          what: `  ${part}`,
          unit: "MB",
          share: 0.5,
          rounds: costs.map((cost) => [cost[part]]),
        })),
      ],
      notes: last === undefined ? [] : [`a bare server is ${last.bare.toFixed(2)} MB, ${COUNT} of them side by side`],
    };
  } finally {
    await service.stop();
  }
}
