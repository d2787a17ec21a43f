import { Redis } from "ioredis";
import { pino } from "pino";
import { createLeadership } from "../../apps/adapters/mysql/leadership.ts";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import { createRedisDiscovery, openRedis } from "../../apps/adapters/redis/discovery.ts";
import { createHeartbeatUsers } from "../../apps/adapters/redis/heartbeat-users.ts";
import type { Cloud, HostEngines } from "../../apps/core/fleet/contract.ts";
import { createFleetCache } from "../../apps/core/fleet/fleet-cache.ts";
import type { EngineHost } from "../../apps/core/fleet/host.ts";
import { SCALING } from "../../apps/core/fleet/scaling.ts";
import type { InstanceEngines } from "../../apps/core/instances/contract.ts";
import { readOverview } from "../../apps/core/operator/fleet-overview.ts";
import { misuseRules } from "../../apps/core/settings/operator.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { notifyRules } from "../../apps/core/settings/notifications.ts";
import { keepWarmRules } from "../../apps/core/settings/warm-pool.ts";
import { realTime } from "../../apps/lib/time.ts";
import { fleetPlan } from "../../apps/core/settings/fleet.ts";
import { schedule, type FleetJobPorts } from "../../apps/jobs/schedule.ts";
import { createFleetTables, hostName } from "../bed/fleet-tables.ts";
import { startServices, type Services } from "../bed/services.ts";
import { beat } from "../contracts/heartbeat.ts";
import type { Bench, Outcome } from "./bench.ts";
import type { Figure } from "./figure.ts";
import { processorMs } from "./processor-time.ts";
import { quantile } from "./statistics.ts";

/** Hosts of the fleets that are compared, with ten instances each. */
const SIZES = [10, 1_000, 10_000] as const;
const INSTANCES_EACH = 10;
const SLOTS = 20;
const ROUNDS = 3;
/** Heartbeats that last for the whole measurement. */
const BEAT_SECONDS = 3_000;
const overviewRules = { isFleet: true, standbys: 1, cap: 10_000, bootTimeoutSeconds: 600 };

/** Milliseconds of processor time that a step takes in a fleet of each size, here and in MySQL and Redis, by round. */
type Costs = ReadonlyMap<string, readonly number[]>;

/** How the control plane's cost grows with the fleet: each job's tick, and what an API process reads each second. */
export const scale: Bench = {
  name: "scale",
  measures:
    `processor time, MySQL's and Redis's included, of a tick of each job and of each reading of the fleet, with ` +
    `${SIZES.join(", ")} hosts and ten instances each`,
  yardstick: "the same at a tenth of the hosts; engines and the cloud answer at once, MySQL and Redis are real",
  goal: "a tick at 10,000 hosts costs at most ten times that at 1,000",
  run,
};

async function run(): Promise<Outcome> {
  const bySize = new Map<number, Costs>();
  const services = await startServices();
  try {
    for (const hosts of SIZES) bySize.set(hosts, await measureFleet(services, hosts));
  } finally {
    await services.stop();
  }
  const [small, middle, large] = SIZES.map((hosts): Costs => bySize.get(hosts) ?? new Map());
  const figures = [...(large ?? [])].map(([step, samples]): Figure => ({
    what: `${step}: at ${SIZES[2]} hosts / at ${SIZES[1]}`,
    unit: "ms",
    share: 0.5,
    rounds: samples.map((sample) => [sample]),
    yardstick: (middle?.get(step) ?? []).map((sample) => [sample]),
    ...(step.startsWith("job ") && { goal: { of: "ratio", atMost: 10 } }),
  }));
  const notes = [...(large?.keys() ?? [])].map((step) => {
    const at = (costs: Costs | undefined) => quantile(costs?.get(step) ?? [], 0.5).toFixed(1);
    return `${step}: ${at(small)} ms at ${SIZES[0]} hosts, ${at(middle)} at ${SIZES[1]}, ${at(large)} at ${SIZES[2]}`;
  });
  return { figures, notes };
}

