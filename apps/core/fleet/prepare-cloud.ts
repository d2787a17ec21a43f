import type { Events } from "../events/contract.ts";
import { CloudFault } from "./cloud.ts";
import type { Happening } from "../events/event.ts";
import type { FleetPlan } from "./scale-fleet.ts";

/** What a firewall lets through: `ports` is one port or a range such as 20000-20039; `sources` are CIDRs. */
export type InboundRule = { readonly protocol: "tcp"; readonly ports: string; readonly sources: readonly string[] };

/** What preparing the cloud needs. */
export type PreparePorts = {
  readonly cloud: {
    readonly ensureTag: (tag: string) => Promise<void>;
    readonly ensureFirewall: (firewall: {
      readonly name: string;
      readonly tag: string;
      readonly inbound: readonly InboundRule[];
    }) => Promise<void>;
    readonly readAccount: () => Promise<{
      readonly status: string;
      readonly statusMessage: string;
      readonly dropletLimit: number;
    }>;
    readonly checkOffer: (plan: {
      readonly region: string;
      readonly sizes: readonly string[];
      readonly image: string;
      readonly vpc: string | undefined;
    }) => Promise<readonly string[]>;
  };
  readonly store: {
    readonly hosts: { readonly list: () => Promise<readonly { readonly host: HostPorts }[]> };
    readonly events: Pick<Events, "add">;
  };
  readonly clock: () => Date;
  readonly plan: FleetPlan;
  readonly sizes: readonly string[];
  readonly cap: number;
  /** Of hosts that will be ordered; the engines' port is the same on all hosts. */
  readonly hosts: HostPorts & { readonly enginePort: number };
  /** The network that the control plane reaches engines from, as a CIDR. */
  readonly privateNetwork: string;
  /** Who connects to instances, as CIDRs; undefined for everybody. */
  readonly instanceSources: readonly string[] | undefined;
  /** Droplets of gateways: their tag, and the ports that are open to the world there; undefined when there are none. */
  readonly gateways: GatewayPlan | undefined;
};

/** What droplets of gateways are, besides what those of hosts are as well. */
export type GatewayPlan = {
  readonly tag: string;
  readonly size: string;
  readonly count: number;
  readonly openPorts: readonly number[];
  /** Those of services besides, as they are now. @throws Unavailable when MySQL does not answer */
  readonly servicePorts: () => Promise<readonly number[]>;
};

/** The first port of a host's instances, and how many they are. */
export type HostPorts = { readonly basePort: number; readonly capacity: number };

const ANYWHERE = ["0.0.0.0/0", "::/0"];

/**
 * Makes the tag and the firewall that droplets are ordered under, and compares the settings with what the cloud
 * offers. What the settings ask for and the cloud does not have is reported, also as events, and not enforced:
 * it may change by the hour. A repeated call changes nothing.
 * @returns what the settings ask for and the cloud does not have or does not report, in sentences
 * @throws CloudFault when tag or firewall cannot be made, which is reported as an event as well
 */
export async function prepareCloud(ports: PreparePorts): Promise<string[]> {
  const alarm = (event: Happening) => ports.store.events.add({ actor: "scale", alarm: true, ...event }, ports.clock());
  try {
    await ensureTagAndFirewall(ports);
  } catch (fault) {
    if (fault instanceof CloudFault)
      await alarm({ kind: "hold", reason: `tag and firewall cannot be made (${fault.message})` });
    throw fault;
  }
  const { cloud, plan, sizes, cap, gateways } = ports;
  const all = gateways ? [...new Set([...sizes, gateways.size])] : sizes;
  const checks = [
    checkAccount(cloud, cap, gateways?.count ?? 0),
    cloud.checkOffer({ region: plan.region, sizes: all, image: plan.image, vpc: plan.vpc }),
  ];
  const faults = (await Promise.all(checks.map(faultsOf))).flat();
  for (const reason of faults) await alarm({ kind: "settings", reason });
  return faults;
}

/**
 * Keeps the firewall of gateways' droplets open at the ports of services, as these come and go. What it gives back is
 * called again and again, and asks the cloud for something only when that has changed; the tag must exist.
 * @throws CloudFault when the firewall cannot be made; Unavailable when MySQL does not answer
 */
export function keepGatewayFirewall({ cloud, gateways }: Pick<PreparePorts, "cloud" | "gateways">) {
  let inForce: string | undefined;
  return async (): Promise<void> => {
    if (!gateways) return;
    const ports = await portsOf(gateways);
    if (ports.join() === inForce) return;
    await ensureGatewayFirewall(cloud, gateways.tag, ports);
    inForce = ports.join();
  };
}

async function portsOf({ openPorts, servicePorts }: GatewayPlan): Promise<readonly number[]> {
  return [...new Set([...openPorts, ...(await servicePorts())])];
}

/** Nothing else comes in: gateways answer nobody but clients, and ask the control plane themselves. */
async function ensureGatewayFirewall(
  cloud: PreparePorts["cloud"],
  tag: string,
  ports: readonly number[],
): Promise<void> {
  const inbound = ports.map((port): InboundRule => ({ protocol: "tcp", ports: String(port), sources: ANYWHERE }));
  await cloud.ensureFirewall({ name: tag, tag, inbound });
}

async function ensureTagAndFirewall({
  cloud,
  store,
  plan,
  hosts,
  privateNetwork,
  instanceSources = ANYWHERE,
  gateways,
}: PreparePorts): Promise<void> {
  if (gateways) {
    await cloud.ensureTag(gateways.tag);
    await ensureGatewayFirewall(cloud, gateways.tag, await portsOf(gateways));
  }
  await cloud.ensureTag(plan.tag);
  const present = (await store.hosts.list()).map(({ host }) => host);
  const engines: InboundRule = { protocol: "tcp", ports: String(hosts.enginePort), sources: [privateNetwork] };
  await cloud.ensureFirewall({
    name: plan.tag,
    tag: plan.tag,
    inbound: [...instancePorts([hosts, ...present], instanceSources), engines],
  });
}

/** All hosts share one firewall: it opens what any of them uses, also hosts from before a change of the settings. */
function instancePorts(hosts: readonly HostPorts[], sources: readonly string[]): InboundRule[] {
  const ranges = Map.groupBy(hosts, ({ basePort }) => basePort);
  return [...ranges].map(([basePort, some]) => ({
    protocol: "tcp",
    ports: `${basePort}-${basePort + Math.max(...some.map(({ capacity }) => capacity)) - 1}`,
    sources,
  }));
}

async function checkAccount(cloud: PreparePorts["cloud"], cap: number, gateways: number): Promise<string[]> {
  const { status, statusMessage, dropletLimit } = await cloud.readAccount();
  const faults: string[] = [];
  if (status !== "active")
    faults.push(`the account's status is "${status}"${statusMessage === "" ? "" : `: ${statusMessage}`}`);
  if (dropletLimit < cap + gateways) {
    const wanted = gateways === 0 ? `(${cap})` : `(${cap}) with GATEWAYS (${gateways})`;
    faults.push(`the account may have ${dropletLimit} droplets, fewer than DROPLET_CAP allows ${wanted}`);
  }
  return faults;
}

/**
 * What a check finds, or that it could not be made: orders do not wait for it, and the cloud gives its own
 * reason when it refuses one.
 */
async function faultsOf(check: Promise<readonly string[]>): Promise<readonly string[]> {
  try {
    return await check;
  } catch (fault) {
    if (!(fault instanceof CloudFault)) throw fault;
    return [`the settings could not be compared with what the cloud offers (${fault.message})`];
  }
}
