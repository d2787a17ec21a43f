import { openRedis } from "../../apps/adapters/redis/discovery.ts";
import { createRedisRouteNews } from "../../apps/adapters/redis/gateways.ts";
import { freePort } from "../../infra/process/free-port.ts";
import { startEdge, type EdgeBed } from "../bed/edge.ts";
import { until } from "../bed/until.ts";
import type { Bench, Outcome } from "./bench.ts";
import { answer } from "./edge-answer.ts";
import { timeFigures } from "./figure.ts";

const ROUNDS = 3;
const LEASES = 20;
const CAPACITY = 8;

/** How soon an instance is reached through every gateway. */
export const edgeLife: Bench = {
  name: "edge-life",
  measures: "time that a hand-out waits for its gateways, and time from 201 to an answer through every gateway",
  yardstick: "a question to Redis; an answer to a new connection, long after",
  goal: "p99 < 100 ms",
  run,
};

async function run(): Promise<Outcome> {
  const port = await freePort();
  const bed = await startEdge(["gw-1", "gw-2"], {
    capacity: CAPACITY,
    env: { EDGE_PORT: String(port), QUOTA_PER_ADDRESS: "1000", STARTS_PER_ADDRESS_PER_DAY: "100000" },
  });
  const hearing = hearGateways(bed);
  try {
    const soon: number[][] = [];
    const later: number[][] = [];
    const waited: number[][] = [];
    const asked: number[][] = [];
    // The first round pays for connections and caches.
    for (let round = -1; round < ROUNDS; round++) {
      const times: Awaited<ReturnType<typeof timeLease>>[] = [];
      for (let count = 0; count < LEASES; count++) times.push(await timeLease(bed, hearing, port));
      if (round < 0) continue;
      soon.push(times.map((time) => time.soon));
      later.push(times.map((time) => time.later));
      waited.push(times.map((time) => time.waited));
      asked.push(times.map((time) => time.asked));
    }
    return {
      figures: [
        ...timeFigures("what a hand-out waits for its gateways", waited, asked),
        ...timeFigures("201 to an answer through every gateway", soon, later, {
          p99: { of: "value", atMost: 100 },
        }),
      ],
    };
  } finally {
    hearing.stop();
    await bed.stop();
  }
}

/** Hears what gateways are told, and what they tell. */
function hearGateways({ service, gateways }: EdgeBed) {
  const connect = () => openRedis(service.services.redisUrl, () => undefined);
  const [redis, listener] = [connect(), connect()];
  const news = createRedisRouteNews(redis, listener);
  const known = new Set<string>();
  const waited = new Map<string, number>();
  const hear = (id: string) => {
    if (known.has(id)) return;
    known.add(id);
    const toldAt = performance.now();
    const carrying = new Set<string>();
    news.onAcknowledged(id, (gateway, target) => {
      if (target !== null) carrying.add(gateway);
      if (carrying.size === gateways.length && !waited.has(id)) waited.set(id, performance.now() - toldAt);
    });
  };
  // So that it hears them before the first is waited for.
  news.onAcknowledged("", () => undefined);
  news.onNudge((ids) => {
    for (const id of ids) hear(id);
  });
  return {
    /** Milliseconds from when gateways were told of an instance until the last of them had taken it on; NaN: unheard. */
    waited: (id: string) => waited.get(id) ?? Number.NaN,
    /** Milliseconds that a question to Redis takes. */
    ask: async () => {
      const begun = performance.now();
      await redis.ping();
      return performance.now() - begun;
    },
    stop: () => {
      for (const client of [redis, listener]) client.disconnect();
    },
  };
}

/**
 * Milliseconds until an instance that was just handed out has answered through all gateways; then the same again. And
 * what its hand-out has waited for gateways.
 */
async function timeLease(bed: EdgeBed, hearing: ReturnType<typeof hearGateways>, port: number) {
  const lease = await until("an instance is handed out", () => bed.create(), 60_000);
  const answered = async () => {
    const begun = performance.now();
    await Promise.all(bed.gateways.map((gateway) => answer(bed, gateway, port, lease)));
    return performance.now() - begun;
  };
  const soon = await answered();
  const later = await answered();
  const asked = await hearing.ask();
  await bed.endLease(lease);
  return { soon, later, waited: hearing.waited(lease.id), asked };
}
