import { nanoid } from "nanoid";
import type { CloudDns } from "../core/fleet/dns.ts";
import type { Cloud, HostEngines, ReadHeartbeats } from "../core/fleet/contract.ts";
import { MOST_SLOTS } from "../core/fleet/host-capacity.ts";
import { heartbeatPassword } from "../core/fleet/heartbeat-user.ts";
import type { PreparePorts } from "../core/fleet/prepare-cloud.ts";
import { renderGatewayUserData, renderUserData, type HostFiles } from "../core/fleet/user-data.ts";
import { gatewayPassword } from "../core/edge/gateway-user.ts";
import { readEdgeAddresses, type AddressRecordPorts } from "../core/fleet/keep-address-records.ts";
import type { KeepGatewaysPorts } from "../core/fleet/keep-gateways.ts";
import { listenPorts } from "../core/balance/listen-ports.ts";
import { instanceAccess } from "../core/settings/edge.ts";
import { gatewayEnvironment, gatewayPlanMark } from "../core/settings/gateway-environment.ts";
import { enrolmentUrl, redisForDroplets } from "../core/settings/enrolment.ts";
import { fleetPlan } from "../core/settings/fleet.ts";
import { capacityOf } from "../core/settings/hosts.ts";
import type { FleetSettings } from "../core/settings/settings.ts";
import type { Store } from "../core/store.ts";
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
  readonly store: Pick<
    Store,
    | "droplets"
    | "gatewayDroplets"
    | "hosts"
    | "switches"
    | "destroyRequests"
    | "events"
    | "warmPool"
    | "services"
    | "announcers"
  >;
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
  /** Makes sure that of the gateways with this prefix of names exactly these may log in to Redis. */
  readonly keepGatewayUsers: FleetParts["keepHeartbeatUsers"];
  readonly hostFiles: HostFiles;
  /** What a droplet of a gateway runs first, and a mark of the program that it gets then; undefined without any. */
  readonly gateway: { readonly files: HostFiles; readonly programHash: string } | undefined;
  /** This program's environment: gateways on droplets get a part of it. */
  readonly environment: NodeJS.ProcessEnv;
  /** Certificates of the CA by which a new droplet recognises the control plane. */
  readonly caPem: () => string;
  readonly term: () => Promise<number | undefined>;
  readonly clock: () => Date;
};

/** What the jobs of the fleet need, put together out of the settings and the outside systems. */
export function fleetPorts(settings: FleetNeeds, deployment: string, parts: FleetParts): FleetJobPorts {
  const { store, engines, cloud, readHeartbeats, clock } = parts;
  const plan = fleetPlan(settings.fleet, deployment);
  const heartbeatRedis = redisForDroplets(settings);
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
      gateways: gatewayPlan(settings, plan.tag, store),
    },
    gateways: gatewayPorts(settings, deployment, parts),
    keepGatewayUsers: async () => {
      const rows = await store.gatewayDroplets.list();
      await parts.keepGatewayUsers(
        `${plan.namePrefix}-`,
        rows.filter(({ state }) => state !== "destroying").map(({ name }) => name),
        (name) => gatewayPassword(settings.service.serverSecret, name),
      );
    },
    edgeDns: edgeDnsPorts(settings, deployment, parts),
    term: parts.term,
  };
}

/** Droplets of gateways have a tag of their own: what holds for hosts holds not for them. */
function gatewayPlan({ edge, balance }: FleetNeeds, tag: string, store: FleetParts["store"]): PreparePorts["gateways"] {
  if (edge.gateways === 0) return undefined;
  const { port, plainPort, gatewayOpenPorts, gatewaySize, gateways } = edge;
  const openPorts = [port, ...(plainPort === undefined ? [] : [plainPort]), ...(gatewayOpenPorts ?? [])];
  return {
    tag: `${tag}-gateways`,
    size: gatewaySize,
    count: gateways,
    openPorts: [...new Set(openPorts)],
    servicePorts: async () => {
      const declared = listenPorts(await store.services.list(), balance.redirect === "on");
      const mayAnnounce = (await store.announcers.list()).length > 0;
      return [...declared, ...(mayAnnounce ? balance.listenPorts : [])];
    },
  };
}

function gatewayPorts(settings: FleetNeeds, deployment: string, parts: FleetParts): KeepGatewaysPorts {
  const { store, cloud, clock, readGateways, gateway, environment } = parts;
  const { edge, fleet } = settings;
  const plan = fleetPlan(fleet, deployment);
  const { region, image, vpc, sshKeys } = plan;
  const files = gateway?.files ?? { scripts: new Map(), units: new Map() };
  const url = enrolmentUrl(settings.enrolment);
  return {
    cloud,
    store,
    readGateways,
    readAddresses: edge.domain === undefined || edge.dns === "none" ? undefined : readEdgeAddresses(edge.domain, cloud),
    clock,
    token: () => nanoid(32),
    userData: (name, token) =>
      renderGatewayUserData(files, { name, enrolmentUrl: url, enrolmentToken: token, caPem: parts.caPem() }),
    plan: { namePrefix: `${plan.namePrefix}-gw`, tag: `${plan.tag}-gateways`, region, image, vpc, sshKeys },
    rules: () => ({
      ...fleet,
      wanted: edge.gateways,
      size: edge.gatewaySize,
      // Whatever of this changes, gateways are replaced one by one.
      plan: gatewayPlanMark([
        ...[gateway?.programHash ?? "", gatewayEnvironment(environment), parts.caPem(), url],
        ...[edge.gatewaySize, region, image, vpc ?? ""],
        JSON.stringify([...files.scripts, ...files.units]),
      ]),
      silentMs: edge.gatewaySilentMs,
      drainMs: edge.dnsTtlSeconds * 1000 + edge.gatewayDrainMs,
    }),
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
