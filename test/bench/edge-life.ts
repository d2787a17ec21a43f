import { once } from "node:events";
import type { LookupFunction } from "node:net";
import { openRedis } from "../../apps/adapters/redis/discovery.ts";
import { createRedisRouteNews } from "../../apps/adapters/redis/gateways.ts";
import { freePort } from "../../infra/process/free-port.ts";
import { endHaproxies } from "../bed/end-haproxies.ts";
import { startClient, type LabClient } from "../../infra/lab/clients.ts";
import { startEdge, type BedGateway, type EdgeBed, type EdgeLease } from "../bed/edge.ts";
import { command, talkTo } from "../bed/lease-plane.ts";
import { until } from "../bed/until.ts";
import type { Bench, Outcome } from "./bench.ts";
import { timeFigures } from "./figure.ts";

const ROUNDS = 3;
const LEASES = 20;
const CLIENTS = 6;
const CAPACITY = 8;
/** Whoever gets no answer for as long gets none. */
const ANSWER_MS = 10_000;

/** How soon an instance is reached through every gateway, and how soon a client is back when its gateway dies. */
export const edgeLife: Bench = {
  name: "edge-life",
  measures:
    "time that a hand-out waits for its gateways, time from 201 to an answer through every gateway, and time without an " +
    "answer of clients whose gateway is killed with all its connections",
  yardstick: "a question to Redis; an answer to a new connection, long after",
  goal: "p99 < 100 ms; < 1 s for each client",
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
    const outages: number[][] = [];
    for (let round = 0; round < ROUNDS; round++) outages.push(await killUnder(bed));
    return {
      figures: [
        ...timeFigures("what a hand-out waits for its gateways", waited, asked),
        ...timeFigures("201 to an answer through every gateway", soon, later, {
          p99: { of: "value", atMost: 100 },
        }),
        {
          what: "time without an answer, its gateway killed, the longest",
          unit: "ms",
          share: 1,
          rounds: outages,
          yardstick: later,
          goal: { of: "value", atMost: 1_000 },
        },
      ],
      notes: [
        "The client that loses its gateway is ioredis, which knows the addresses of both. What others see, `npm run lab -- " +
          "--gateways 2` and test/e2e/edge.test.ts show.",
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

async function answer({ ca }: EdgeBed, { address }: BedGateway, port: number, { password }: EdgeLease): Promise<void> {
  const talk = await talkTo(port, { ca }, address);
  talk.say(command("AUTH", password));
  const [told] = (await once(talk.socket, "data", { signal: AbortSignal.timeout(ANSWER_MS) })) as [unknown];
  talk.socket.destroy();
  if (String(told) !== "+OK\r\n") throw new Error(`the log-in was answered with ${String(told)}`);
}

/** Milliseconds that each client of a gateway has had no answer when that is killed as a power cut does it. */
async function killUnder(bed: EdgeBed): Promise<number[]> {
  const [killed, other] = bed.gateways;
  if (!killed || !other) throw new Error("there are not two gateways");
  const lease = await until("an instance is handed out", () => bed.create(), 60_000);
  // The one that will be killed comes first, so that all are there.
  const lookup: LookupFunction = (_name, options, done) => {
    const found = [killed, other].map(({ address }) => ({ address, family: 4 }));
    if (options.all === true) done(null, found);
    else done(null, killed.address, 4);
  };
  const clients: LabClient[] = Array.from({ length: CLIENTS }, () =>
    startClient(lease.url, { ca: bed.ca, lookup }, () => performance.now()),
  );
  try {
    await until("all are there", () => clients.every((client) => client.gateway() === killed.address));
    await killed.end("SIGKILL");
    await endHaproxies(`${killed.dir}/`);
    await until("all are back", () => clients.every((client) => client.outages().length > 0), 60_000);
    return clients.map((client) => Math.max(...client.outages()));
  } finally {
    await Promise.all(clients.map((client) => client.stop()));
    await bed.endLease(lease);
    killed.start();
    await until("both carry again", async () => (await bed.live()).length === 2, 60_000);
  }
}
