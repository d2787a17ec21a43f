import { nanoid } from "nanoid";
import type { CloudDns } from "../core/fleet/dns.ts";
import type { AddressRecordPorts } from "../core/fleet/keep-address-records.ts";
import type { Cloud, HostEngines, ReadHeartbeats } from "../core/fleet/contract.ts";
import { MOST_SLOTS } from "../core/fleet/host-capacity.ts";
import { heartbeatPassword } from "../core/fleet/heartbeat-user.ts";
import type { PreparePorts } from "../core/fleet/prepare-cloud.ts";
import { renderUserData, type HostFiles } from "../core/fleet/user-data.ts";
import { instanceAccess } from "../core/settings/edge.ts";
import { enrolmentUrl } from "../core/settings/enrolment.ts";
import { fleetPlan } from "../core/settings/fleet.ts";
import { capacityOf } from "../core/settings/hosts.ts";
import type { FleetSettings } from "../core/settings/settings.ts";
import type { Store } from "../core/store.ts";
import { hostIn } from "../lib/url-host.ts";
import type { FleetJobPorts } from "./schedule.ts";

const ENGINE_PORT = 2376;

/** Settings that the jobs need besides when there is a fleet. */
export const FLEET_NEEDS = ["PKI_DIR", "HOST_FILES_DIR"] as const;

/** Settings of the jobs when there is a fleet. */
export type FleetNeeds = FleetSettings<
  "MYSQL_URL" | "REDIS_URL" | "SERVER_SECRET" | "INSTANCE_IMAGE" | (typeof FLEET_NEEDS)[number]
>;

/** Outside systems of the fleet, as the jobs work with them. */
export type FleetParts = {
  readonly store: Pick<Store, "droplets" | "hosts" | "switches" | "destroyRequests" | "events" | "warmPool">;
  readonly engines: HostEngines;
  readonly cloud: Cloud & PreparePorts["cloud"] & CloudDns;
  readonly readGateways: AddressRecordPorts["readGateways"];
  readonly readHeartbeats: ReadHeartbeats;
  /** Makes sure that of the hosts with this prefix of names exactly these may send heartbeats. */
  readonly keepHeartbeatUsers: (
    namePrefix: string,
    hostNames: readonly string[],
    passwordOf: (hostName: string) => string,
  ) => Promise<void>;
  readonly hostFiles: HostFiles;
  /** Certificates of the CA by which a new droplet recognises the control plane. */
  readonly caPem: () => string;
  readonly term: () => Promise<number | undefined>;
  readonly clock: () => Date;
};

/** What the jobs of the fleet need, put together out of the settings and the outside systems. */
export function fleetPorts(settings: FleetNeeds, deployment: string, parts: FleetParts): FleetJobPorts {
  const { store, engines, cloud, readHeartbeats, clock } = parts;
  const plan = fleetPlan(settings.fleet, deployment);
  const heartbeatRedis = redisForHosts(settings);
  const gateways = instanceAccess(settings);
  const hosts = {
    deployment,
    capacityOf: (memoryMb: number) => capacityOf(settings, "droplet", memoryMb),
    // Of hosts that will be ordered, whatever their sizes.
    capacity: settings.hosts.capacity ?? MOST_SLOTS,
    basePort: settings.hosts.basePort,
    enginePort: ENGINE_PORT,
  };

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
        renderUserData(parts.hostFiles, {
          hostName,
          enrolmentUrl: enrolmentUrl(settings.enrolment),
          enrolmentToken: token,
          caPem: parts.caPem(),
          redisHost: heartbeatRedis.host,
          redisPort: heartbeatRedis.port,
          heartbeatSeconds: settings.hosts.heartbeatSeconds,
          heartbeatTtlSeconds: settings.hosts.heartbeatTtlSeconds,
          connectionsPerAddress: settings.instances.connectionsPerAddress,
          loginSeconds: settings.instances.loginSeconds,
          loginKb: settings.instances.loginKb,
          loginsPending: settings.instances.loginsPending,
          transferBytesPerSecond: settings.instances.transferBytesPerSecond,
          transferBytes: settings.instances.transferBytes,
          gateways,
        }),
    },
    admit: {
      store,
      readHeartbeats,
      cloud,
      engines,
      clock,
      hosts,
    },
    health: { store, readHeartbeats, engines, clock },
    heartbeats: {
      store,
      keep: (hostNames) =>
        parts.keepHeartbeatUsers(plan.namePrefix, hostNames, (hostName) =>
          heartbeatPassword(settings.service.serverSecret, hostName),
        ),
    },
    prepare: {
      cloud,
      store,
      clock,
      plan,
      sizes: settings.fleet.sizes,
      cap: settings.fleet.cap,
      hosts,
      privateNetwork: settings.fleet.privateNetwork,
      instanceSources: gateways?.only ? [gateways.network] : undefined,
    },
    edgeDns: edgeDnsPorts(settings, deployment, parts),
    term: parts.term,
  };
}

function edgeDnsPorts(
  { edge: { domain, dns, dnsTtlSeconds, dnsSettleMs } }: FleetNeeds,
  deployment: string,
  { cloud, store, clock, readGateways }: FleetParts,
): AddressRecordPorts | undefined {
  if (domain === undefined || dns === "none") return undefined;
  const rules = { edgeDomain: domain, deployment, ttlSeconds: dnsTtlSeconds, settleMs: dnsSettleMs };
  return { dns: cloud, store, clock, readGateways, rules };
}

function redisForHosts({ enrolment, service }: FleetNeeds): { readonly host: string; readonly port: number } {
  if (enrolment.heartbeatRedis) return enrolment.heartbeatRedis;
  return { host: hostIn(service.redisUrl), port: Number(new URL(service.redisUrl).port || 6379) };
}
