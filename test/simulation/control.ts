import { arrivalsPerSecond } from "../../apps/core/fleet/demand.ts";
import { decideScaling, changedTimers, type ScalingRules } from "../../apps/core/fleet/scaling.ts";
import { standingOf } from "../../apps/core/fleet/standing.ts";
import type { FleetSnapshot } from "../../apps/core/fleet/droplets.ts";
import { isCloseEnough, type PlacementPolicy } from "../../apps/core/fleet/placement.ts";
import { createPlacementIndex, type PlacementIndex } from "../../apps/core/fleet/placement-index.ts";
import type { WarmInstance } from "../../apps/core/warm-pool/contract.ts";
import { planPool } from "../../apps/core/warm-pool/plan.ts";
import { wantedWarm, type PoolBounds } from "../../apps/core/warm-pool/size.ts";
import { measured } from "./measured.ts";
import { InvariantBroken, type Droplet, type SimulatedHost, type World } from "./world.ts";

const MINUTE = 60_000;
/** What most leases last: the pool is where one of these goes next. */
const USUAL_TTL = 12 * 60 * MINUTE;
/** Time between two looks at the pool. */
export const POOL_EVERY_MS = 2000;
/** All are made alike. */
const RECIPE = Buffer.from("one");

/** What decides about a simulated fleet: which host gets an instance, and how many droplets there are. */
export type Control = {
  /** The host for a lease that ends at `expiresAt`; undefined when none has room. */
  readonly choose: (expiresAt: number, now: number) => SimulatedHost | undefined;
  /** Whether the instance that a host is to hand out is a warm one; it is no warm one any more then. */
  readonly claim: (host: SimulatedHost, now: number) => boolean;
  /** Ends instances of the pool that it should not have, and starts those that are missing. */
  readonly keepWarm: (now: number) => void;
  /** To be called when a host has joined, or its use has changed. */
  readonly changed: (host: SimulatedHost) => void;
  /** To be called when an instance has been handed out. */
  readonly handedOut: (now: number) => void;
  /** Time between two runs of the scaling, and of the reaper. */
  readonly scaleEveryMs: number;
  readonly reapEveryMs: number;
  /** Whether the scaling is run soon after a hand-out has taken an empty host. */
  readonly isNudged: boolean;
  /** A run of the scaling. Calls `onOrder` for each droplet that it orders. */
  readonly scale: (now: number, onOrder: (droplet: Droplet) => void) => void;
};

/** An instance of the pool, and when it is ready. */
type Warm = { readonly host: SimulatedHost; readonly readyAt: number; readonly createdAt: number };

/**
 * The service's own rules, by a placement policy.
 * @param bounds of the pool of warm instances; without, there is none
 */
