import type { Hosts, HostsMark, ReadHeartbeats } from "./contract.ts";
import { heartbeatsDue, type KnownHeartbeat } from "./heartbeats-due.ts";
import type { Host, HostUse } from "./host.ts";
import { createPlacementIndex, type PlacementIndex } from "./placement-index.ts";
import { isCloseEnough, type PlacementPolicy } from "./placement.ts";
import { isHealthy, standingOf, type HostFacts, type Standing } from "./standing.ts";

/** What the cache reads. */
export type FleetPorts = {
  readonly listChanged: Hosts["listChanged"];
  readonly readHeartbeats: ReadHeartbeats;
};

/** How fresh the cache is to be, and which of the open hosts is tried first. Times in milliseconds. */
export type FleetCacheRules = {
  /** Age at which heartbeats read earlier count for nothing. */
  readonly livenessMaxAgeMs: number;
  /** How long at most a host that fails again and again is passed over. */
  readonly backoffMs: number;
  /** Time after which all hosts are read, whether or not they have changed. */
  readonly rereadMs: number;
  readonly placement: PlacementPolicy;
};

/** A host with its standing, as the dashboard and the metrics show it. */
export type HostStanding = HostFacts & { readonly standing: Standing };

const FIRST_BACKOFF_MS = 1_000;
/** Of so many hosts that get the next instances, heartbeats are read each time. */
const NEXT_HOSTS = 32;

/** The fleet as this process last read it, kept ready so that no request waits for a scan. */
export type FleetCache = ReturnType<typeof createFleetCache>;

