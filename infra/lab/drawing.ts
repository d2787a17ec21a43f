import type { DropletRow } from "../../apps/core/fleet/droplets.ts";
import { isStandby, standingOf, type HostFacts } from "../../apps/core/fleet/standing.ts";

/** The fleet in one line: each droplet with its slots, filled ones full, and what it is unless that is plain to see. */
export function drawFleet(
  droplets: readonly Pick<DropletRow, "name" | "state">[],
  hosts: readonly HostFacts[],
): string {
  const drawn = droplets.map(({ name, state }) => {
    const facts = hosts.find(({ host }) => host.name === name);
    const label = shortName(name);
    if (state !== "joined" || !facts) return `${label} ${state}`;
    const { host, inUse } = facts;
    const slots = "■".repeat(inUse) + "□".repeat(Math.max(0, host.capacity - inUse));
    return [label, slots, ...markOf(facts)].join(" ");
  });
  return drawn.length === 0 ? "no droplets" : drawn.join("   ");
}

function markOf(facts: HostFacts): string[] {
  if (isStandby(facts)) return ["standby"];
  const standing = standingOf(facts, false);
  return standing === "open" || standing === "full" ? [] : [standing];
}

/** `#3` of `gar-x7k2p9q4m1z8-3`, `gateway-2` of `gar-x7k2p9q4m1z8-gw-2`. */
export function shortName(name: string): string {
  const [, isGateway, number] = /-(gw-)?(\d+)$/.exec(name) ?? [];
  return isGateway === undefined ? `#${number ?? name}` : `gateway-${number ?? name}`;
}
