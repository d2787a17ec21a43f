import type { Bench, Outcome } from "./bench.ts";
import { requestsPerSecond, startEdgeProxies } from "./edge-proxies.ts";

const ROUNDS = 5;
const CLIENTS = 50;
const REQUESTS = 30_000;

/** What ending TLS at a gateway costs those who ask. */
export const edgeTls: Bench = {
  name: "edge-tls",
  measures: `requests a second of ${CLIENTS} clients through HAProxy that ends their TLS, as gateways run it`,
  yardstick: "a Redis that ends TLS itself, and nginx before the same Redis",
  goal: "ratio >= 0.55 and >= 0.9",
  run,
};

async function run(): Promise<Outcome> {
  const proxies = await startEdgeProxies();
  try {
    const { haproxy, redis, nginx } = proxies.ports;
    const found = { haproxy: [] as number[][], redis: [] as number[][], nginx: [] as number[][] };
    for (let round = 0; round < ROUNDS; round++) {
      found.redis.push([await requestsPerSecond(redis, CLIENTS, REQUESTS)]);
      found.haproxy.push([await requestsPerSecond(haproxy, CLIENTS, REQUESTS)]);
      found.nginx.push([await requestsPerSecond(nginx, CLIENTS, REQUESTS)]);
    }
    const figure = { unit: "a second", share: 0.5, rounds: found.haproxy };
    return {
      figures: [
        {
          what: "requests through HAProxy / to a Redis with TLS",
          ...figure,
          yardstick: found.redis,
          goal: { of: "ratio", atLeast: 0.55 },
        },
        {
          what: "requests through HAProxy / through nginx",
          ...figure,
          yardstick: found.nginx,
          goal: { of: "ratio", atLeast: 0.9 },
        },
      ],
      notes: ["the clients share the processors with what they ask"],
    };
  } finally {
    await proxies.stop();
  }
}
