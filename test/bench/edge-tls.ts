import type { Bench, Outcome } from "./bench.ts";
import { requestsPerSecond, startEdgeProxies, type EdgeProxies } from "./edge-proxies.ts";

const ROUNDS = 5;
const KEPT = { clients: 50, requests: 20_000, connects: false };
const NEW = { clients: 20, requests: 1_000, connects: true };
const NAMES = ["redis", "haproxy", "nginx"] as const;

type Name = (typeof NAMES)[number];

/** What ending TLS at a gateway costs those who ask. */
export const edgeTls: Bench = {
  name: "edge-tls",
  measures: `requests a second of ${KEPT.clients} clients through HAProxy that ends their TLS, as gateways run it`,
  yardstick: "a Redis that ends TLS itself, and nginx before the same Redis",
  goal: "ratio >= 0.55 and >= 0.9",
  run,
};

async function run(): Promise<Outcome> {
  const proxies = await startEdgeProxies();
  try {
    const asked = { redis: [] as number[][], haproxy: [] as number[][], nginx: [] as number[][] };
    const cost = { haproxy: [] as number[][], nginx: [] as number[][] };
    const came = { redis: [] as number[][], haproxy: [] as number[][], nginx: [] as number[][] };
    // The first round pays for what each loads once.
    for (let round = -1; round < ROUNDS; round++) {
      for (const name of inTurn(round)) {
        const { perSecond, us } = await ask(proxies, name);
        const comePerSecond = await requestsPerSecond(proxies.ports[name], NEW);
        if (round < 0) continue;
        asked[name].push([perSecond]);
        came[name].push([comePerSecond]);
        if (name !== "redis") cost[name].push([us]);
      }
    }
    const figure = { unit: "a second", share: 0.5, rounds: asked.haproxy };
    return {
      figures: [
        {
          what: "requests through HAProxy / to a Redis with TLS",
          ...figure,
          yardstick: asked.redis,
          goal: { of: "ratio", atLeast: 0.55 },
        },
        {
          what: "requests through HAProxy / through nginx",
          ...figure,
          yardstick: asked.nginx,
          goal: { of: "ratio", atLeast: 0.9 },
        },
        {
          what: "processor time of a request, HAProxy's / nginx's",
          unit: "us",
          share: 0.5,
          rounds: cost.haproxy,
          yardstick: cost.nginx,
        },
        {
          what: "requests on new connections, through HAProxy / to a Redis with TLS",
          ...figure,
          rounds: came.haproxy,
          yardstick: came.redis,
        },
        {
          what: "requests on new connections, through HAProxy / through nginx",
          ...figure,
          rounds: came.haproxy,
          yardstick: came.nginx,
        },
      ],
      notes: ["the clients share the processors with what they ask"],
    };
  } finally {
    await proxies.stop();
  }
}

/** Another one is the first in each round: what the machine does besides meets all of them. */
function inTurn(round: number): readonly Name[] {
  const first = (round + NAMES.length) % NAMES.length;
  return [...NAMES.slice(first), ...NAMES.slice(0, first)];
}

/** Requests a second, and microseconds of processor time that a proxy takes for each. */
async function ask(proxies: EdgeProxies, name: Name): Promise<{ perSecond: number; us: number }> {
  const used = () => (name === "redis" ? Promise.resolve(0) : proxies.processorMs(name));
  const before = await used();
  const perSecond = await requestsPerSecond(proxies.ports[name], KEPT);
  return { perSecond, us: ((await used()) - before) * (1_000 / KEPT.requests) };
}
