import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { command, startLeaseHaproxy, startStandIn, talkTo, type LeaseHaproxy, type Talk } from "../bed/lease-plane.ts";
import { handPortsOn } from "../bed/hand-on-ports.ts";
import type { Bench, Outcome } from "./bench.ts";

const ROUNDS = 5;
const ROUTES = 100_000;
const RELOADS = 5;
/** Instances that end, and the next ones that begin on their ports at once. */
const HANDED_ON = 10_000;
/** Time between two questions of the client whose answers are timed. */
const PACE_MS = 5;
const QUIET_MS = 1_000;
/** Clients who come and go, and clients who stay, while HAProxy is reloaded. */
const ROWS = 4;
const ID = "5sq9fsfr26iw58ze";
const PASSWORD = `${ID}83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84`;
/** One without an answer for as long has failed. */
const ANSWER_MS = 10_000;

/** What changing everything at once costs those who are connected, and those who come. */
export const edgeRoutes: Bench = {
  name: "edge-routes",
  measures:
    `time in which HAProxy takes on ${ROUTES.toLocaleString("en")} other routes, the worst answer to a client meanwhile, ` +
    `how many clients, old and new, fail in ${RELOADS} reloads under load, and how many of instances that have ended get ` +
    `to the next ones on their ports`,
  yardstick: "a reload with as many routes; the worst answer, and who fails, while nothing is changed",
  goal: "< 500 ms; < 150 ms; none fails; none gets there",
  run,
};

async function run(): Promise<Outcome> {
  const instance = await startStandIn();
  const haproxy = await startLeaseHaproxy({ connectionsPerLease: 1_000, connectsPerMinute: 1_000_000 });
  try {
    haproxy.known.add(ID);
    const swapped: number[][] = [];
    const reloaded: number[][] = [];
    const worst: number[][] = [];
    const worstQuiet: number[][] = [];
    await haproxy.plane.swapRoutes(tableOf(instance.target, ROUNDS));
    // The first round pays for what is loaded once.
    for (let round = -1; round < ROUNDS; round++) {
      const quiet = await askWhile(haproxy, () => delay(QUIET_MS));
      const table = tableOf(instance.target, round + 1);
      let swapMs = 0;
      const busy = await askWhile(haproxy, async () => {
        swapMs = await msOf(() => haproxy.plane.swapRoutes(table));
      });
      const content = await haproxy.contentFor(table);
      const reloadMs = await msOf(() => haproxy.haproxy.bring(content));
      if (round < 0) continue;
      worstQuiet.push(quiet);
      worst.push(busy);
      swapped.push([swapMs]);
      reloaded.push([reloadMs]);
    }
    const seen = { failed: [] as number[][], failedQuiet: [] as number[][], asked: 0, came: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      let took = 0;
      const reloading = await useWhile(haproxy, async () => {
        took = await msOf(async () => {
          for (let count = 0; count < RELOADS; count++)
            await haproxy.haproxy.bring(await haproxy.contentFor(tableOf(instance.target, ROUNDS)));
        });
      });
      const quiet = await useWhile(haproxy, () => delay(took));
      seen.failed.push([reloading.failed]);
      seen.failedQuiet.push([quiet.failed]);
      seen.asked += reloading.asked;
      seen.came += reloading.came;
    }
    await haproxy.plane.swapRoutes(new Map());
    const handed = await handPortsOn(haproxy, HANDED_ON);
    return {
      figures: [
        {
          what: `${ROUTES.toLocaleString("en")} routes in the place of as many others / a reload`,
          unit: "ms",
          share: 0.5,
          rounds: swapped,
          yardstick: reloaded,
          goal: { of: "value", atMost: 500 },
        },
        {
          what: "the worst answer meanwhile",
          unit: "ms",
          share: 1,
          rounds: worst,
          yardstick: worstQuiet,
          goal: { of: "value", atMost: 150 },
        },
        {
          what: `failed in ${RELOADS} reloads`,
          unit: "clients",
          share: 1,
          rounds: seen.failed,
          yardstick: seen.failedQuiet,
          goal: { of: "value", atMost: 0 },
        },
        {
          what: `got to the next instance on a port, of ${HANDED_ON.toLocaleString("en")} that were handed on`,
          unit: "clients",
          share: 1,
          rounds: [[handed.crossed]],
          goal: { of: "value", atMost: 0 },
        },
      ],
      notes: [
        `in ${ROUNDS * RELOADS} reloads, ${seen.came} clients came and were served, and those that stayed were answered ` +
          `${seen.asked} times`,
        `of ${handed.count} who came for instances that had just ended, ${handed.refused} were told so`,
      ],
    };
  } finally {
    instance.close();
    await haproxy.stop();
  }
}

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** One route that leads somewhere, among others that are different each round. */
function tableOf(target: string, round: number): Map<string, string> {
  const others = Array.from({ length: ROUTES - 1 }, (_, number): [string, string] => [
    `${round}x${number}`.padStart(16, "0"),
    `10.${round}.${(number >> 8) & 255}.${number & 255} ${20_000 + round}`,
  ]);
  return new Map([...others, [ID, target]]);
}

