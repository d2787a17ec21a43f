import type { History } from "../figures/contract.ts";
import type { DropletLife, DropletState } from "../fleet/droplets.ts";
import type { Droplets, Hosts } from "../fleet/contract.ts";
import type { DestroyRequests, JobRuns, Slots, Switches, TakenSlot } from "./contract.ts";
import type { SwitchName } from "../events/names.ts";
import { isStandby, type Standing } from "../fleet/standing.ts";
import type { FleetCache, HostStanding } from "../fleet/fleet-cache.ts";
import type { EdgeOverview } from "./edge-overview.ts";
import { slotLegend, slotRow } from "./slot-row.ts";

/** What the overview is made from. */
export type OverviewPorts = {
  readonly fleet: Pick<FleetCache, "standings" | "isBlind">;
  readonly store: {
    readonly slots: Slots;
    readonly hosts: Pick<Hosts, "listFirstSeen">;
    readonly droplets: Pick<Droplets, "listLives">;
    readonly destroyRequests: Pick<DestroyRequests, "list">;
    readonly switches: Pick<Switches, "list">;
    readonly runs: Pick<JobRuns, "list">;
    readonly history: Pick<History, "countHandouts">;
  };
  readonly rules: OverviewRules;
};

/**
 * Settings that a reader compares the overview with. `isFleet`: whether this service orders and destroys hosts
 * itself.
 */
export type OverviewRules = {
  readonly isFleet: boolean;
  readonly standbys: number;
  readonly cap: number;
  readonly bootTimeoutSeconds: number;
};

/** A host, or a droplet on its way to become one or to its end, as ops see it. */
export type HostOverview = {
  readonly name: string;
  /** Of the host: active, cordoned or draining; of a droplet that is no host: ordered, booting or destroying. */
  readonly state: string;
  /** Why it gets no instance now, or "open"; a droplet's state while it is no host. */
  readonly standing: Standing | DropletState;
  readonly isStandby: boolean;
  readonly address: string | null;
  readonly capacity: number;
  readonly inUse: number;
  readonly occupied: number;
  /** Slots that the warm pool holds: they make room for others, and are no use. */
  readonly warm: number;
  /** Instances that are ready for the next hand-out. */
  readonly ready: number;
  /** A letter a slot, see `slotLegend`. */
  readonly slots: string;
  readonly since: string;
  readonly heartbeatAt: string | null;
  readonly heartbeatRefused: string | null;
  readonly memAvailableMb: number | null;
  readonly containers: number | null;
  readonly droplet: {
    readonly id: number | null;
    readonly state: string;
    readonly region: string;
    readonly size: string;
    readonly hourlyPrice: number | null;
    readonly orderedAt: string;
    readonly joinedAt: string | null;
  } | null;
  /** Whether it has a destroy request, and whether its leases are lost with it. */
  readonly destroyRequest: "none" | "lost" | null;
};

/** The whole fleet at one moment. */
export type FleetOverview = {
  readonly at: string;
  /** Whether the heartbeats are too old to tell which hosts are alive. */
  readonly isBlind: boolean;
  readonly rules: OverviewRules;
  readonly hosts: readonly HostOverview[];
  /** Meanings of the letters of the hosts' slots. */
  readonly slotLegend: Readonly<Record<string, string>>;
  readonly running: number;
  readonly startedEver: number;
  readonly switches: readonly {
    readonly name: SwitchName;
    readonly paused: boolean;
    readonly changedAt: string | null;
  }[];
  readonly jobs: readonly {
    readonly job: string;
    readonly startedAt: string;
    readonly finishedAt: string | null;
    readonly succeededAt: string | null;
    readonly fault: string | null;
  }[];
  /** Gateways and what is carried besides instances, where these were looked at as well. */
  readonly edge?: EdgeOverview;
};

/** Jobs may be down for hours, and the fleet is still one. */
const OF_LATE_MS = 24 * 3_600_000;

