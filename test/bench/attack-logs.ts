import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { startService, type Service } from "../bed/service.ts";
import type { Bench, Outcome } from "./bench.ts";
import { timeFigures } from "./figure.ts";
import { handOut } from "./hand-out.ts";

const SECONDS = 4;
const HONEST_PERIOD_MS = 10;
const TENANTS = 3;

/** What each tenant's script does, over and over. */
const attacks: readonly [what: string, each: string][] = [
  ["3 tenants write log lines", "redis.log(redis.LOG_WARNING, text)"],
  ["3 tenants write nothing", "redis.sha1hex(text)"],
];

/** What tenants who write to the log without end cost a neighbour. */
export const attackLogs: Bench = {
  name: "attack-logs",
  measures: "a neighbour's PING while tenants write to their servers' logs without end",
  yardstick: "the same before",
  goal: "",
  run,
};

/**
 * Tenants run scripts that write to the log without end, on one host with a neighbour that is timed before and
 * meanwhile. The second attack is the same loop without the log: what it costs whatever the log does.
 */
async function run(): Promise<Outcome> {
  const service = await startService({ capacity: 8, env: { QUOTA_PER_ADDRESS: "8" } });
  const clients: Redis[] = [];
  const connect = async () => {
    const client = new Redis((await handOut(service.origin)).url);
    clients.push(client);
    return client;
  };
  try {
    const honest = await connect();
    await honestTimes(honest, 1);
    const quiet = await honestTimes(honest);
    const figures = [];
    const notes = [];
    for (const [what, each] of attacks) {
      const tenants = await Promise.all(Array.from({ length: TENANTS }, connect));
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
      figures.push(...timeFigures(what, [times], [quiet]));
      notes.push(
        `${what}: engine and shims took ${((100 * (after.cpuSeconds - before.cpuSeconds)) / SECONDS).toFixed(0)}% of ` +
          `a core, and wrote ${((after.bytes - before.bytes) / SECONDS / 1e6).toFixed(1)} MB/s to disk`,
      );
    }
    return { figures, notes };
  } finally {
    for (const client of clients) client.disconnect();
    await service.stop();
  }
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
