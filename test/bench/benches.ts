import { attackConsole } from "./attack-console.ts";
import { attackEgress } from "./attack-egress.ts";
import { attackFill } from "./attack-fill.ts";
import { attackHttp } from "./attack-http.ts";
import { attackLockout } from "./attack-lockout.ts";
import { attackLogs } from "./attack-logs.ts";
import { attackRedis } from "./attack-redis.ts";
import type { Bench } from "./bench.ts";
import { choose } from "./choose.ts";
import { cold } from "./cold.ts";
import { density } from "./density.ts";
import { droplets } from "./droplets.ts";
import { edgeClients } from "./edge-clients.ts";
import { edgeKernel } from "./edge-kernel.ts";
import { edgeLife } from "./edge-life.ts";
import { edgeMemory } from "./edge-memory.ts";
import { edgeRoutes } from "./edge-routes.ts";
import { edgeTls } from "./edge-tls.ts";
import { memory } from "./memory.ts";
import { scale } from "./scale.ts";
import { throughput } from "./throughput.ts";
import { warm } from "./warm.ts";
import { warmWork } from "./warm-work.ts";

/** All measurements, in the order in which they run. */
export const benches: readonly Bench[] = [
  warm,
  warmWork,
  cold,
  throughput,
  choose,
  memory,
  density,
  droplets,
  scale,
  edgeTls,
  edgeMemory,
  edgeRoutes,
  edgeLife,
  edgeClients,
  edgeKernel,
  attackEgress,
  attackLogs,
  attackRedis,
  attackConsole,
  attackLockout,
  attackHttp,
  attackFill,
];