export function ourControl(
  world: World,
  policy: PlacementPolicy,
  rules: ScalingRules,
  bounds: PoolBounds & { readonly maxAgeMs: number } = { least: 0, most: 0, maxAgeMs: Infinity },
): Control {
  const open = createPlacementIndex(policy);
  /** Those in use that have warm instances. */
  const openWarm = createPlacementIndex(policy, open.freeShare);
  let pool: Warm[] = [];
  const hosts = new Map<string, SimulatedHost>();

  function changed(host: SimulatedHost): void {
    const { facts } = host;
    const { name } = facts.host;
    const standing = standingOf(facts, false);
    if (standing === "open" || standing === "full") {
      hosts.set(name, host);
      // The index keeps what it was given: it must not change later.
      const ranked = { ...facts };
      open.put(ranked, standing === "open");
      if (standing === "open" && facts.inUse > 0 && facts.warm > 0) openWarm.put(ranked, true);
      else openWarm.remove(name);
    } else {
      hosts.delete(name);
      open.remove(name);
      openWarm.remove(name);
    }
  }

  /** Hand-outs by minute. */
  const byMinute: number[] = [];

  function noteHandout(now: number): void {
    const minute = Math.floor(now / MINUTE);
    byMinute[minute] = (byMinute[minute] ?? 0) + 1;
  }

  /** Hand-outs of the last so many minutes: of the minute under way, and a part of the earliest. */
  function handedOut(now: number, minutes: number): number {
    const minute = Math.floor(now / MINUTE);
    let sum = (byMinute[minute - minutes] ?? 0) * (1 - (now % MINUTE) / MINUTE);
    for (let each = minute - minutes + 1; each <= minute; each++) sum += byMinute[each] ?? 0;
    return sum;
  }

  /** As the fleet cache chooses: a host with a warm instance, when one that is in use has one. */
  function choose(expiresAt: number): SimulatedHost | undefined {
    const first = firstOf(open, expiresAt);
    if (!first || first.facts.warm > 0) return first;
    const ready = firstOf(openWarm, expiresAt);
    return ready && isCloseEnough(policy, ready.facts, { expiresAt: new Date(expiresAt), freeShare: open.freeShare() })
      ? ready
      : first;
  }

  function firstOf(index: PlacementIndex, expiresAt: number): SimulatedHost | undefined {
    const next = index.inOrder(new Date(expiresAt)).next();
    return next.done ? undefined : hosts.get(next.value.host.name);
  }

  function claim(host: SimulatedHost, now: number): boolean {
    const here = pool.filter((each) => each.host === host);
    const ready = here.find(({ readyAt }) => readyAt <= now);
    // A cold start ends a warm one where it finds no slot otherwise.
    const given = ready ?? (host.facts.occupied >= host.facts.host.capacity ? here[0] : undefined);
    if (given) drop(given);
    return ready !== undefined;
  }

  function drop(warm: Warm): void {
    pool = pool.filter((each) => each !== warm);
    world.warm(warm.host, -1);
    changed(warm.host);
  }

  function keepWarm(now: number): void {
    const demand = arrivalsPerSecond(handedOut(now, 1), handedOut(now, 10));
    const refillSeconds = (POOL_EVERY_MS + measured.coldStartMs) / 1000;
    const wanted = bounds.most === 0 ? 0 : wantedWarm({ arrivalsPerSecond: demand, refillSeconds }, bounds);
    // The plan looks at hosts in order until it has enough, and at those of the pool.
    const considered = new Set<SimulatedHost>();
    for (const { host } of open.inOrder(new Date(now + USUAL_TTL))) {
      const found = hosts.get(host.name);
      if (found) considered.add(found);
      if (considered.size > bounds.most) break;
    }
    for (const { host } of pool) considered.add(host);
    const instances = new Map(pool.map((warm) => [instanceOf(warm, now), warm]));
    const steps = planPool(
      [...considered].map(({ facts }) => ({ ...facts, standing: standingOf(facts, false) })),
      [...instances.keys()],
      {
        ...{ wanted, recipe: RECIPE, maxAgeMs: bounds.maxAgeMs, startsPerHost: 1 },
        coldStarts: new Map([...considered].map((host) => [host.droplet.name, host.startsUntil > now ? 1 : 0])),
      },
      new Date(now),
    );
    for (const step of steps) {
      const ended = step.kind === "end" ? instances.get(step.instance) : undefined;
      if (ended) drop(ended);
      const host = step.kind === "start" ? hosts.get(step.hostName) : undefined;
      if (!host) continue;
      const begins = Math.max(now, host.startsUntil);
      host.startsUntil = begins + measured.startSpacingMs;
      world.warm(host, 1);
      pool.push({ host, createdAt: now, readyAt: begins + measured.coldStartMs });
      changed(host);
    }
  }

  function scale(now: number, onOrder: (droplet: Droplet) => void): void {
    for (const droplet of world.droplets) if (droplet.cloudGoneAt <= now) droplet.facts.cloud = "gone";
    const facts = world.droplets.map((droplet) => droplet.facts);
    const snapshot: FleetSnapshot = {
      droplets: facts,
      untracked: [],
      arrivalsPerSecond: arrivalsPerSecond(handedOut(now, 1), handedOut(now, 10)),
      failures: { inARow: 0, outOfStock: 0, lastAt: null },
      operator: { isPaused: false, destroyRequests: new Map() },
    };
    const at = new Date(now);
    const actions = decideScaling(snapshot, rules, at);
    for (const { name, idleSince, unhealthySince } of changedTimers(facts, at)) {
      const row = world.byName.get(name)?.row;
      if (row) Object.assign(row, { idleSince, unhealthySince });
    }
    const gone = new Set<Droplet>();
    for (const action of actions) {
      const droplet = "name" in action && action.name !== undefined ? world.byName.get(action.name) : undefined;
      if (action.kind === "order") onOrder(world.order(now));
      else if (action.kind === "drain" && droplet?.host) {
        world.drain(droplet.host);
        changed(droplet.host);
      } else if (action.kind === "destroy" && droplet) world.destroy(droplet, now + measured.deletionMs);
      else if (action.kind === "close" && droplet) gone.add(droplet);
      else if (action.kind !== "hold" && action.kind !== "delete")
        throw new InvariantBroken(`the scaling does what nothing here calls for: ${action.kind}`);
    }
    if (gone.size > 0) world.close(gone, now);
  }

  return {
    choose,
    claim,
    keepWarm,
    changed,
    handedOut: noteHandout,
    scale,
    scaleEveryMs: 30_000,
    reapEveryMs: 60_000,
    isNudged: true,
  };
}

/**
 * The rules of Get A Redis (2015), the service that this one is made after, as its README tells them: the busiest host
 * that is not full; every 10 minutes a droplet is ordered when no host is empty, and empty ones but one are deleted;
 * every 20 minutes containers past their time are killed. What is booting does not count. Its code was worse: it could
 * delete its only empty host.
 */
export function seedControl(world: World): Control {
  const open = createPlacementIndex("busiest-first");
  const hosts = new Map<string, SimulatedHost>();

  function changed(host: SimulatedHost): void {
    const { facts, droplet } = host;
    if (droplet.row.state === "joined") {
      hosts.set(droplet.name, host);
      open.put({ ...facts }, facts.occupied < facts.host.capacity);
    } else {
      hosts.delete(droplet.name);
      open.remove(droplet.name);
    }
  }

  function choose(expiresAt: number): SimulatedHost | undefined {
    const next = open.inOrder(new Date(expiresAt)).next();
    return next.done ? undefined : hosts.get(next.value.host.name);
  }

  function scale(now: number, onOrder: (droplet: Droplet) => void): void {
    const empty = world.droplets.flatMap(({ host }) => (host?.facts.occupied === 0 ? host : []));
    if (empty.length === 0 && world.droplets.length < world.cap) onOrder(world.order(now));
    const surplus = empty.slice(1);
    for (const host of surplus) {
      world.destroy(host.droplet, now);
      changed(host);
    }
    if (surplus.length > 0) world.close(new Set(surplus.map(({ droplet }) => droplet)), now);
  }

  return {
    choose,
    changed,
    claim: () => false,
    keepWarm: () => undefined,
    handedOut: () => undefined,
    scale,
    scaleEveryMs: 600_000,
    reapEveryMs: 1_200_000,
    isNudged: false,
  };
}

function instanceOf({ host, createdAt, readyAt }: Warm, now: number): WarmInstance {
  return {
    instanceId: "",
    state: readyAt <= now ? "warm" : "warming",
    host: host.facts.host,
    recipe: RECIPE,
    createdAt: new Date(createdAt),
    deadline: new Date(readyAt + MINUTE),
  };
}
