import { once } from "node:events";
import { command, startLeaseHaproxy, startStandIn, talkTo, type LeaseHaproxy } from "../bed/lease-plane.ts";
import type { Bench, Outcome } from "./bench.ts";

const ROUNDS = 5;
const ROUTES = 100_000;
const RELOADS = 5;
const QUIET_MS = 1_000;
const AT_ONCE = 4;
const ID = "5sq9fsfr26iw58ze";
const PASSWORD = `${ID}83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84`;

/** What changing everything at once costs those who are connected, and those who come. */
export const edgeRoutes: Bench = {
  name: "edge-routes",
  measures:
    `time in which HAProxy takes on ${ROUTES.toLocaleString("en")} other routes, the worst answer to a client meanwhile, ` +
    `and who fails in ${RELOADS} reloads under load`,
  yardstick: "the worst answer while nothing changes; as many who come while nothing is reloaded",
  goal: "< 500 ms; < 150 ms; none fails",
  run,
};

async function run(): Promise<Outcome> {
  const haproxy = await startLeaseHaproxy({ connectionsPerLease: 1_000 });
  const instance = await startStandIn();
  try {
    haproxy.known.add(ID);
    const swapped: number[][] = [];
    const worst: number[][] = [];
    const worstQuiet: number[][] = [];
    await haproxy.plane.swapRoutes(tableOf(instance.target, 0));
    for (let round = 1; round <= ROUNDS; round++) {
      worstQuiet.push(await askWhile(haproxy, () => new Promise((resolve) => setTimeout(resolve, QUIET_MS))));
      const table = tableOf(instance.target, round);
      const asked = await askWhile(haproxy, async () => {
        const begun = performance.now();
        await haproxy.plane.swapRoutes(table);
        swapped.push([performance.now() - begun]);
      });
      worst.push(asked);
    }
    const { failed, served } = await comeWhile(haproxy, async () => {
      for (let count = 0; count < RELOADS; count++)
        await haproxy.haproxy.bring(await haproxy.contentFor(tableOf(instance.target, ROUNDS)));
    });
    const ms = { unit: "ms", share: 0.5 };
    return {
      figures: [
        {
          what: `${ROUTES.toLocaleString("en")} routes in the place of as many others`,
          ...ms,
          rounds: swapped,
          goal: { of: "value", atMost: 500 },
        },
        {
          what: "the worst answer meanwhile",
          ...ms,
          share: 1,
          rounds: worst,
          yardstick: worstQuiet,
          goal: { of: "value", atMost: 150 },
        },
        {
          what: `failed of those who came in ${RELOADS} reloads`,
          unit: "clients",
          share: 1,
          rounds: [[failed]],
          goal: { of: "value", atMost: 0 },
        },
      ],
      notes: [`${served} came and were served in ${RELOADS} reloads`],
    };
  } finally {
    instance.close();
    await haproxy.stop();
  }
}

/** One route that leads somewhere, among others that are different each round. */
function tableOf(target: string, round: number): Map<string, string> {
  const others = Array.from({ length: ROUTES - 1 }, (_, number): [string, string] => [
    `${round}x${number}`.padStart(16, "0"),
    `10.${round}.${(number >> 8) & 255}.${number & 255} ${20_000 + round}`,
  ]);
  return new Map([...others, [ID, target]]);
}

/** Times of the answers to a client that asks again and again while something is done. */
async function askWhile(haproxy: LeaseHaproxy, work: () => Promise<unknown>): Promise<number[]> {
  const talk = await talkTo(haproxy.port, { ca: haproxy.ca });
  talk.say(command("AUTH", PASSWORD));
  await once(talk.socket, "data");
  const times: number[] = [];
  const state = { isDone: false };
  const working = work().finally(() => (state.isDone = true));
  do {
    const begun = performance.now();
    talk.say(command("WHO"));
    await once(talk.socket, "data");
    times.push(performance.now() - begun);
  } while (!state.isDone);
  await working;
  talk.socket.destroy();
  return times;
}

/** Clients who come, log in and go, one after the other in some rows, while something is done. */
async function comeWhile(
  haproxy: LeaseHaproxy,
  work: () => Promise<void>,
): Promise<{ failed: number; served: number }> {
  let [failed, served, isDone] = [0, 0, false];
  const come = async () => {
    while (!isDone) {
      try {
        const talk = await talkTo(haproxy.port, { ca: haproxy.ca });
        talk.say(command("AUTH", PASSWORD));
        const [answer] = (await Promise.race([once(talk.socket, "data"), once(talk.socket, "close")])) as [unknown];
        if (String(answer) === "+OK\r\n") served++;
        else failed++;
        talk.socket.destroy();
      } catch {
        failed++;
      }
    }
  };
  const coming = Array.from({ length: AT_ONCE }, come);
  await work().finally(() => (isDone = true));
  await Promise.all(coming);
  return { failed, served };
}
