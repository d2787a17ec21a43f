import type { DropletFacts, DropletLife, DropletRow } from "../../apps/core/fleet/droplets.ts";
import type { HeartbeatReading, HostState } from "../../apps/core/fleet/host.ts";
import type { HostFacts } from "../../apps/core/fleet/standing.ts";
import { HOURLY_PRICE } from "./measured.ts";

type Changeable<Kind> = { -readonly [Key in keyof Kind]: Kind[Key] };

/** A droplet of the simulated fleet, from its order to its end. What the rules look at is kept up to date in place. */
export type Droplet = {
  readonly name: string;
  readonly number: number;
  readonly row: Changeable<DropletRow>;
  /** What a snapshot tells of it; its host is undefined until it has joined. */
  readonly facts: Changeable<DropletFacts>;
  host: SimulatedHost | undefined;
  /** When it is known to the cloud no more, once it is being deleted. */
  cloudGoneAt: number;
  goneAt: number | undefined;
};

/** A host with its slots. */
export type SimulatedHost = {
  readonly droplet: Droplet;
  readonly facts: Changeable<Omit<HostFacts, "host">> & { host: Changeable<HostFacts["host"]> };
  /** Leases that have a slot, by their numbers, with their ends. */
  readonly leases: Map<number, number>;
  /** When its engine has started all that it was asked to start. */
  startsUntil: number;
};

/** Every heartbeat arrives: faults are not simulated. */
const HEARTBEAT: HeartbeatReading = {
  kind: "beat",
  beat: {
    name: "any",
    publicIp: "192.0.2.1",
    privateIp: "10.0.0.1",
    dockerPort: 2376,
    containers: 0,
    memAvailableMb: 1000,
    sentAt: "2026-01-01T00:00:00Z",
  },
};

/** What would be broken that the design promises. */
export class InvariantBroken extends Error {
  override readonly name = "InvariantBroken";
}

/**
 * Droplets, hosts, slots and leases in memory. It does what it is told, as a cloud and engines would, and throws when
 * that breaks a promise: a slot given twice, a host with leases destroyed, more droplets than allowed.
 */
export type World = ReturnType<typeof createWorld>;

