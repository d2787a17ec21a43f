import type { Redis } from "ioredis";
import { nanoid } from "nanoid";
import { createDigitalOceanCloud } from "../adapters/digitalocean/index.ts";
import type { DockerEngines } from "../adapters/docker/engines.ts";
import { readHostFiles } from "../adapters/host-files/host-files.ts";
import type { Store } from "../core/store.ts";
import { createRedisDiscovery } from "../adapters/redis/discovery.ts";
import { createHeartbeatUsers } from "../adapters/redis/heartbeat-users.ts";
import { fleetPlan, scalingRules, type Config } from "../core/settings/config.ts";
import { heartbeatPassword } from "../core/instances/credentials.ts";
import type { EngineHost } from "../core/fleet/host.ts";
import { renderUserData } from "../core/fleet/user-data.ts";
import type { FleetJobPorts } from "./schedule.ts";

const SECOND = 1000;
const ENGINE_PORT = 2376;
const CLOUD_TIMEOUT_MS = 10 * SECOND;
/** Of a call and its repetitions: the next look asks again anyway. */
const CLOUD_BUDGET_MS = 15 * SECOND;
/** A pull of some tens of megabytes, on a small droplet. */
const IMAGE_TIMEOUT_MS = 120 * SECOND;

/** What the jobs of the fleet work with, out of the settings. `caPem` is read by each new droplet, to know the control plane by. */
export async function fleetPorts(
  config: Config,
  parts: {
    readonly store: Store;
    readonly redis: Redis;
    readonly engines: DockerEngines;
    readonly caPem: () => string;
    readonly term: () => Promise<number | undefined>;
    readonly clock: () => Date;
  },
): Promise<FleetJobPorts> {
  const { store, redis, engines, clock } = parts;
  const deployment = await store.hosts.readDeployment();
  const plan = fleetPlan(config, deployment);
  const rules = scalingRules(config);
  const cloud = createDigitalOceanCloud({
    token: config.DIGITALOCEAN_TOKEN,
    url: config.DIGITALOCEAN_URL,
    timeoutMs: CLOUD_TIMEOUT_MS,
    budgetMs: CLOUD_BUDGET_MS,
  });
  const files = await readHostFiles();
  const { readHeartbeats } = createRedisDiscovery(redis);
  const users = createHeartbeatUsers(redis);
  const heartbeatRedis = redisForHosts(config);
  const hosts = {
    deployment,
    capacity: config.HOST_CAPACITY,
    basePort: config.HOST_BASE_PORT,
    enginePort: ENGINE_PORT,
  };
  const ensureImage = (host: EngineHost) =>
    engines.ensureImage(host, config.INSTANCE_IMAGE, config.INSTANCE_IMAGE_ARCHIVE || undefined, IMAGE_TIMEOUT_MS);

  return {
    scale: {
      cloud,
      store,
      engines,
      readHeartbeats,
      clock,
      plan,
      rules,
      token: () => nanoid(32),
      userData: (hostName, token) =>
        renderUserData(files, {
          hostName,
          enrolmentUrl: enrolmentUrl(config),
          enrolmentToken: token,
          caPem: parts.caPem(),
          redisHost: heartbeatRedis.host,
          redisPort: heartbeatRedis.port,
          heartbeatSeconds: config.HEARTBEAT_SECONDS,
          heartbeatTtlSeconds: config.HEARTBEAT_TTL_SECONDS,
          connectionsPerAddress: config.INSTANCE_CONNECTIONS_PER_ADDRESS,
        }),
    },
    admit: {
      store,
      readHeartbeats,
      cloud,
      engines: { ping: engines.ping, ensureImage },
      clock,
      hosts,
    },
    health: { store, engines: { ping: engines.ping, ensureImage }, clock },
    heartbeats: {
      store,
      keep: (hostNames) =>
        users.keep(plan.namePrefix, hostNames, (hostName) => heartbeatPassword(config.SERVER_SECRET, hostName)),
    },
    prepare: {
      cloud,
      store,
      clock,
      plan,
      sizes: rules.sizes,
      cap: rules.cap,
      hosts,
      privateNetwork: config.PRIVATE_NETWORK,
    },
    term: parts.term,
  };
}

function enrolmentUrl(config: Config): string {
  return config.ENROLMENT_URL || `https://${config.ENROLMENT_HOST}:${config.ENROLMENT_PORT}`;
}

function redisForHosts({ HEARTBEAT_REDIS, REDIS_URL }: Config): { host: string; port: number } {
  const { hostname, port } = new URL(HEARTBEAT_REDIS === "" ? REDIS_URL : `redis://${HEARTBEAT_REDIS}`);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 6379) };
}
