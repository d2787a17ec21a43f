import type { Redis } from "ioredis";
import { nanoid } from "nanoid";
import { createDigitalOceanCloud } from "../adapters/digitalocean/index.ts";
import type { DockerEngines } from "../adapters/docker/engines.ts";
import { readHostFiles } from "../adapters/host-files/host-files.ts";
import type { Store } from "../core/store.ts";
import { createRedisDiscovery } from "../adapters/redis/discovery.ts";
import { createHeartbeatUsers } from "../adapters/redis/heartbeat-users.ts";
import { heartbeatPassword } from "../core/fleet/heartbeat-user.ts";
import { enrolmentUrl } from "../core/settings/enrolment.ts";
import { fleetPlan } from "../core/settings/fleet.ts";
import type { FleetSettings } from "../core/settings/settings.ts";
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

/** Settings that the jobs need besides when there is a fleet. */
export const FLEET_NEEDS = ["SERVER_SECRET", "PKI_DIR", "INSTANCE_IMAGE", "HOST_FILES_DIR"] as const;

/** Settings of the jobs when there is a fleet. */
export type FleetNeeds = FleetSettings<"MYSQL_URL" | "REDIS_URL" | (typeof FLEET_NEEDS)[number]>;

/**
 * What the jobs of the fleet work with, out of the settings. `caPem` is
 * read by each new droplet, to know the control plane by.
 */
export async function fleetPorts(
  settings: FleetNeeds,
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
  const plan = fleetPlan(settings.fleet, deployment);
  const cloud = createDigitalOceanCloud({
    token: settings.cloud.token,
    url: settings.cloud.url,
    timeoutMs: CLOUD_TIMEOUT_MS,
    budgetMs: CLOUD_BUDGET_MS,
  });
  const files = await readHostFiles(settings.enrolment.hostFilesDir);
  const { readHeartbeats } = createRedisDiscovery(redis);
  const users = createHeartbeatUsers(redis);
  const heartbeatRedis = redisForHosts(settings);
  const hosts = {
    deployment,
    capacity: settings.hosts.capacity,
    basePort: settings.hosts.basePort,
    enginePort: ENGINE_PORT,
  };
  const ensureImage = (host: EngineHost) =>
    engines.ensureImage(host, settings.instances.image, settings.instances.imageArchive, IMAGE_TIMEOUT_MS);

  return {
    scale: {
      cloud,
      store,
      engines,
      readHeartbeats,
      clock,
      plan,
      rules: settings.fleet,
      token: () => nanoid(32),
      userData: (hostName, token) =>
        renderUserData(files, {
          hostName,
          enrolmentUrl: enrolmentUrl(settings.enrolment),
          enrolmentToken: token,
          caPem: parts.caPem(),
          redisHost: heartbeatRedis.host,
          redisPort: heartbeatRedis.port,
          heartbeatSeconds: settings.hosts.heartbeatSeconds,
          heartbeatTtlSeconds: settings.hosts.heartbeatTtlSeconds,
          connectionsPerAddress: settings.instances.connectionsPerAddress,
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
    tend: { store, engines: { ping: engines.ping, ensureImage }, clock },
    heartbeats: {
      store,
      keep: (hostNames) =>
        users.keep(plan.namePrefix, hostNames, (hostName) =>
          heartbeatPassword(settings.service.serverSecret, hostName),
        ),
    },
    prepare: {
      cloud,
      store,
      plan,
      sizes: settings.fleet.sizes,
      cap: settings.fleet.cap,
      hosts,
      privateNetwork: settings.fleet.privateNetwork,
    },
    term: parts.term,
  };
}

function redisForHosts({ enrolment, service }: FleetNeeds): { readonly host: string; readonly port: number } {
  if (enrolment.heartbeatRedis) return enrolment.heartbeatRedis;
  const { hostname, port } = new URL(service.redisUrl);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 6379) };
}
