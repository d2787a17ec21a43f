import { setTimeout as delay } from "node:timers/promises";
import { startService, type Service } from "../bed/service.ts";
import type { Bench, Outcome } from "./bench.ts";
import { timeFigures } from "./figure.ts";
import { handOut, type Answer } from "./hand-out.ts";

const SECONDS = 3;
const HONEST_PERIOD_MS = 20;
const ATTACK_PERIOD_MS = 333;

/** Replies that are far longer than what is shown of them, and such as are just short enough to be read to their end. */
const integers = (count: number) => `EVAL 'local t = {} for i = 1, ${count} do t[i] = 1 end return t' 0`;
const attacks: readonly [what: string, tenants: number, command: string][] = [
  ["1 tenant, 450,000 integers", 1, integers(450_000)],
  ["3 tenants, 450,000 integers", 3, integers(450_000)],
  ["3 tenants, 240,000 integers", 3, integers(240_000)],
  ["3 tenants, nothing returned", 3, integers(450_000).replace("return t", "")],
];

/** What tenants who run scripts in the console cost an honest caller of the API. */
export const attackConsole: Bench = {
  name: "attack-console",
  measures: "an honest caller's GET /instances/:id while tenants run scripts with long replies in the console",
  yardstick: "the same before",
  goal: "",
  run,
};

/**
 * Tenants run a script three times a second in the console, each from an address and with an instance of its own. An
 * honest caller of the API is timed before and meanwhile. The last attack is the same script without its reply: what it
 * costs on the same machine, whatever the console does.
 */
async function run(): Promise<Outcome> {
  const service = await startService({ capacity: 8, env: { QUOTA_PER_ADDRESS: "8", TRUST_PROXY: "loopback" } });
  try {
    const { origin } = service;
    const honest = await handOut(origin);
    const tenants = await Promise.all(Array.from({ length: 3 }, () => handOut(origin)));
    await honestTimes(service, honest, 1);
    const quiet = await honestTimes(service, honest);
    const figures = [];
    const notes = [];
    for (const [what, count, command] of attacks) {
      const stop = new AbortController();
      const answers = new Map<string, number>();
      const attack = Promise.all(
        tenants
          .slice(0, count)
          .map((tenant, index) => attackFrom(origin, tenant, index, command, stop.signal, answers)),
      );
      const before = await cpuSeconds(service);
      const times = await honestTimes(service, honest);
      stop.abort();
      await attack;
      const cpu = (100 * ((await cpuSeconds(service)) - before)) / SECONDS;
      figures.push(...timeFigures(what, [times], [quiet]));
      const counted = [...answers].map(([answer, number]) => `${number} x ${answer}`).join(", ");
      notes.push(`${what}: the API took ${cpu.toFixed(0)}% of a core, and answered ${counted}`);
    }
    return { figures, notes };
  } finally {
    await service.stop();
  }
}

/** Begins a command each third of a second, whether or not those before have been answered. */
async function attackFrom(
  origin: string,
  { id, password, token }: Answer,
  index: number,
  command: string,
  stop: AbortSignal,
  answers: Map<string, number>,
): Promise<void> {
  const session = `attack-${index}`;
  const underWay: Promise<void>[] = [];
  while (!stop.aborted) {
    underWay.push(
      (async () => {
        const answer = await read(`${origin}/instances/${id}/console`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            authorization: `Bearer ${token}`,
            "x-forwarded-for": `198.51.${index}.1`,
          },
          body: JSON.stringify({ password, command, session }),
        });
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      })(),
    );
    await delay(ATTACK_PERIOD_MS);
  }
  await Promise.all(underWay);
}

/** Milliseconds of an honest caller's requests, begun at a steady pace, so that each stall counts for all it holds up. */
async function honestTimes({ origin }: Service, { id, token }: Answer, seconds: number = SECONDS): Promise<number[]> {
  const timeOne = async () => {
    const begun = performance.now();
    await read(`${origin}/instances/${id}`, { headers: { authorization: `Bearer ${token}` } });
    return performance.now() - begun;
  };
  const times: Promise<number>[] = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    times.push(timeOne());
    await delay(HONEST_PERIOD_MS);
  }
  return Promise.all(times);
}

/** Calls and reads the whole answer; returns its status, or what happened in its place, as under attack it may. */
async function read(url: string, init: RequestInit): Promise<string> {
  try {
    const answer = await fetch(url, init);
    await answer.text();
    return String(answer.status);
  } catch {
    return "no answer";
  }
}

/** Seconds of processor time that the API has used so far. */
async function cpuSeconds({ origin, opsToken }: Service): Promise<number> {
  const answer = await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${opsToken}` } });
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(await answer.text())?.[1]);
}
