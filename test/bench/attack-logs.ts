import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { startService, type Service } from "../bed/service.ts";
import { quantile } from "./quantile.ts";

const SECONDS = 4;
const HONEST_PERIOD_MS = 10;
const TENANTS = 3;

/** What each tenant's script does, over and over. */
const attacks: readonly [what: string, each: string][] = [
  ["3 tenants write log lines", "redis.log(redis.LOG_WARNING, text)"],
  ["3 tenants write nothing", "redis.sha1hex(text)"],
];

/**
 * Tenants run scripts that write to the log without end, on one host with a neighbour that is timed before and
 * meanwhile. The second attack is the same loop without the log: what it costs whatever the log does.
 */
const service = await startService({ capacity: 8, env: { QUOTA_PER_ADDRESS: "8" } });
const clients: Redis[] = [];
try {
  const honest = await handOut(service);
  await honestTimes(honest, 1);
  const quiet = await honestTimes(honest);
  console.log("a neighbour's PING           p50      p99    ratio p50      p99   engine and shims   to disk");
  console.log(`${"quiet".padEnd(25)} ${cell(quiet, 0.5)} ${cell(quiet, 0.99)}`);
  for (const [what, each] of attacks) {
    const tenants = await Promise.all(Array.from({ length: TENANTS }, () => handOut(service)));
    const stop = new AbortController();
    const script = `local text = string.rep('x', 900) for _ = 1, 20000 do ${each} end`;
    const attack = Promise.all(
      tenants.map(async (tenant) => {
        while (!stop.signal.aborted) await tenant.eval(script, 0);
      }),
    );
    const before = await hostUse(service);
    const times = await honestTimes(honest);
    const after = await hostUse(service);
    stop.abort();
    await attack;
    console.log(
      `${what.padEnd(25)} ${cell(times, 0.5)} ${cell(times, 0.99)}  ${ratio(times, quiet, 0.5)} ` +
        `${ratio(times, quiet, 0.99)}   ${((100 * (after.cpuSeconds - before.cpuSeconds)) / SECONDS).toFixed(0).padStart(6)}% of a core` +
        `   ${((after.bytes - before.bytes) / SECONDS / 1e6).toFixed(1)} MB/s`,
    );
  }
} finally {
  for (const client of clients) client.disconnect();
  await service.stop();
}

async function handOut({ origin }: Service): Promise<Redis> {
  const answer = await fetch(`${origin}/instances`, { method: "POST" });
  if (answer.status !== 201) throw new Error(`POST /instances answered ${answer.status}`);
  const client = new Redis(((await answer.json()) as { url: string }).url);
  clients.push(client);
  return client;
}

/** Milliseconds of PINGs, begun at a steady pace, so that each stall counts for all it holds up. */
async function honestTimes(client: Redis, seconds: number = SECONDS): Promise<number[]> {
  const timeOne = async () => {
    const begun = performance.now();
    await client.ping();
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

/** Seconds of processor time and bytes written to disk, by the host's engine and the shims of its containers. */
async function hostUse({ hosts: [host] }: Service): Promise<{ cpuSeconds: number; bytes: number }> {
  const script = `for pid in $(pgrep --full '^dockerd|containerd-shim'); do
    cut -d' ' -f14,15 /proc/$pid/stat
    echo $(grep '^write_bytes' /proc/$pid/io | cut -d' ' -f2) bytes
  done`;
  const lines = (await host?.exec("bash", "-c", script))?.trim().split("\n") ?? [];
  const numbers = (isBytes: boolean) =>
    lines.filter((line) => line.endsWith("bytes") === isBytes).flatMap((line) => line.split(" ").map(Number));
  const sum = (values: number[]) => values.filter(Number.isFinite).reduce((total, value) => total + value, 0);
  // Hundredths of a second.
  return { cpuSeconds: sum(numbers(false)) / 100, bytes: sum(numbers(true)) };
}

function cell(values: readonly number[], share: number): string {
  return `${quantile(values, share).toFixed(2)} ms`.padStart(8);
}

function ratio(values: readonly number[], to: readonly number[], share: number): string {
  return (quantile(values, share) / quantile(to, share)).toFixed(2).padStart(8);
}
