import { CloudFault } from "../../core/fleet/cloud.ts";
import type { InboundRule } from "../../core/fleet/prepare-cloud.ts";
import type { Calls } from "./calls.ts";
import { services } from "./library.ts";
import { listAll } from "./lists.ts";
import { firewallShape, type FirewallAnswer } from "./shapes.ts";

/** What may come in to droplets with a tag. Everything else is closed to the outside; the way out is open. */
export type FirewallPlan = {
  readonly name: string;
  readonly tag: string;
  readonly inbound: readonly InboundRule[];
};

const anywhere = ["0.0.0.0/0", "::/0"];
const outbound = [
  { protocol: "icmp", ports: "0", destinations: { addresses: anywhere } },
  { protocol: "tcp", ports: "1-65535", destinations: { addresses: anywhere } },
  { protocol: "udp", ports: "1-65535", destinations: { addresses: anywhere } },
];

/** Makes the firewall, or makes the one of this name as planned. The tag must exist. */
export async function ensureFirewall(calls: Calls, plan: FirewallPlan): Promise<void> {
  const end = calls.deadline();
  for (let isRetry = false; ; isRetry = true) {
    const found = (await listAll(calls, { route: "/firewalls", key: "firewalls", item: firewallShape }, end)).find(
      ({ name }) => name === plan.name,
    );
    if (found && isAsPlanned(found, plan)) return;
    try {
      if (found)
        await calls.untilAnswered(
          {
            method: "PUT",
            route: "/firewalls/:id",
            request: () => services.firewalls.updateFirewall({ id: found.id, ...bodyOf(plan) }),
          },
          end,
        );
      else
        await calls.untilAnswered(
          { method: "POST", route: "/firewalls", request: () => services.firewalls.createFirewall(bodyOf(plan)) },
          end,
        );
      return;
    } catch (fault) {
      // Another process was faster, or an earlier request of ours whose answer was lost.
      if (
        isRetry ||
        !(fault instanceof CloudFault) ||
        fault.reason !== "refused" ||
        !/duplicate name/i.test(fault.message)
      )
        throw fault;
    }
  }
}

type FirewallBody = Parameters<typeof services.firewalls.createFirewall>[0];

/** The library's type requires all kinds of sources, the API only one. */
function bodyOf({ name, tag, inbound }: FirewallPlan): FirewallBody {
  const inbound_rules = inbound.map(({ protocol, ports, sources }) => ({
    protocol,
    ports,
    sources: { addresses: sources },
  }));
  return { name, inbound_rules, outbound_rules: outbound, droplet_ids: [], tags: [tag] } as unknown as FirewallBody;
}

function isAsPlanned(found: FirewallAnswer, { tag, inbound }: FirewallPlan): boolean {
  const rules = (found.inbound_rules ?? []).map(({ protocol, ports, sources }) => ruleText(protocol, ports, sources));
  const planned = inbound.map(({ protocol, ports, sources }) => ruleText(protocol, ports, { addresses: sources }));
  const ways = (found.outbound_rules ?? []).map(({ protocol, ports, destinations }) =>
    ruleText(protocol, ports, destinations),
  );
  const plannedWays = outbound.map(({ protocol, ports, destinations }) => ruleText(protocol, ports, destinations));
  return (
    sameTexts(rules, planned) &&
    sameTexts(ways, plannedWays) &&
    sameTexts(found.tags ?? [], [tag]) &&
    (found.droplet_ids ?? []).length === 0
  );
}

/** Sources that are not addresses are kept in the text, so that a rule opened by hand to something else differs. */
function ruleText(protocol: string, ports: string, targets: { readonly addresses?: readonly string[] }): string {
  const others = Object.entries(targets).filter(
    ([kind, list]) => kind !== "addresses" && Array.isArray(list) && list.length > 0,
  );
  return JSON.stringify([
    protocol,
    isAllPorts(protocol, ports) ? "0" : ports,
    [...(targets.addresses ?? [])].sort(),
    others,
  ]);
}

/** The API documents "0" where all ports are open, however the rule was written. */
function isAllPorts(protocol: string, ports: string): boolean {
  return ports === "0" || (protocol !== "icmp" && ports === "1-65535");
}

function sameTexts(some: readonly string[], others: readonly string[]): boolean {
  return JSON.stringify([...some].sort()) === JSON.stringify([...others].sort());
}
