import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { startService } from "../bed/service.ts";
import type { Bench, Outcome } from "./bench.ts";
import { timeFigures } from "./figure.ts";
import { handOut, type Answer } from "./hand-out.ts";

const runProgram = promisify(execFile);
const SECONDS = 3;
/** By then what an instance may send at once is gone, where there is a bound. */
const SETTLE_SECONDS = 3;
const SMALL = "x".repeat(100);
const LARGE = "x".repeat(100_000);
const MB = 1_000_000;

/** What an instance that sends as fast as it can costs its neighbours. */
export const attackEgress: Bench = {
  name: "attack-egress",
  measures: "a neighbour's GET, and another client's of the same instance, while one instance sends all it can",
  yardstick: "the same before",
  goal: "",
  run,
};

/**
 * One instance sends as fast as eight connections read from it, for long enough to use up what it may send at
 * once. A neighbour on the same host, and another client of the same instance, are timed before and meanwhile.
 */
async function run(): Promise<Outcome> {
  const service = await startService({ capacity: 8, env: { QUOTA_PER_ADDRESS: "8" } });
  try {
    const { origin, hosts } = service;
    const [host] = hosts;
    if (!host) throw new Error("there is no host");
    const neighbour = await connectTo(await handOut(origin));
    const attacked = await handOut(origin);
    const sameInstance = await connectTo(attacked);
    await Promise.all([neighbour, sameInstance].map((each) => each.mset({ small: SMALL, large: LARGE })));
    const measure = async () => ({
      neighbour: await timeOf(neighbour, "small"),
      throughput: await throughputOf(neighbour),
      sameInstance: await timeOf(sameInstance, "small"),
    });

    const quiet = await measure();
    const sentBefore = await bytesSent();
    const begun = performance.now();
    const { host: address, port, password } = attacked;
    const attack = runProgram(
      "timeout",
      // prettier-ignore
      [String(SETTLE_SECONDS + 3 * SECONDS + 1), "redis-benchmark", "-h", address, "-p", String(port), "-a", password,
        "-c", "8", "-P", "8", "-n", "100000000", "GET", "large"],
    ).catch(() => undefined);
    await delay(SETTLE_SECONDS * 1000);
    const sentBetween = await bytesSent();
    const between = performance.now();
    const now = await measure();
    const rate = ((await bytesSent()) - sentBetween) / ((performance.now() - between) / 1000);
    for (const redis of [neighbour, sameInstance]) redis.disconnect();
    await attack;
    return {
      figures: [
        ...timeFigures("GET of a neighbour", [now.neighbour], [quiet.neighbour]),
        ...timeFigures("GET of the same instance", [now.sameInstance], [quiet.sameInstance]),
        {
          what: "a neighbour's reading",
          unit: "MB/s",
          share: 0.5,
          rounds: [[now.throughput / MB]],
          yardstick: [[quiet.throughput / MB]],
        },
      ],
      notes: [
        `it sent ${((sentBetween - sentBefore) / MB).toFixed(0)} MB in the first ` +
          `${((between - begun) / 1000).toFixed(1)} s, and with all others ${(rate / MB).toFixed(0)} MB/s from then on`,
      ],
    };

    /** What the host's card has sent since it was there. */
    async function bytesSent(): Promise<number> {
      const [, fields = ""] = /eth0:\s*(.*)/.exec((await host?.exec("cat", "/proc/self/net/dev")) ?? "") ?? [];
      return Number(fields.split(/\s+/)[8]);
    }
  } finally {
    await service.stop();
  }
}

async function connectTo({ host, port, password }: Answer): Promise<Redis> {
  const redis = new Redis({ host, port, password });
  await redis.ping();
  return redis;
}

/** Milliseconds of each GET of a value, one after the other. */
async function timeOf(redis: Redis, key: string): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + SECONDS * 1000;
  for (let begun = performance.now(); begun < end; begun = performance.now()) {
    await redis.get(key);
    times.push(performance.now() - begun);
  }
  return times;
}

/** Bytes a second of an ordinary reader of 100 KB values, who reads 100 a second at most. */
async function throughputOf(redis: Redis): Promise<number> {
  const begun = performance.now();
  let bytes = 0;
  for (let turn = 0; performance.now() - begun < SECONDS * 1000; turn++) {
    const pause = begun + turn * 10 - performance.now();
    if (pause > 0) await delay(pause);
    bytes += (await redis.get("large"))?.length ?? 0;
  }
  return bytes / ((performance.now() - begun) / 1000);
}
