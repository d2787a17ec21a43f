import { memoryOfSize } from "../fleet/host-capacity.ts";
import type { HandoutRules } from "../instances/create-instance.ts";
import { noNetworks, type ListedNetworks } from "../instances/listed-networks.ts";
import type { LeaseBounds } from "../instances/instance.ts";
import { redisService, type RedisLimits } from "../services/redis.ts";
import type { admission } from "./admission.ts";
import { optional, setting, type ValuesOf } from "./declaration.ts";
import { edgeOf, type EdgeAddress } from "./edge.ts";
import type { fleet } from "./fleet.ts";
import { capacityOf, type hosts } from "./hosts.ts";
import { decimal, duration, megabytes, oneOf, text, whole } from "./kinds.ts";
import { recipeOf, type WarmTimes } from "../warm-pool/recipe.ts";

const KIB = 1024;
const MONTH_SECONDS = 30 * 86_400;

/** Instances: their leases, their image and limits, and the time-outs of a hand-out. */
export const instances = {
  leaseSeconds: setting(
    "LEASE_SECONDS",
    whole(1, MONTH_SECONDS, "s"),
    12 * 3600,
    "Lifetime of an instance when the request names none.",
  ),
  leaseMinSeconds: setting(
    "LEASE_MIN_SECONDS",
    whole(1, MONTH_SECONDS, "s"),
    60,
    "Shortest lifetime a request may ask for.",
  ),
  leaseMaxSeconds: setting(
    "LEASE_MAX_SECONDS",
    whole(1, MONTH_SECONDS, "s"),
    24 * 3600,
    "Longest lifetime of an instance, extensions included.",
  ),
  quotaPerAddress: setting(
    "QUOTA_PER_ADDRESS",
    whole(1, 10_000, "instances"),
    6,
    "Live instances an IPv4 address or an IPv6 /64 may hold at once.",
  ),
  handoutRateLimitPerMinute: setting(
    "HANDOUT_RATE_LIMIT_PER_MINUTE",
    whole(1, 1_000_000, "requests"),
    30,
    "`POST /instances` a minute an address may make.",
  ),
  image: optional(
    "INSTANCE_IMAGE",
    text,
    "Container image with the server as its entry point: Valkey, or Redis 7.0 to 7.2; a later Redis is refused. " +
      "Default: made from this machine's package of valkey-server, or else of redis-server.",
  ),
  imageArchive: optional(
    "INSTANCE_IMAGE_ARCHIVE",
    text,
    "File with the image, as `docker save` writes it, sent to each new host. Default: hosts pull INSTANCE_IMAGE.",
  ),
  memoryMb: setting("INSTANCE_MEMORY_MB", whole(1, 64 * KIB, "MB"), 25, "Data an instance may hold (maxmemory)."),
  memoryLimitMb: setting(
    "INSTANCE_MEMORY_LIMIT_MB",
    whole(6, 128 * KIB, "MB"),
    64,
    "Memory of an instance for data, buffers and fragmentation; no swap.",
  ),
  scriptMemoryMb: setting(
    "INSTANCE_SCRIPT_MEMORY_MB",
    whole(0, 128 * KIB, "MB"),
    128,
    "Memory that Lua scripts may take besides; INSTANCE_MEMORY_LIMIT_MB and this bound the container together.",
  ),
  restarts: setting(
    "INSTANCE_RESTARTS",
    whole(0, 1000, "restarts"),
    10,
    "How often an instance whose server ends by itself, as when a script fills its memory, comes back empty at the " +
      "same address; after that it is lost.",
  ),
  evictionPolicy: setting(
    "INSTANCE_EVICTION_POLICY",
    oneOf([
      "noeviction",
      "allkeys-lru",
      "allkeys-lfu",
      "allkeys-random",
      "volatile-lru",
      "volatile-lfu",
      "volatile-random",
      "volatile-ttl",
    ]),
    "noeviction",
    "What a full instance does: noeviction refuses writes with an error, the others drop keys.",
  ),
  maxClients: setting(
    "INSTANCE_MAX_CLIENTS",
    whole(1, 10_000, "connections"),
    50,
    "Connections an instance has room for, whatever strangers do that have not logged in.",
  ),
  connectionsPerAddress: setting(
    "INSTANCE_CONNECTIONS_PER_ADDRESS",
    whole(1, 10_000, "connections"),
    40,
    "Connections an address may hold to one instance.",
  ),
  loginSeconds: setting(
    "INSTANCE_LOGIN_SECONDS",
    whole(1, 3600, "s"),
    10,
    "Time a connection to an instance may take to log in, after which it is closed; " +
      "a minute from an address that has logged in to it before.",
  ),
  loginKb: setting(
    "INSTANCE_LOGIN_KB",
    whole(4, 10_000, "kB"),
    32,
    "What an address may send to an instance at once without having logged in; a 32nd of it comes back each second.",
  ),
  loginsPending: setting(
    "INSTANCE_LOGINS_PENDING",
    whole(20, 10_000, "connections"),
    200,
    "Connections to one instance that have not logged in, of all addresses together, besides INSTANCE_MAX_CLIENTS; " +
      "when many come, an address gets a fiftieth of them and a /24 a 25th.",
  ),
  transferBytesPerSecond: setting(
    "INSTANCE_TRANSFER_MB_PER_SECOND",
    megabytes(1, 10_000, "MB/s"),
    20,
    "Most that an instance sends out of its host, bursts of two seconds aside. A droplet sends 250 MB/s or so: " +
      "an address with its QUOTA_PER_ADDRESS all on one leaves half of that to others. A new droplet is told.",
  ),
  transferBytes: setting(
    "INSTANCE_TRANSFER_MB",
    megabytes(0, 1_000_000_000, "MB"),
    10_000,
    "Most that an instance sends in its life; past it, it answers at 64 KB/s. 0: as much as it likes. " +
      "A new droplet is told. Not on a single box that only loopback reaches, where transfer costs nobody anything.",
  ),
  cpus: setting("INSTANCE_CPUS", decimal(0.01, 64, "cores"), 0.5, "Processor share of an instance."),
  handoutTimeoutMs: setting(
    "HANDOUT_TIMEOUT_SECONDS",
    duration(1, 600),
    30,
    "Time a hand-out may take over all hosts tried; a row older than that and still starting is undone.",
  ),
  readyTimeoutMs: setting(
    "READY_TIMEOUT_SECONDS",
    duration(1, 600),
    5,
    "Time a started instance may take to its first PONG.",
  ),
  slotBackoffMs: setting(
    "SLOT_BACKOFF_SECONDS",
    duration(1, 86_400),
    300,
    "Time a slot whose port is held by something else is passed over.",
  ),
};

