import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { startService, type Service } from "../bed/service.ts";
import { quantile } from "./quantile.ts";

const run = promisify(execFile);
const SECONDS = 3;
/** By then what an instance may send at once is gone, where there is a bound. */
const SETTLE_SECONDS = 3;
const SMALL = "x".repeat(100);
const LARGE = "x".repeat(100_000);
const MB = 1_000_000;

/**
 * One instance sends as fast as eight connections read from it, for long enough to use up what it may send at
 * once. A neighbour on the same host, and another client of the same instance, are timed before and meanwhile.
 */
const service = await startService({ capacity: 8, env: { QUOTA_PER_ADDRESS: "8" } });
try {
  const [host] = service.hosts;
  if (!host) throw new Error("there is no host");
  const neighbour = await connectTo(await handOut(service));
  const attacked = await handOut(service);
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
  const attack = run(
    "timeout",
    // prettier-ignore
    [String(SETTLE_SECONDS + 3 * SECONDS + 1), "redis-benchmark", "-h", address, "-p", String(port), "-a", password,
      "-c", "8", "-P", "8", "-n", "100000000", "GET", "large"],
  ).catch(() => undefined);
  await delay(SETTLE_SECONDS * 1000);
  const sentBetween = await bytesSent();
  const between = performance.now();
  const attackedNow = await measure();
  const rate = (await bytesSent()) - sentBetween;
  const seconds = (performance.now() - between) / 1000;
  console.log(
    `One instance sends as fast as it can; it sent ${((sentBetween - sentBefore) / MB).toFixed(0)} MB in the`,
  );
  console.log(
    `first ${((between - begun) / 1000).toFixed(1)} s, and with all others ${(rate / seconds / MB).toFixed(0)} MB/s from then on.`,
  );
  console.log("                          quiet p50    p99     attacked p50    p99     ratio p50   p99");
  for (const [name, before, now] of [
    ["neighbour", quiet.neighbour, attackedNow.neighbour],
    ["same instance", quiet.sameInstance, attackedNow.sameInstance],
  ] as const)
    console.log(
      `${name.padEnd(24)} ${cell(before, 0.5)} ${cell(before, 0.99)}       ${cell(now, 0.5)} ${cell(now, 0.99)}` +
        `     ${ratio(now, before, 0.5)} ${ratio(now, before, 0.99)}`,
    );
  const share = attackedNow.throughput / quiet.throughput;
  console.log(
    `neighbour's throughput    ${(quiet.throughput / MB).toFixed(1)} MB/s, attacked ` +
      `${(attackedNow.throughput / MB).toFixed(1)} MB/s, ratio ${share.toFixed(2)}`,
  );
  for (const redis of [neighbour, sameInstance]) redis.disconnect();
  await attack;

  /** What the host's card has sent since it was there. */
  async function bytesSent(): Promise<number> {
    const [, fields = ""] = /eth0:\s*(.*)/.exec((await host?.exec("cat", "/proc/self/net/dev")) ?? "") ?? [];
    return Number(fields.split(/\s+/)[8]);
  }
} finally {
  await service.stop();
}

type Handout = { readonly host: string; readonly port: number; readonly password: string };

async function handOut({ origin }: Service): Promise<Handout> {
  const answer = await fetch(`${origin}/instances`, { method: "POST" });
  if (answer.status !== 201) throw new Error(`POST /instances answered ${answer.status}`);
  return (await answer.json()) as Handout;
}

async function connectTo({ host, port, password }: Handout): Promise<Redis> {
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

function cell(values: readonly number[], share: number): string {
  return `${quantile(values, share).toFixed(2)} ms`.padStart(9);
}

function ratio(now: readonly number[], before: readonly number[], share: number): string {
  return (quantile(now, share) / quantile(before, share)).toFixed(2).padStart(6);
}
