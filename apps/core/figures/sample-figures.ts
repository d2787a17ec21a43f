import { minuteOf, type Counts } from "./figures.ts";
import type { Hosts, ReadHeartbeats } from "../fleet/contract.ts";
import type { DropletState } from "../fleet/droplets.ts";
import type { Figures } from "./contract.ts";
import { standingOf } from "../fleet/standing.ts";
import { whileKnown } from "../../lib/unavailable.ts";

/** What sampling needs. */
export type SamplePorts = {
  readonly store: {
    readonly hosts: Pick<Hosts, "list">;
    readonly droplets: { readonly list: () => Promise<readonly { readonly state: DropletState }[]> };
    readonly history: { readonly countHandouts: (now: Date) => Promise<{ readonly running: number }> };
    readonly figures: Pick<Figures, "countEnds" | "lastMinute" | "keepMinute">;
  };
  readonly readHeartbeats: ReadHeartbeats;
  readonly clock: () => Date;
};

const GAUGES = "gauges";
const MINUTE_MS = 60_000;
/**
 * Minutes whose ended instances are counted again each time: an end may be written a little later than it
 * happened.
 */
const MINUTES_BACK = 10;
/**
 * Owners also end instances while no job runs. Those minutes are counted later, up to a week back: the longest
 * time that is shown.
 */
const MOST_MINUTES_BACK = 7 * 24 * 60;

/**
 * Keeps how many instances ended in the minutes since the last sample, and what exists in this one. Any number
 * of processes may do so at once: they write the same rows. Without Redis the hosts' standings are left out,
 * not guessed; zeros are kept as well.
 * @throws Unavailable when MySQL does not answer
 */
export async function sampleFigures({ store, readHeartbeats, clock }: SamplePorts, isFleet: boolean): Promise<void> {
  const now = clock();
  const minute = minuteOf(now);
  // Before this minute's sample: after a failure here, the next run goes back as far again.
  await keepEnds(store, minute);
  const hosts = await store.hosts.list();
  const droplets = (await store.droplets.list()).map(({ state }) => state);
  const heartbeats = await whileKnown(readHeartbeats(hosts.map(({ host }) => host.name)), "redis");
  const standings =
    heartbeats && hosts.map((facts) => standingOf({ ...facts, heartbeat: heartbeats.get(facts.host.name) }, false));
  await store.figures.keepMinute(minute, GAUGES, {
    leases: (await store.history.countHandouts(now)).running,
    slots: { inUse: sum(hosts.map(({ inUse }) => inUse)), all: sum(hosts.map(({ host }) => host.capacity)) },
    ...((isFleet || droplets.length > 0) && { droplets: { ...(isFleet && { joined: 0 }), ...countEach(droplets) } }),
    ...(standings && { hosts: { open: 0, ...countEach(standings) } }),
  });
}

/** Counts what has ended by cause, in each whole minute since the last sample and in some before. */
async function keepEnds(store: SamplePorts["store"], minute: Date): Promise<void> {
  const back = (minutes: number) => minute.getTime() - minutes * MINUTE_MS;
  const last = (await store.figures.lastMinute(GAUGES))?.getTime() ?? 0;
  const from = new Date(Math.max(Math.min(last, back(MINUTES_BACK)), back(MOST_MINUTES_BACK)));
  const ends = await store.figures.countEnds(from, minute);
  for (const [time, counts] of Map.groupBy(ends, (each) => each.minute.getTime())) {
    await store.figures.keepMinute(new Date(time), "ends", {
      ends: Object.fromEntries(counts.map(({ cause, ends: number }) => [cause, number])),
    });
  }
}

function countEach<Name extends string>(names: readonly Name[]): Counts<Name> {
  const counts: Partial<Record<Name, number>> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
