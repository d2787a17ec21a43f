import { Agent, request, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import pMap from "p-map";
import { startService } from "../bed/service.ts";
import { bareWork, rulesOf } from "./bare-work.ts";
import type { Bench, Outcome } from "./bench.ts";
import { AS_SET } from "./pool-service.ts";
import { paperHost, PAPER_INSTANCES } from "./paper-host.ts";

const ROUNDS = 3;
const PROCESSES = 4;
/** Requests under way at once. */
const AT_ONCE = 32;
/** Longer than a process needs to read the hosts anew. */
const SEEN_MS = 1_500;

/** How many warm instances are handed out a second when no container has to be started. */
export const throughput: Bench = {
  name: "throughput",
  measures: `hand-outs a second of one API process and of ${PROCESSES}, warm, with engines out of the way`,
  yardstick: "the same two transactions in a loop on the same MySQL; and one process beside four",
  goal: "ratio >= 0.6 with one process",
  run,
};

async function run(): Promise<Outcome> {
  const service = await startService({
    jobs: false,
    env: { QUOTA_PER_ADDRESS: "1000", TRUST_PROXY: "loopback", WARM_POOL_MIN: "0", WARM_POOL_MAX: "1000", ...AS_SET },
  });
  const paper = await paperHost(service);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  try {
    const { origin, store } = service;
    const rules = rulesOf(service);
    const origins = [origin];
    while (origins.length < PROCESSES) origins.push((await service.startReplica()).origin);

    const perSecond = async (work: (index: number) => Promise<void>) => {
      await paper.refill();
      await delay(SEEN_MS);
      const begun = performance.now();
      const all = Array.from({ length: PAPER_INSTANCES }, (_, index) => index);
      await pMap(all, work, { concurrency: AT_ONCE });
      return PAPER_INSTANCES / ((performance.now() - begun) / 1000);
    };
    const ask = (among: number) => (index: number) => post(agent, origins[index % among] ?? origin, addressOf(index));
    const bare = async (index: number) => {
      await bareWork(store, rules, paper.name, addressOf(index));
    };

    const one: number[][] = [];
    const four: number[][] = [];
    const work: number[][] = [];
    for (let round = -1; round < ROUNDS; round++) {
      const rates = [await perSecond(ask(1)), await perSecond(bare), await perSecond(ask(PROCESSES))] as const;
      if (round < 0) continue;
      one.push([rates[0]]);
      work.push([rates[1]]);
      four.push([rates[2]]);
    }
    const figure = { unit: "/s", share: 0.5 };
    return {
      figures: [
        {
          ...figure,
          what: "hand-outs of 1 process, beside bare work",
          rounds: one,
          yardstick: work,
          goal: { of: "ratio", atLeast: 0.6 },
        },
        { ...figure, what: `hand-outs of ${PROCESSES} processes, beside 1`, rounds: four, yardstick: one },
        { ...figure, what: `hand-outs of ${PROCESSES} processes, beside bare work`, rounds: four, yardstick: work },
      ],
      notes: [`${AT_ONCE} requests at once, each of another network; callers, API and MySQL share the processors`],
    };
  } finally {
    agent.destroy();
    await paper.stop();
    await service.stop();
  }
}

/** Each in a network of its own. */
function addressOf(index: number): string {
  return `10.${index >> 8}.${index & 255}.1`;
}

/** With no more work for the caller than there has to be: it shares the processors. */
async function post(agent: Agent, origin: string, address: string): Promise<void> {
  const asked = request(`${origin}/instances`, {
    method: "POST",
    agent,
    headers: { "x-forwarded-for": address },
  }).end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  const body = await text(answer);
  if (answer.statusCode !== 201) throw new Error(`POST /instances answered ${answer.statusCode}: ${body}`);
}
