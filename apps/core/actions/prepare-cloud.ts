import type { FleetPlan } from "./scale-fleet.ts";

/** A range of ports that a firewall lets through, and from where. */
export type InboundRule = { readonly protocol: "tcp"; readonly ports: string; readonly sources: readonly string[] };

/** What preparing the cloud needs. */
export type PreparePorts = {
  readonly cloud: {
    readonly ensureTag: (tag: string) => Promise<void>;
    readonly ensureFirewall: (firewall: { readonly name: string; readonly tag: string; readonly inbound: readonly InboundRule[] }) => Promise<void>;
    readonly readAccount: () => Promise<{ readonly status: string; readonly statusMessage: string; readonly dropletLimit: number }>;
    readonly checkOffer: (wish: { readonly region: string; readonly sizes: readonly string[]; readonly image: string; readonly vpc: string }) => Promise<readonly string[]>;
  };
  readonly plan: FleetPlan;
  readonly sizes: readonly string[];
  readonly cap: number;
  readonly inbound: readonly InboundRule[];
};

const ANYWHERE = ["0.0.0.0/0", "::/0"];

/** What a host lets in: instances from anywhere, its engine from the private network. */
export function inboundRules(hosts: { readonly basePort: number; readonly capacity: number; readonly enginePort: number }, privateNetwork: string): InboundRule[] {
  return [
    { protocol: "tcp", ports: `${hosts.basePort}-${hosts.basePort + hosts.capacity - 1}`, sources: ANYWHERE },
    { protocol: "tcp", ports: String(hosts.enginePort), sources: [privateNetwork] },
  ];
}

/**
 * Makes the tag and the firewall that droplets are ordered under, and compares the settings with what the
 * cloud offers. Again: no change.
 * @returns what the settings ask for and the cloud does not have, in sentences
 * @throws CloudFault when the cloud does not answer
 */
export async function prepareCloud({ cloud, plan, sizes, cap, inbound }: PreparePorts): Promise<string[]> {
  await cloud.ensureTag(plan.tag);
  await cloud.ensureFirewall({ name: plan.tag, tag: plan.tag, inbound });
  const { status, statusMessage, dropletLimit } = await cloud.readAccount();
  const faults: string[] = [];
  if (status !== "active") faults.push(`the account's status is "${status}"${statusMessage === "" ? "" : `: ${statusMessage}`}`);
  if (dropletLimit < cap) faults.push(`the account may have ${dropletLimit} droplets, fewer than DROPLET_CAP allows (${cap})`);
  return [...faults, ...(await cloud.checkOffer({ region: plan.region, sizes, image: plan.image, vpc: plan.vpc }))];
}