/** The fleet as it is at `now`. @throws Unavailable when MySQL does not answer */
export async function readOverview({ fleet, store, rules }: OverviewPorts, now: Date): Promise<FleetOverview> {
  const [taken, births, droplets, requests, switches, runs, counts] = await Promise.all([
    store.slots.listTaken(now),
    store.hosts.listFirstSeen(),
    store.droplets.listLives(now),
    store.destroyRequests.list(),
    store.switches.list(),
    store.runs.list(),
    store.history.countHandouts(now),
  ]);
  const slots = Map.groupBy(taken, ({ hostName }) => hostName);
  const lives = new Map(droplets.map((life) => [life.name, life]));
  const standings = fleet.standings(now).filter(({ host }) => births.has(host.name));
  const known = new Set(standings.map(({ host }) => host.name));
  const hosts = standings.map((facts) => ({
    ...hostOverview(
      facts,
      slots.get(facts.host.name) ?? [],
      births.get(facts.host.name) ?? now,
      lives.get(facts.host.name),
    ),
    destroyRequest: requests.get(facts.host.name) ?? null,
  }));
  const others = droplets
    .filter(({ name, state }) => state !== "gone" && !known.has(name))
    .map((life) => ({ ...dropletOverview(life), destroyRequest: requests.get(life.name) ?? null }));
  return {
    at: now.toISOString(),
    isBlind: fleet.isBlind(now),
    // The API need not know the cloud's token: where scaling has run of late, there is a fleet.
    rules: {
      ...rules,
      isFleet:
        rules.isFleet ||
        runs.some(({ job, startedAt }) => job === "scale" && now.getTime() - startedAt.getTime() < OF_LATE_MS),
    },
    hosts: [...hosts, ...others],
    slotLegend,
    ...counts,
    switches: switches.map(({ name, paused, changedAt }) => ({
      name,
      paused,
      changedAt: changedAt?.toISOString() ?? null,
    })),
    jobs: runs.map(({ job, startedAt, finishedAt, succeededAt, fault }) => ({
      job,
      startedAt: startedAt.toISOString(),
      finishedAt: finishedAt?.toISOString() ?? null,
      succeededAt: succeededAt?.toISOString() ?? null,
      fault,
    })),
  };
}

function hostOverview(
  { standing, ...facts }: HostStanding,
  taken: readonly TakenSlot[],
  birth: Date,
  life: DropletLife | undefined,
): Omit<HostOverview, "destroyRequest"> {
  const { host, heartbeat, inUse, occupied, warm } = facts;
  const beat = heartbeat?.kind === "beat" ? heartbeat.beat : undefined;
  return {
    name: host.name,
    state: host.state,
    standing: life?.state === "destroying" ? "destroying" : standing,
    isStandby: isStandby(facts),
    address: host.publicHost,
    capacity: host.capacity,
    inUse,
    occupied,
    warm,
    ready: taken.filter(({ state }) => state === "warm").length,
    slots: slotRow(host.capacity, taken),
    since: birth.toISOString(),
    heartbeatAt: beat?.sentAt ?? null,
    heartbeatRefused: heartbeat?.kind === "refused" ? heartbeat.reason : null,
    memAvailableMb: beat?.memAvailableMb ?? null,
    containers: beat?.containers ?? null,
    droplet: life ? dropletOf(life) : null,
  };
}

function dropletOverview(life: DropletLife): Omit<HostOverview, "destroyRequest"> {
  const nothing = {
    isStandby: false,
    address: null,
    capacity: 0,
    inUse: 0,
    occupied: 0,
    warm: 0,
    ready: 0,
    slots: "",
    heartbeatAt: null,
    heartbeatRefused: null,
    memAvailableMb: null,
    containers: null,
  };
  return {
    ...nothing,
    name: life.name,
    state: life.state,
    standing: life.state,
    since: life.orderedAt.toISOString(),
    droplet: dropletOf(life),
  };
}

function dropletOf({
  dropletId,
  state,
  region,
  size,
  hourlyPrice,
  orderedAt,
  joinedAt,
}: DropletLife): NonNullable<HostOverview["droplet"]> {
  return {
    id: dropletId,
    state,
    region,
    size,
    hourlyPrice,
    orderedAt: orderedAt.toISOString(),
    joinedAt: joinedAt?.toISOString() ?? null,
  };
}
