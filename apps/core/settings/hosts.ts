import { capacityByMemory, MOST_SLOTS, OWN_MB } from "../fleet/host-capacity.ts";
import { optional, setting, type ValuesOf } from "./declaration.ts";
import { placementPolicies } from "../fleet/placement.ts";
import { duration, oneOf, whole } from "./kinds.ts";

/** Hosts, the single box or droplets: their slots, their heartbeats, and the time-outs of calls to them. */
export const hosts = {
  capacity: optional(
    "HOST_CAPACITY",
    whole(1, 10_000, "slots"),
    "Instances a host may run: the single box, or each droplet. Default: as many as its memory holds when all of them " +
      `are full, (memory - ${OWN_MB.droplet} MB) / (INSTANCE_MEMORY_MB + 10 MB) on a droplet, with ${OWN_MB.box} MB in ` +
      `place of ${OWN_MB.droplet} on a single box, from 2 to ${MOST_SLOTS}.`,
  ),
  basePort: setting(
    "HOST_BASE_PORT",
    whole(1, 65_535),
    20_000,
    "First port of a host's instances; slot n publishes HOST_BASE_PORT + n.",
  ),
  heartbeatSeconds: setting("HEARTBEAT_SECONDS", whole(1, 3600, "s"), 4, "Time between two heartbeats of a host."),
  heartbeatTtlSeconds: setting(
    "HEARTBEAT_TTL_SECONDS",
    whole(1, 3600, "s"),
    10,
    "Life of a heartbeat key: a host silent for longer takes no more instances.",
  ),
  refreshMs: setting(
    "FLEET_REFRESH_MS",
    whole(50, 60_000, "ms"),
    1000,
    "Time between two readings by the API of hosts that have changed, and of heartbeats.",
  ),
  rereadMs: setting(
    "FLEET_REREAD_SECONDS",
    duration(1, 3600),
    60,
    "Time between two readings of all hosts; in between the API reads those that have changed.",
  ),
  livenessMaxAgeMs: setting(
    "LIVENESS_MAX_AGE_SECONDS",
    duration(1, 3600),
    10,
    "Age at which heartbeats read earlier count for nothing (Redis does not answer): no more hand-outs.",
  ),
  engineTimeoutMs: setting(
    "ENGINE_TIMEOUT_SECONDS",
    duration(1, 600),
    15,
    "Time a Docker Engine may take for one call.",
  ),
  placement: setting(
    "PLACEMENT",
    oneOf(placementPolicies),
    "busiest-first",
    "Which host with room gets the next instance: the busiest one, the oldest one (first-fit), or the one whose last " +
      "lease ends least later by it (expiry-aware), which pays for fewer droplets when lifetimes differ.",
  ),
  backoffMs: setting(
    "HOST_BACKOFF_SECONDS",
    duration(1, 3600),
    15,
    "Longest time a host is passed over that fails hand-out after hand-out; it begins with 1 s.",
  ),
};

/** Slots of a droplet or a single box with so much memory, out of the settings. */
export function capacityOf(
  settings: {
    readonly hosts: Pick<ValuesOf<typeof hosts>, "capacity">;
    readonly instances: { readonly memoryMb: number };
  },
  kind: keyof typeof OWN_MB,
  memoryMb: number,
): number {
  return settings.hosts.capacity ?? capacityByMemory(memoryMb, OWN_MB[kind], settings.instances.memoryMb);
}