/**
 * Times of the answers to a client that asks at a steady pace while something is done, answered or not. They count from
 * when the question was due.
 */
async function askWhile(haproxy: LeaseHaproxy, work: () => Promise<unknown>): Promise<number[]> {
  const talk = await logIn(haproxy);
  const times: number[] = [];
  const due: number[] = [];
  let answers = talk.heard().split("\r\n").length;
  talk.socket.on("data", () => {
    const count = talk.heard().split("\r\n").length;
    for (; answers < count; answers++) times.push(performance.now() - (due.shift() ?? Number.NaN));
  });
  const state = { isDone: false };
  const working = work().finally(() => (state.isDone = true));
  const first = performance.now();
  for (let index = 0; !state.isDone || index === 0; index++) {
    const at = first + index * PACE_MS;
    if (at > performance.now()) await delay(at - performance.now());
    due.push(at);
    talk.say(command("WHO"));
  }
  await working;
  const deadline = performance.now() + ANSWER_MS;
  while (due.length > 0) {
    if (talk.isClosed() || performance.now() > deadline) throw new Error(`${due.length} questions have no answer`);
    await delay(PACE_MS);
  }
  talk.socket.destroy();
  return times;
}

/** Clients who come, log in and go, and clients who stay and ask, one thing after the other, while something is done. */
async function useWhile(
  haproxy: LeaseHaproxy,
  work: () => Promise<void>,
): Promise<{ failed: number; came: number; asked: number }> {
  let [failed, came, asked, isDone] = [0, 0, 0, false];
  const come = async () => {
    while (!isDone) {
      try {
        const talk = await logIn(haproxy);
        came++;
        talk.socket.destroy();
      } catch {
        failed++;
      }
    }
  };
  const ask = async (talk: Talk) => {
    try {
      while (!isDone) {
        talk.say(command("WHO"));
        await answerTo(talk);
        asked++;
      }
    } catch {
      failed++;
    }
    talk.socket.destroy();
  };
  const old = await Promise.all(Array.from({ length: ROWS }, () => logIn(haproxy)));
  const using = [...Array.from({ length: ROWS }, come), ...old.map(ask)];
  await work().finally(() => (isDone = true));
  await Promise.all(using);
  return { failed, came, asked };
}

/** @throws when the log-in is not answered as it should be */
async function logIn(haproxy: LeaseHaproxy): Promise<Talk> {
  const talk = await talkTo(haproxy.port, { ca: haproxy.ca });
  talk.say(command("AUTH", PASSWORD));
  const answer = await answerTo(talk);
  if (answer !== "+OK\r\n") throw new Error(`the log-in was answered with ${answer}`);
  return talk;
}

/** What comes next. @throws when the connection ends, or nothing comes */
async function answerTo({ socket }: Talk): Promise<string> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(ANSWER_MS)]);
  try {
    return await Promise.race([
      once(socket, "data", { signal }).then(([data]) => String(data)),
      once(socket, "close", { signal }).then(() => {
        throw new Error("the connection was closed");
      }),
    ]);
  } finally {
    over.abort();
  }
}
