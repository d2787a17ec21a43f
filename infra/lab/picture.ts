import type { DropletRow } from "../../apps/core/fleet/droplets.ts";

/** A host as it is drawn. */
export interface DrawnHost {
  name: string;
  capacity: number;
  inUse: number;
  state: string;
}

/** The fleet in one line: each droplet with its slots, filled ones full; what is not a host in words. */
export function drawFleet(
  droplets: readonly Pick<DropletRow, "name" | "state">[],
  hosts: readonly DrawnHost[],
): string {
  const drawn = droplets.map(({ name, state }) => {
    const host = hosts.find((each) => each.name === name);
    const label = shortName(name);
    if (state !== "joined" || !host) return `${label} ${state}`;
    const slots = "■".repeat(host.inUse) + "□".repeat(Math.max(0, host.capacity - host.inUse));
    const mark = host.state === "active" ? (host.inUse === 0 ? " standby" : "") : ` ${host.state}`;
    return `${label} ${slots}${mark}`;
  });
  return drawn.length === 0 ? "no droplets" : drawn.join("   ");
}

/** `#3` of `gar-x7k2p9q4m1z8-3`. */
export function shortName(name: string): string {
  return `#${/-(\d+)$/.exec(name)?.[1] ?? name}`;
}