async function measureFleet(services: Services, hosts: number): Promise<Costs> {
  const url = await createFleetTables(services.mysqlUrl, {
    hosts,
    instances: hosts * INSTANCES_EACH,
    capacity: SLOTS,
  });
  const redis = openRedis(services.redisUrl, () => undefined);
  const admin = new Redis(services.redisUrl);
  const store = createMysqlStore(url);
  const leadership = createLeadership(url, SCALING);
  try {
    await admin.flushall();
    const names = Array.from({ length: hosts }, (_, number) => hostName(number));
    for (const name of names) await admin.setex(`host:${name}`, BEAT_SECONDS, JSON.stringify(beat(name)));
    return await measureSteps(await stepsOf({ url, redis, store, leadership, hosts }));
  } finally {
    await leadership.resign();
    await store.disconnect();
    redis.disconnect();
    admin.disconnect();
  }
}

type Steps = ReadonlyMap<string, () => Promise<unknown>>;

/** Everything that the control plane does again and again. */
async function stepsOf({
  url,
  redis,
  store,
  leadership,
  hosts,
}: {
  readonly url: string;
  readonly redis: Redis;
  readonly store: ReturnType<typeof createMysqlStore>;
  readonly leadership: ReturnType<typeof createLeadership>;
  readonly hosts: number;
}): Promise<Steps> {
  const settings = loadSettings(
    {
      MYSQL_URL: url,
      REDIS_URL: "redis://127.0.0.1",
      INSTANCE_IMAGE: "none",
      SERVER_SECRET: "s".repeat(32),
      WARM_POOL_MAX: "0",
    },
    ["MYSQL_URL", "REDIS_URL", "INSTANCE_IMAGE", "SERVER_SECRET"],
  );
  const { readHeartbeats } = createRedisDiscovery(redis);
  const clock = () => new Date();
  const idsOf = await containersByHost(store);
  const engines = answeringEngines(idsOf);
  const ports = { store, engines, ...realTime, clock, readHeartbeats };
  const caches = {
    api: createFleetCache({ listChanged: store.hosts.listChanged, readHeartbeats }, settings.hosts),
    jobs: createFleetCache({ listChanged: store.hosts.listChanged, readHeartbeats }, settings.hosts),
  };
  const fleet = {
    // As many empty hosts as there are: nothing is to be done.
    scale: {
      ...ports,
      cloud: cloudOf(hosts),
      plan: fleetPlan(settings.fleet, "bench"),
      rules: { ...settings.fleet, standbys: hosts - (hosts * INSTANCES_EACH) / SLOTS, cap: hosts },
      token: () => "",
      userData: () => "",
    },
    admit: {
      ...ports,
      cloud: cloudOf(hosts),
      hosts: { deployment: "bench", capacityOf: () => SLOTS, basePort: 1, enginePort: 1 },
    },
    health: ports,
    heartbeats: {
      store,
      keep: (names: readonly string[]) => createHeartbeatUsers(redis).keep("gar", names, () => "password"),
    },
    prepare: {
      store,
      clock,
      plan: fleetPlan(settings.fleet, "bench"),
      sizes: settings.fleet.sizes,
      cap: hosts,
      hosts: { capacity: SLOTS, basePort: 20_000, enginePort: 2376 },
      privateNetwork: settings.fleet.privateNetwork,
      instanceSources: undefined,
      gateways: undefined,
      cloud: {
        ensureTag: () => Promise.resolve(),
        ensureFirewall: () => Promise.resolve(),
        readAccount: () => Promise.resolve({ status: "active", statusMessage: "", dropletLimit: hosts }),
        checkOffer: () => Promise.resolve([]),
      },
    },
    gateways: {
      cloud: cloudOf(0),
      store,
      readGateways: () => Promise.resolve([]),
      readAddresses: undefined,
      clock,
      token: () => "",
      userData: () => "",
      plan: fleetPlan(settings.fleet, "bench"),
      rules: () => ({ ...settings.fleet, wanted: 0, size: "", plan: "", silentMs: 1, drainMs: 1 }),
    },
    keepGatewayUsers: () => Promise.resolve(),
    edgeDns: undefined,
    term: leadership.term,
  } satisfies FleetJobPorts;
  const jobs = schedule(
    settings.jobs,
    {
      misuse: misuseRules(settings.operator, settings.instances, settings.service),
      notify: notifyRules(settings.notifications),
      warm: keepWarmRules(settings),
      transferBytes: settings.instances.transferBytes,
    },
    {
      ...ports,
      random: { id: () => "", seed: () => Buffer.alloc(32) },
      probe: () => Promise.reject(new Error("nothing is started here")),
      workloads: { store, clock, engines: noWorkloads },
      announcers: { store, users: { keep: () => Promise.resolve() } },
      readBlockList: () => Promise.resolve(undefined),
      readClientUsage: () => Promise.resolve(undefined),
      fleet: caches.jobs,
      newMessageId: () => "",
      send: {},
      chance: () => 0,
    },
    fleet,
    pino({ level: "silent" }),
  );
  return new Map<string, () => Promise<unknown>>([
    ["reading of the fleet", () => caches.api.refresh(clock())],
    ["reading of all hosts", () => store.hosts.list()],
    ["the overview of the fleet", () => readOverview({ fleet: caches.api, store, rules: overviewRules }, clock())],
    ...jobs.map(({ name, run: tick }) => [`job ${name}`, tick] as const),
  ]);
}