type InstanceSettings<Needed extends string = never> = ValuesOf<typeof instances, Needed>;

/** Bounds of a lease, out of the settings. */
export function leaseBounds(settings: InstanceSettings): LeaseBounds {
  return { usual: settings.leaseSeconds, least: settings.leaseMinSeconds, most: settings.leaseMaxSeconds };
}

/** The image and the limits of an instance, out of the settings. */
export function instanceLimits(settings: InstanceSettings<"INSTANCE_IMAGE">): RedisLimits {
  const { image, memoryMb, memoryLimitMb, scriptMemoryMb, evictionPolicy, cpus, restarts } = settings;
  const { maxClients, loginsPending } = settings;
  return {
    image,
    memoryMb,
    memoryLimitMb,
    scriptMemoryMb,
    evictionPolicy,
    maxClients,
    loginsPending,
    cpus,
    restarts,
  };
}

const NETWORK_QUOTA_IN_ADDRESSES = 4;

/** Rules of hand-outs, out of the settings. `listedNetworks` are those of the file that a setting names. */
export function handoutRules(
  settings: {
    readonly instances: InstanceSettings<"INSTANCE_IMAGE">;
    readonly admission: ValuesOf<typeof admission>;
    readonly hosts: Pick<ValuesOf<typeof hosts>, "capacity">;
    readonly fleet: Pick<ValuesOf<typeof fleet>, "cap" | "standbys" | "sizes">;
    readonly cloud: object | undefined;
    readonly warmPool: { readonly most: number; readonly maxAgeMs: number };
    readonly service: { readonly serverSecret: string };
    readonly edge: EdgeAddress;
  },
  listedNetworks: ListedNetworks = noNetworks,
): HandoutRules {
  const { quotaPerAddress } = settings.instances;
  const { quotaPerNetwork, startsPerAddress, startsPerNetwork } = settings.admission;
  const service = redisService(instanceLimits(settings.instances), edgeOf(settings));
  const { most, maxAgeMs } = settings.warmPool;
  return {
    service,
    warm:
      most === 0
        ? undefined
        : {
            recipe: recipeOf(service, settings.service.serverSecret, warmTimes(settings.instances, maxAgeMs)),
            maxAgeMs,
          },
    lease: leaseBounds(settings.instances),
    quotaPerAddress,
    quotaPerNetwork: quotaPerNetwork ?? NETWORK_QUOTA_IN_ADDRESSES * quotaPerAddress,
    startsPerAddress,
    startsPerNetwork,
    listedNetworks,
    admission: admissionRules(settings),
    timeoutMs: settings.instances.handoutTimeoutMs,
    readyTimeoutMs: settings.instances.readyTimeoutMs,
    slotBackoffMs: settings.instances.slotBackoffMs,
    serverSecret: settings.service.serverSecret,
  };
}

/** Times of warm instances, which hand-outs and the job of the pool must agree on. */
export function warmTimes(
  settings: Pick<InstanceSettings, "readyTimeoutMs" | "leaseMaxSeconds" | "handoutTimeoutMs">,
  maxAgeMs: number,
): WarmTimes {
  return {
    maxAgeMs,
    startMs: settings.readyTimeoutMs,
    longestLeaseMs: settings.leaseMaxSeconds * 1000 + settings.handoutTimeoutMs,
  };
}

/** Of droplets whose size does not tell it. */
const USUAL_DROPLET_MB = 2048;

function admissionRules(settings: Parameters<typeof handoutRules>[0]): HandoutRules["admission"] {
  const { admission, fleet, cloud } = settings;
  // Of the size that is ordered first: how many slots are to come is an estimate in any case.
  const slotsPerHost = capacityOf(settings, "droplet", memoryOfSize(fleet.sizes[0]) ?? USUAL_DROPLET_MB);
  return {
    handoutsPerMinute: admission.handoutsPerMinute,
    newcomerShare: admission.newcomerPercent / 100,
    workFromLoad: admission.workFromPercent / 100,
    mostBits: admission.mostBits,
    challengeMs: admission.challengeMs,
    growth: cloud && { cap: fleet.cap, slotsPerHost, standbys: fleet.standbys },
  };
}
