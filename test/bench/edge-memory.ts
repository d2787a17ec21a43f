import type { TLSSocket } from "node:tls";
import type { Bench, Outcome } from "./bench.ts";
import { logIn, startEdgeProxies, type EdgeProxies } from "./edge-proxies.ts";

const ROUNDS = 5;
/** Of each. What connections have in common is spread over them. */
const COUNT = 1_500;
const AT_ONCE = 25;

/** What a connection that waits costs a gateway. */
export const edgeMemory: Bench = {
  name: "edge-memory",
  measures: `memory of HAProxy, as gateways run it, for a TLS connection that is logged in and waits, of ${COUNT}`,
  yardstick: "nginx with as many",
  goal: "<= 20 KB, and ratio <= 0.5",
  run,
};

async function run(): Promise<Outcome> {
  const found = { haproxy: [] as number[][], nginx: [] as number[][] };
  for (let round = 0; round < ROUNDS; round++) {
    // Anew each time: memory that was used once is kept for the next connection.
    const proxies = await startEdgeProxies();
    try {
      for (const name of ["haproxy", "nginx"] as const) found[name].push([await costOf(proxies, name)]);
    } finally {
      await proxies.stop();
    }
  }
  const figure = { unit: "KB", share: 0.5, rounds: found.haproxy };
  return {
    figures: [
      { what: "memory of a connection", ...figure, goal: { of: "value", atMost: 20 } },
      {
        what: "memory of a connection / in nginx",
        ...figure,
        yardstick: found.nginx,
        goal: { of: "ratio", atMost: 0.5 },
      },
    ],
  };
}

/** Kilobytes that one of many connections adds. */
async function costOf(proxies: EdgeProxies, name: "haproxy" | "nginx"): Promise<number> {
  const sockets: TLSSocket[] = [];
  const open = async (count: number) => {
    for (let done = 0; done < count; done += AT_ONCE)
      sockets.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => logIn(proxies.ports[name])))));
  };
  try {
    // The first ones have the proxy load what it needs for any.
    await open(AT_ONCE);
    const before = await proxies.memoryKb(name);
    await open(COUNT);
    const after = await proxies.memoryKb(name);
    const lost = sockets.filter(({ readyState }) => readyState !== "open").length;
    if (lost > 0) throw new Error(`${lost} connections are closed already`);
    return (after - before) / COUNT;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}
