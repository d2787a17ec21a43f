import type { HeartbeatReading, Host, HostUse } from "./host.ts";
import type { PlacementPolicy } from "./placement.ts";
import { createPlacementIndex } from "./placement-index.ts";
import { isHealthy, standingOf, type HostFacts, type Standing } from "./standing.ts";

/** What the cache reads. */
export type FleetPorts = {
  readonly listHosts: () => Promise<readonly HostUse[]>;
  readonly readHeartbeats: (hostNames: readonly string[]) => Promise<Map<string, HeartbeatReading>>;
};

/** A host with its standing, as the dashboard and the metrics show it. */
export type HostStanding = HostFacts & { readonly standing: Standing };

const FIRST_BACKOFF_MS = 1_000;

/** The fleet as this process last read it, kept ready so that no request waits for a scan. */
export type FleetCache = ReturnType<typeof createFleetCache>;

/**
 * An empty cache; {@link FleetCache.refresh} fills it.
 * @param livenessMaxAgeMs age at which heartbeats read earlier count for nothing
 * @param longestBackoffMs how long at most a host that fails again and again is passed over
 * @param policy which of the open hosts is tried first
 */
export function createFleetCache(
  ports: FleetPorts,
  livenessMaxAgeMs: number,
  longestBackoffMs: number,
  policy: PlacementPolicy = "busiest-first",
) {
  let facts = new Map<string, HostFacts>();
  const open = createPlacementIndex(policy);
  /** Counted anew with each refresh, so that no request counts all hosts. */
  let counted = { hosts: 0, capacity: 0, occupied: 0 };
  let heartbeatsReadAt: Date | undefined;
  const backOffs = new Map<string, { readonly failures: number; readonly until: Date }>();

  /**
   * Reads hosts and heartbeats again. When Redis does not answer, the last heartbeats are kept and grow old:
   * which hosts are alive is unknown then, and none counts as silent.
   * @throws Unavailable when MySQL or Redis does not answer
   */
  async function refresh(now: Date): Promise<void> {
    const hosts = await ports.listHosts();
    let heartbeats: Map<string, HeartbeatReading>;
    try {
      heartbeats = await ports.readHeartbeats(hosts.map(({ host }) => host.name));
      heartbeatsReadAt = now;
    } catch (fault) {
      show(hosts.map((host) => ({ ...host, heartbeat: facts.get(host.host.name)?.heartbeat })));
      throw fault;
    }
    show(hosts.map((host) => ({ ...host, heartbeat: heartbeats.get(host.host.name) })));
  }

  function show(hosts: readonly HostFacts[]): void {
    const former = facts;
    facts = new Map(hosts.map((host) => [host.host.name, host]));
    const usable = hosts.filter((host) => host.host.state === "active" && isHealthy(host));
    counted = {
      hosts: hosts.length,
      capacity: sum(usable.map(({ host }) => host.capacity)),
      // A host whose capacity was lowered may have more.
      occupied: sum(usable.map(({ host, occupied }) => Math.min(occupied, host.capacity))),
    };
    for (const name of former.keys()) if (!facts.has(name)) open.remove(name);
    for (const host of hosts) rank(host);
  }

  /** Puts a host where its use places it among the open ones, or takes it out. */
  function rank(host: HostFacts): void {
    if (standingOf(host, false) === "open") open.put(host);
    else open.remove(host.host.name);
  }

  /**
   * Hosts that take an instance now, in the order to try them for a lease that ends at `expiresAt`. Evaluated
   * lazily: the first is found at once.
   */
  function* openHosts(now: Date, expiresAt: Date = now): Generator<Host, undefined> {
    if (isBlind(now)) return undefined;
    for (const {
      host: { name },
    } of open.inOrder(expiresAt)) {
      const host = facts.get(name);
      if (host && standingOf(host, isBackingOff(name, now)) === "open") yield host.host;
    }
    return undefined;
  }

  /** Whether the heartbeats are too old to tell which hosts are alive. */
  function isBlind(now: Date): boolean {
    return heartbeatsReadAt === undefined || now.getTime() - heartbeatsReadAt.getTime() > livenessMaxAgeMs;
  }

  /**
   * Counts an instance just placed on a host, whose lease ends at `expiresAt`, ahead of the next refresh.
   * Returns whether the host was empty before, a standby.
   */
  function countTaken(hostName: string, expiresAt?: Date): boolean {
    const host = facts.get(hostName);
    if (host) {
      change(host, {
        inUse: host.inUse + 1,
        occupied: host.occupied + 1,
        lastExpiry: expiresAt && expiresAt > (host.lastExpiry ?? 0) ? expiresAt : host.lastExpiry,
      });
      counted = { ...counted, occupied: Math.min(counted.capacity, counted.occupied + 1) };
    }
    return host?.inUse === 0;
  }

  /** Counts a host as full until the next refresh. */
  function countFull(hostName: string): void {
    const host = facts.get(hostName);
    if (host) change(host, { occupied: host.host.capacity });
  }

  function change(host: HostFacts, changed: Partial<HostFacts>): void {
    const next = { ...host, ...changed };
    facts.set(host.host.name, next);
    rank(next);
  }

  /**
   * Passes over a host that has just failed: for a second, and twice as long each time it fails again. A single
   * failure does not stop a fleet of one host, and a broken host costs few requests.
   */
  function backOff(hostName: string, now: Date): void {
    const last = backOffs.get(hostName);
    // Requests that failed together count once.
    if (last && last.until > now) return;
    const failures = (last?.failures ?? 0) + 1;
    backOffs.set(hostName, {
      failures,
      until: new Date(now.getTime() + Math.min(longestBackoffMs, FIRST_BACKOFF_MS * 2 ** (failures - 1))),
    });
  }

  function isBackingOff(hostName: string, now: Date): boolean {
    const backOff = backOffs.get(hostName);
    return backOff !== undefined && backOff.until > now;
  }

  /** Clears earlier failures of a host: it has just handed out an instance. */
  function countSuccess(hostName: string): void {
    backOffs.delete(hostName);
  }

  /** All hosts with their standings. */
  function standings(now: Date): HostStanding[] {
    return [...facts.values()].map((host) => ({
      ...host,
      standing: standingOf(host, isBackingOff(host.host.name, now)),
    }));
  }

  /** All hosts there are, the slots of those that are active and healthy, and which of these are not free. */
  function room(): { readonly hosts: number; readonly capacity: number; readonly occupied: number } {
    return counted;
  }

  return { refresh, room, openHosts, isBlind, countTaken, countFull, backOff, countSuccess, standings };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