export function createWorld(slots: number, cap: number) {
  const droplets: Droplet[] = [];
  const byName = new Map<string, Droplet>();
  const ended: DropletLife[] = [];
  let ordered = 0;
  let most = 0;
  let standbys = 0;

  function order(now: number): Droplet {
    if (droplets.length >= cap) throw new InvariantBroken(`more than ${cap} droplets`);
    const name = `gar-${++ordered}`;
    const row: Droplet["row"] = {
      name,
      state: "booting",
      dropletId: ordered,
      orderedAt: new Date(now),
      joinedAt: null,
      idleSince: null,
      unhealthySince: null,
    };
    const cloud = {
      id: ordered,
      name,
      status: "active",
      publicIp: "192.0.2.1",
      privateIp: "10.0.0.1",
      createdAt: row.orderedAt,
      region: "any",
      size: "any",
      memoryMb: 2048,
      hourlyPrice: HOURLY_PRICE,
    } as const;
    const droplet: Droplet = {
      name,
      number: ordered,
      row,
      facts: { row, host: undefined, cloud },
      host: undefined,
      cloudGoneAt: Infinity,
      goneAt: undefined,
    };
    droplets.push(droplet);
    byName.set(name, droplet);
    most = Math.max(most, droplets.length);
    return droplet;
  }

  function join(droplet: Droplet, now: number): SimulatedHost | undefined {
    const { name, row } = droplet;
    if (row.state !== "booting") return undefined;
    row.state = "joined";
    row.joinedAt = new Date(now);
    const host = {
      name,
      engineUrl: "https://10.0.0.1:2376",
      deployment: "any",
      publicHost: "192.0.2.1",
      checkHost: "10.0.0.1",
      bindAddress: "0.0.0.0",
      capacity: slots,
      basePort: 20_000,
      state: "active" as HostState,
    };
    const facts = {
      host,
      inUse: 0,
      occupied: 0,
      warm: 0,
      lastExpiry: null,
      unreachableSince: null,
      heartbeat: HEARTBEAT,
    };
    droplet.host = { droplet, facts, leases: new Map(), startsUntil: 0 };
    droplet.facts.host = facts;
    standbys++;
    return droplet.host;
  }

  /** Gives a lease that ends at `expiresAt` a slot. */
  function take({ facts, leases }: SimulatedHost, lease: number, expiresAt: number): void {
    if (facts.occupied >= facts.host.capacity) throw new InvariantBroken(`${facts.host.name} has no slot left`);
    if (facts.host.state !== "active") throw new InvariantBroken(`${facts.host.name} takes no instances`);
    if (facts.inUse === 0) standbys--;
    leases.set(lease, expiresAt);
    facts.inUse++;
    facts.occupied++;
    if (facts.lastExpiry === null || expiresAt > facts.lastExpiry.getTime()) facts.lastExpiry = new Date(expiresAt);
  }

  /** Gives an instance that nobody holds yet a slot, or takes it back. */
  function warm({ facts }: SimulatedHost, by: 1 | -1): void {
    if (by === 1 && facts.occupied >= facts.host.capacity)
      throw new InvariantBroken(`${facts.host.name} has no slot left`);
    facts.warm += by;
    facts.occupied += by;
    if (facts.warm < 0) throw new InvariantBroken(`${facts.host.name} hands out a warm instance that it has not`);
  }

  function extend(host: SimulatedHost, lease: number, expiresAt: number): void {
    host.leases.set(lease, expiresAt);
    if (expiresAt > (host.facts.lastExpiry?.getTime() ?? 0)) host.facts.lastExpiry = new Date(expiresAt);
  }

  /** Ends a lease whose container is gone. */
  function free({ facts, leases }: SimulatedHost, lease: number): void {
    const expiresAt = leases.get(lease);
    if (expiresAt === undefined) throw new InvariantBroken(`${facts.host.name} has lost lease ${lease}`);
    leases.delete(lease);
    facts.inUse--;
    facts.occupied--;
    if (facts.inUse === 0) standbys++;
    if (expiresAt !== facts.lastExpiry?.getTime()) return;
    let last = 0;
    for (const expiry of leases.values()) if (expiry > last) last = expiry;
    facts.lastExpiry = leases.size === 0 ? null : new Date(last);
  }

  /** Closes an empty host to hand-outs. */
  function drain({ facts }: SimulatedHost): void {
    if (facts.inUse > 0) throw new InvariantBroken(`${facts.host.name} is drained, and has leases`);
    facts.host.state = "draining";
    standbys--;
  }

  /** Deletes a droplet, with whatever runs on it. */
  function destroy(droplet: Droplet, cloudGoneAt: number): void {
    if (droplet.host && droplet.host.leases.size > 0)
      throw new InvariantBroken(`${droplet.name} has ${droplet.host.leases.size} leases and is destroyed`);
    if (droplet.host?.facts.host.state === "active") standbys--;
    droplet.row.state = "destroying";
    droplet.cloudGoneAt = cloudGoneAt;
  }

  /** Closes droplets that the cloud does not know any more; from then on they cost nothing. */
  function close(gone: ReadonlySet<Droplet>, now: number): void {
    let kept = 0;
    for (const droplet of droplets) {
      if (!gone.has(droplet)) {
        droplets[kept++] = droplet;
        continue;
      }
      droplet.row.state = "gone";
      droplet.goneAt = now;
      byName.delete(droplet.name);
      ended.push(lifeOf(droplet));
    }
    droplets.length = kept;
  }

  /** All droplets there have been. */
  function lives(): DropletLife[] {
    return [...ended, ...droplets.map(lifeOf)];
  }

  return {
    ...{ slots, cap, droplets, byName, order, join, take, warm, extend, free, drain, destroy, close, lives },
    most: () => most,
    /** Active hosts without leases. */
    standbys: () => standbys,
  };
}

function lifeOf({ row, goneAt }: Droplet): DropletLife {
  const { name, state, dropletId, orderedAt, joinedAt } = row;
  return {
    ...{ name, state, dropletId, orderedAt, joinedAt, region: "any", size: "any", hourlyPrice: HOURLY_PRICE },
    goneAt: goneAt === undefined ? null : new Date(goneAt),
  };
}