/** The median is taken later; the first of each pays for connections, plans and what has never been read. */
async function measureSteps(steps: Steps): Promise<Costs> {
  const costs = new Map<string, readonly number[]>();
  for (const [step, take] of steps) {
    const samples: number[] = [];
    for (let round = -1; round < ROUNDS; round++) {
      const begun = await processorMs();
      await take();
      if (round >= 0) samples.push((await processorMs()) - begun);
    }
    costs.set(step, samples);
  }
  return costs;
}

async function containersByHost(store: ReturnType<typeof createMysqlStore>): Promise<Map<string, string[]>> {
  const held = await store.leases.listHeld();
  return new Map(
    [...Map.groupBy(held, ({ host }) => host.name)].map(([name, some]) => [
      name,
      some.map(({ instanceId }) => instanceId),
    ]),
  );
}

/** Engines that answer at once, and run what the tables say. */
function answeringEngines(idsOf: ReadonlyMap<string, readonly string[]>): HostEngines & InstanceEngines {
  const nothing = () => Promise.resolve();
  return {
    ping: nothing,
    ensureImage: nothing,
    startContainer: nothing,
    removeContainer: nothing,
    listContainers: ({ name }: EngineHost) =>
      Promise.resolve((idsOf.get(name) ?? []).map((instanceId) => ({ instanceId, running: true }))),
    // More each time: it has to be kept.
    readSent: (_host: EngineHost, ids: readonly string[]) =>
      Promise.resolve(ids.map((instanceId) => ({ instanceId, sentBytes: Math.round(performance.now()) }))),
    listRestarts: () => Promise.resolve([]),
    readExit: () => Promise.resolve(undefined),
  };
}

/** The account of a fleet in which all is as it should be. */
function cloudOf(hosts: number): Cloud {
  const droplets = Array.from({ length: hosts }, (_, number) => ({
    id: number + 1,
    name: hostName(number),
    status: "active" as const,
    publicIp: "192.0.2.1",
    privateIp: "10.0.0.1",
    createdAt: new Date(),
    region: "fra1",
    size: "s-1vcpu-1gb",
    memoryMb: 1024,
    hourlyPrice: 0.01,
  }));
  const never = () => Promise.reject(new Error("nothing is ordered or destroyed here"));
  return {
    listDroplets: () => Promise.resolve(droplets),
    findDroplets: () => Promise.resolve([]),
    getDroplet: () => Promise.resolve(undefined),
    createDroplet: never,
    deleteDroplet: never,
  };
}

/** Engines that run instances alone. */
const nothing = () => Promise.reject(new Error("no workload is declared here"));
const noWorkloads = {
  listWorkloads: nothing,
  hasImage: nothing,
  pullImage: nothing,
  createWorkload: nothing,
  turnWorkload: nothing,
};