/** An empty cache; {@link FleetCache.refresh} fills it. */
export function createFleetCache(ports: FleetPorts, rules: FleetCacheRules) {
  const { livenessMaxAgeMs, backoffMs, rereadMs, placement } = rules;
  const facts = new Map<string, HostFacts>();
  /** Of all hosts, the oldest reading first. */
  const heartbeats = new Map<string, KnownHeartbeat | undefined>();
  /** The hosts that are open or full, back-off aside. */
  const open = createPlacementIndex(placement);
  /** The open ones that are in use and have warm instances. */
  const openWarm = createPlacementIndex(placement, open.freeShare);
  /** Hosts of which more is known than was read: they are read next, changed or not. */
  const doubtful = new Set<string>();
  /** Kept up with each change, so that no request counts all hosts. */
  const counted = { hosts: 0, capacity: 0, occupied: 0 };
  let mark: HostsMark | undefined;
  let allReadAt: Date | undefined;
  let heartbeatsReadAt: Date | undefined;
  const backOffs = new Map<string, { readonly failures: number; readonly until: Date }>();

  /**
   * Reads what has changed: hosts in the store, and heartbeats as {@link heartbeatsDue} says. What it costs does not
   * grow with the fleet but with what happens in it, and with a small share of its heartbeats. When Redis does not
   * answer, the last heartbeats are kept and grow old: which hosts are alive is unknown then, and none counts as
   * silent.
   * @throws Unavailable when MySQL or Redis does not answer
   */
  async function refresh(now: Date): Promise<void> {
    await readHosts(now);
    await readBeats(now);
  }

  async function readHosts(now: Date): Promise<void> {
    const isAll = allReadAt === undefined || now.getTime() - allReadAt.getTime() >= rereadMs;
    const named = [...doubtful];
    const changes = await ports.listChanged(isAll ? undefined : mark, named);
    mark = changes.mark;
    if (isAll) {
      allReadAt = now;
      const present = new Set(changes.hosts.map(({ host }) => host.name));
      for (const name of facts.keys()) if (!present.has(name)) forget(name);
    }
    for (const name of named) doubtful.delete(name);
    for (const name of changes.gone) forget(name);
    for (const use of changes.hosts) show(use);
  }

  async function readBeats(now: Date): Promise<void> {
    const sinceMs = heartbeatsReadAt === undefined ? livenessMaxAgeMs : now.getTime() - heartbeatsReadAt.getTime();
    const due = heartbeatsDue(heartbeats, nextHosts(now), now, { sinceMs, maxAgeMs: livenessMaxAgeMs });
    const read = await ports.readHeartbeats(due);
    heartbeatsReadAt = now;
    for (const name of due) {
      // To the end of the order.
      heartbeats.delete(name);
      heartbeats.set(name, { reading: read.get(name), readAt: now });
      const host = facts.get(name);
      if (host) put({ ...host, heartbeat: read.get(name) });
    }
  }

  /** Names of the hosts that get the next instances. */
  function nextHosts(now: Date): string[] {
    const names: string[] = [];
    for (const { host } of open.inOrder(now)) {
      if (names.length === NEXT_HOSTS) break;
      names.push(host.name);
    }
    return names;
  }

  function show(use: HostUse): void {
    const { name } = use.host;
    if (!heartbeats.has(name)) heartbeats.set(name, undefined);
    put({ ...use, heartbeat: heartbeats.get(name)?.reading });
  }

  function put(host: HostFacts): void {
    const { name } = host.host;
    count(facts.get(name), -1);
    count(host, 1);
    facts.set(name, host);
    const standing = standingOf(host, false);
    if (standing === "open" || standing === "full") open.put(host, standing === "open");
    else open.remove(name);
    if (standing === "open" && host.inUse > 0 && host.warm > 0) openWarm.put(host, true);
    else openWarm.remove(name);
  }

  function forget(name: string): void {
    count(facts.get(name), -1);
    facts.delete(name);
    heartbeats.delete(name);
    open.remove(name);
    openWarm.remove(name);
  }

  function count(host: HostFacts | undefined, times: 1 | -1): void {
    if (!host) return;
    counted.hosts += times;
    if (host.host.state !== "active" || !isHealthy(host)) return;
    counted.capacity += times * host.host.capacity;
    // A host whose capacity was lowered may have more.
    counted.occupied += times * Math.min(host.occupied - host.warm, host.host.capacity);
  }

  /**
   * The host that gets the next instance: the first open one, unless that has none ready and another one has that is
   * in use and as good. A warm instance on an empty host is left there while others have room: it would cost another
   * droplet.
   * @param expiresAt end of the lease
   */
  function nextHost(now: Date, expiresAt: Date = now): Host | undefined {
    const first = openHosts(now, expiresAt).next().value;
    if (!first || (facts.get(first.name)?.warm ?? 0) > 0) return first;
    const ready = hostsIn(openWarm, now, expiresAt).next().value;
    const known = ready && facts.get(ready.name);
    return known && isCloseEnough(placement, known, { expiresAt, freeShare: open.freeShare() }) ? ready : first;
  }

  /**
   * Hosts that take an instance now, in the order to try them for a lease that ends at `expiresAt`. Evaluated
   * lazily: the first is found at once.
   */
  function openHosts(now: Date, expiresAt: Date = now): Generator<Host, undefined> {
    return hostsIn(open, now, expiresAt);
  }

  function* hostsIn(index: PlacementIndex, now: Date, expiresAt: Date): Generator<Host, undefined> {
    if (isBlind(now)) return undefined;
    for (const {
      host: { name },
    } of index.inOrder(expiresAt)) {
      const host = facts.get(name)?.host;
      if (host && !isBackingOff(name, now) && isSeen(name, now)) yield host;
    }
    return undefined;
  }

  /** Whether the heartbeats are too old to tell which hosts are alive. */
  function isBlind(now: Date): boolean {
    return heartbeatsReadAt === undefined || now.getTime() - heartbeatsReadAt.getTime() > livenessMaxAgeMs;
  }

  /** Whether the heartbeat of a host was read lately enough. */
  function isSeen(hostName: string, now: Date): boolean {
    const readAt = heartbeats.get(hostName)?.readAt;
    return readAt !== undefined && now.getTime() - readAt.getTime() <= livenessMaxAgeMs;
  }

  /**
   * Counts an instance just placed on a host, whose lease ends at `expiresAt`, ahead of the next refresh: a warm one
   * held its slot already. Returns whether the host was empty before, a standby.
   */
  function countTaken(hostName: string, wasWarm: boolean, expiresAt?: Date): boolean {
    const host = facts.get(hostName);
    if (!host) return false;
    // It may be over before the next reading: then nothing has changed since the last one.
    doubtful.add(hostName);
    put({
      ...host,
      inUse: host.inUse + 1,
      occupied: host.occupied + (wasWarm ? 0 : 1),
      warm: Math.max(0, host.warm - (wasWarm ? 1 : 0)),
      lastExpiry: expiresAt && expiresAt > (host.lastExpiry ?? 0) ? expiresAt : host.lastExpiry,
    });
    return host.inUse === 0;
  }

  /** Counts a host as full until the next refresh. */
  function countFull(hostName: string): void {
    const host = facts.get(hostName);
    if (!host) return;
    put({ ...host, occupied: host.host.capacity, warm: 0 });
    doubtful.add(hostName);
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
      until: new Date(now.getTime() + Math.min(backoffMs, FIRST_BACKOFF_MS * 2 ** (failures - 1))),
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

  /**
   * All hosts with their standings: those that take instances in the order of placement for a lease that ends at
   * `expiresAt`, then the others.
   */
  function inPlacementOrder(now: Date, expiresAt: Date): HostStanding[] {
    const ranked = new Set([...open.inOrder(expiresAt)].map(({ host }) => host.name));
    const all = new Map(standings(now).map((host) => [host.host.name, host]));
    return [...ranked, ...[...all.keys()].filter((name) => !ranked.has(name))].flatMap((name) => all.get(name) ?? []);
  }

  /** All hosts there are, the slots of those that are active and healthy, and which of these are not free. */
  function room(): { readonly hosts: number; readonly capacity: number; readonly occupied: number } {
    return counted;
  }

  return {
    refresh,
    room,
    nextHost,
    openHosts,
    inPlacementOrder,
    isBlind,
    countTaken,
    countFull,
    backOff,
    countSuccess,
    standings,
  };
}
