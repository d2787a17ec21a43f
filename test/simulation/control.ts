import { arrivalsPerSecond } from "../../apps/core/fleet/demand.ts";
import { decideScaling, changedTimers, type ScalingRules } from "../../apps/core/fleet/scaling.ts";
import { standingOf } from "../../apps/core/fleet/standing.ts";
import type { FleetSnapshot } from "../../apps/core/fleet/droplets.ts";
import type { PlacementPolicy } from "../../apps/core/fleet/placement.ts";
import { createPlacementIndex } from "../../apps/core/fleet/placement-index.ts";
import { measured } from "./measured.ts";
import { InvariantBroken, type Droplet, type SimulatedHost, type World } from "./world.ts";

const MINUTE = 60_000;

/** What decides about a simulated fleet: which host gets an instance, and how many droplets there are. */
export type Control = {
  /** The host for a lease that ends at `expiresAt`; undefined when none has room. */
  readonly choose: (expiresAt: number, now: number) => SimulatedHost | undefined;
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

/** The service's own rules, by a placement policy. */
export function ourControl(world: World, policy: PlacementPolicy, rules: ScalingRules): Control {
  const open = createPlacementIndex(policy);
  const hosts = new Map<string, SimulatedHost>();

  function changed(host: SimulatedHost): void {
    const { facts } = host;
    const { name } = facts.host;
    const standing = standingOf(facts, false);
    if (standing === "open" || standing === "full") {
      hosts.set(name, host);
      // The index keeps what it was given: it must not change later.
      open.put({ ...facts }, standing === "open");
    } else {
      hosts.delete(name);
      open.remove(name);
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

  function choose(expiresAt: number): SimulatedHost | undefined {
    const next = open.inOrder(new Date(expiresAt)).next();
    return next.done ? undefined : hosts.get(next.value.host.name);
  }

  function scale(now: number, onOrder: (droplet: Droplet) => void): void {
    const byName = new Map<string, Droplet>();
    const facts = world.droplets.map((droplet) => {
      if (droplet.cloudGoneAt <= now) droplet.facts.cloud = "gone";
      byName.set(droplet.name, droplet);
      return droplet.facts;
    });
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
      const row = byName.get(name)?.row;
      if (row) Object.assign(row, { idleSince, unhealthySince });
    }
    const gone = new Set<Droplet>();
    for (const action of actions) {
      const droplet = "name" in action && action.name !== undefined ? byName.get(action.name) : undefined;
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

  return { choose, changed, handedOut: noteHandout, scale, scaleEveryMs: 30_000, reapEveryMs: 60_000, isNudged: true };
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
    handedOut: () => undefined,
    scale,
    scaleEveryMs: 600_000,
    reapEveryMs: 1_200_000,
    isNudged: false,
  };
}
