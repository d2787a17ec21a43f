import type { DropletFacts, FleetSnapshot } from "./droplets.ts";
import { standingOf } from "./standing.ts";

/** Until the first droplet has joined. */
const USUAL_JOIN_MS = 120_000;
/** Droplets that joined last: they tell how long the next one takes. */
const LAST_JOINED = 5;
/** Time between two runs of the scaling, about: an order may just have been missed. */
const RUN_MS = 30_000;

/**
 * How many empty hosts are wanted, those on their way included: as many as the operator has set (`standbys`), and as
 * many more as hand-outs are expected to fill whole before a droplet that is ordered now becomes a host. What hosts in
 * use have free comes first. The standbys are the reserve for chance: at rest, and while few ask, there is no other.
 */
export function wantedEmpty(
  { droplets, arrivalsPerSecond }: Pick<FleetSnapshot, "droplets" | "arrivalsPerSecond">,
  standbys: number,
): number {
  if (standbys === 0 || arrivalsPerSecond === 0) return standbys;
  const last = lastJoined(droplets);
  // The next one will have as many slots as the newest.
  const slots = last[0]?.host?.host.capacity ?? Infinity;
  const expected = (arrivalsPerSecond * (joinMs(last) + RUN_MS)) / 1000;
  return standbys + Math.max(0, Math.floor((expected - freeInUse(droplets)) / slots));
}

/** Slots that are free on open hosts with leases. */
function freeInUse(droplets: readonly DropletFacts[]): number {
  let free = 0;
  for (const { row, host } of droplets)
    if (row.state === "joined" && host && host.inUse > 0 && standingOf(host, false) === "open")
      free += host.host.capacity - host.occupied + host.warm;
  return free;
}

/** The hosts that joined last, the newest first; droplets come in the order of their orders. */
function lastJoined(droplets: readonly DropletFacts[]): DropletFacts[] {
  const last: DropletFacts[] = [];
  for (let index = droplets.length - 1; index >= 0 && last.length < LAST_JOINED; index--) {
    const droplet = droplets[index];
    if (droplet?.row.joinedAt) last.push(droplet);
  }
  return last;
}

/** Milliseconds from an order to a host: the longest of the last few. */
function joinMs(last: readonly DropletFacts[]): number {
  const took = last.map(({ row }) => (row.joinedAt?.getTime() ?? 0) - row.orderedAt.getTime());
  return took.length === 0 ? USUAL_JOIN_MS : Math.max(...took);
}
