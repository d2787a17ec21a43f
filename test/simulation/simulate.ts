import FlatQueue from "flatqueue";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { costOf } from "../../apps/core/fleet/droplet-costs.ts";
import { POOL_EVERY_MS, type Control } from "./control.ts";
import { DAY, type Demand } from "./demand.ts";
import { measured } from "./measured.ts";
import { InvariantBroken, type Droplet, type SimulatedHost, type World } from "./world.ts";

/** What came of a simulated fleet in the days that count. */
export type Outcome = {
  readonly asked: number;
  readonly handedOut: number;
  /** Of these, by an instance that was ready. */
  readonly warm: number;
  /** Refused because no host had room, and because the engine would have been too slow. */
  readonly refused: { readonly noRoom: number; readonly tooSlow: number };
  readonly dropletHours: number;
  readonly dollars: number;
  /** Hours of droplets that must be paid for: as many as the leases of each second fill, and the standby. */
  readonly leastHours: number;
  readonly ordered: number;
  readonly mostDroplets: number;
  readonly mostLeases: number;
  /** Empty hosts, on average. */
  readonly standbys: number;
  /** From POST to the answer, of those that got one. */
  readonly waitMs: { readonly p50: number; readonly p99: number; readonly most: number };
  /** Every so often: droplets that there were, and the fewest that the leases fit in. */
  readonly series: readonly { readonly atMs: number; readonly droplets: number; readonly least: number }[];
};

const SECOND = 1000;
const HANDOUT_TIMEOUT_MS = 30_000;
const NUDGE_MS = 5_000;
const ADMIT_EVERY_MS = 5_000;
const SAMPLE_EVERY_MS = 600_000;
const USUAL_TTL = 12 * 3_600_000;
const MOST_TTL = 24 * 3_600_000;

/** Events besides the arrivals and the regular runs: one of a kind, of a lease or a droplet. */
const LEASE_ENDS = 0;
const LEASE_IS_EXTENDED = 1;
const DROPLET_BEATS = 2;
const KINDS = 3;

/**
 * Runs a fleet through all of a demand, from event to event. The first day fills the fleet and does not count. After
 * the last day nobody comes any more, and the fleet must come to rest: one host, and it is empty.
 * @throws InvariantBroken when the fleet does what the design rules out
 */
export function simulate(demand: Demand, world: World, control: Control, standbys = 1): Outcome {
  const { count, arrivesAt, ttl, endsAfter, extendedAfter } = demand;
  const generator = xoroshiro128plus(demand.seed);
  const events = new FlatQueue();
  const countFrom = demand.days > 1 ? DAY : 0;
  const countTo = demand.days * DAY;

  const hostOf = new Array<SimulatedHost | undefined>(count);
  const expiresAt = new Float64Array(count);
  const usedUntil = new Float64Array(count);
  const latestEnd = new Float64Array(count);
  const waits = new Float32Array(count);
  /** Leases that begin less those that end, by second. */
  const change = new Int32Array(countTo / SECOND + 1);
  let waited = 0;
  let asked = 0;
  let noRoom = 0;
  let tooSlow = 0;
  let warm = 0;
  let running = 0;
  let emptyHosts = 0;
  let samples = 0;
  const droplets: { atMs: number; droplets: number }[] = [];
  const booting = new Map<number, Droplet>();
  const beating: Droplet[] = [];

  let next = 0;
  let scaleAt = 0;
  let nudgedAt = Infinity;
  let admitAt = 0;
  let poolAt = 0;
  let sampleAt = 0;

  function schedule(kind: number, subject: number, at: number): void {
    events.push(subject * KINDS + kind, at);
  }

  function note(at: number, by: number): void {
    const second = Math.floor(at / SECOND);
    if (second < change.length) change[second] = (change[second] ?? 0) + by;
  }

  function arrive(person: number, now: number): void {
    const counts = now >= countFrom;
    if (counts) asked++;
    const lifetime = ttl[person] ?? USUAL_TTL;
    const host = control.choose(now + lifetime, now);
    if (!host) {
      if (counts) noRoom++;
      return;
    }
    const isWarm = control.claim(host, now);
    const begins = Math.max(now, host.startsUntil);
    const ready = isWarm ? now + measured.warmHandoutMs : begins + measured.coldStartMs;
    if (ready - now > HANDOUT_TIMEOUT_MS) {
      if (counts) tooSlow++;
      return;
    }
    if (!isWarm) host.startsUntil = begins + measured.startSpacingMs;
    if (counts) waits[waited++] = ready - now;
    if (counts && isWarm) warm++;
    const end = ready + lifetime;
    expiresAt[person] = end;
    latestEnd[person] = now + MOST_TTL;
    hostOf[person] = host;
    world.take(host, person, end);
    control.changed(host);
    control.handedOut(now);
    if (control.isNudged && host.facts.inUse === 1 && world.standbys() === 0)
      nudgedAt = Math.min(nudgedAt, now + NUDGE_MS);
    running++;
    note(ready, 1);
    const extended = extendedAfter[person] ?? 1;
    const ended = endsAfter[person] ?? 1;
    if (extended < Math.min(1, ended)) schedule(LEASE_IS_EXTENDED, person, ready + extended * lifetime);
    if (ended < 1) endAt(person, ready + ended * lifetime, ready + ended * lifetime);
    else expire(person);
  }

  /** The reaper comes at full periods. */
  function expire(person: number): void {
    const end = expiresAt[person] ?? 0;
    endAt(person, end, Math.ceil(end / control.reapEveryMs) * control.reapEveryMs);
  }

  function endAt(person: number, used: number, seen: number): void {
    usedUntil[person] = used;
    schedule(LEASE_ENDS, person, seen + measured.removalMs);
  }

  function extend(person: number, now: number): void {
    const host = hostOf[person];
    if (!host) return;
    const end = Math.min(now + USUAL_TTL, latestEnd[person] ?? 0);
    if (end <= (expiresAt[person] ?? 0)) return;
    expiresAt[person] = end;
    world.extend(host, person, end);
    control.changed(host);
    // Its former end is met, and passed over.
    if ((endsAfter[person] ?? 1) === 1) expire(person);
  }

  function end(person: number, now: number): void {
    const host = hostOf[person];
    const used = usedUntil[person] ?? 0;
    if (!host || used > now) return;
    hostOf[person] = undefined;
    note(used, -1);
    world.free(host, person);
    control.changed(host);
    running--;
  }

  function order(droplet: Droplet, now: number): void {
    const { least, most } = measured.bootMs;
    booting.set(droplet.number, droplet);
    schedule(DROPLET_BEATS, droplet.number, now + least + uniformFloat64(generator) * (most - least));
  }

  function scale(now: number): void {
    scaleAt = Math.min(scaleAt, now) + (now >= scaleAt ? control.scaleEveryMs : 0);
    nudgedAt = Infinity;
    control.scale(now, (droplet) => order(droplet, now));
  }

  function sample(now: number): void {
    sampleAt = now + SAMPLE_EVERY_MS;
    if (now < countFrom || now >= countTo) return;
    droplets.push({ atMs: now, droplets: world.droplets.length });
    samples++;
    emptyHosts += world.standbys();
  }

  /** Once nobody comes any more: when all leases are over, and a surplus has had the time to go. */
  const restsAt = countTo + MOST_TTL + DAY / 4;
  for (;;) {
    const arrival = next < count ? (arrivesAt[next] ?? Infinity) : Infinity;
    const event = events.peekValue() ?? Infinity;
    const scaling = Math.min(scaleAt, nudgedAt);
    const now = Math.min(arrival, event, scaling, admitAt, poolAt, sampleAt);
    if (now > restsAt) break;
    if (now === event) {
      const id = events.pop() ?? 0;
      const subject = Math.floor(id / KINDS);
      const kind = id % KINDS;
      if (kind === LEASE_ENDS) end(subject, now);
      else if (kind === LEASE_IS_EXTENDED) extend(subject, now);
      else {
        const droplet = booting.get(subject);
        booting.delete(subject);
        if (droplet) beating.push(droplet);
      }
    } else if (now === arrival) arrive(next++, now);
    else if (now === admitAt) {
      admitAt = now + ADMIT_EVERY_MS;
      for (const droplet of beating.splice(0)) {
        const host = world.join(droplet, now);
        if (host) control.changed(host);
      }
    } else if (now === poolAt) {
      poolAt = now + POOL_EVERY_MS;
      control.keepWarm(now);
    } else if (now === scaling) scale(now);
    else sample(now);
  }
  if (running > 0) throw new InvariantBroken(`${running} leases never end`);
  checkRest(world, standbys);

  const { hours, dollars } = costOf(world.lives(), new Date(countFrom), new Date(countTo));
  const least = leastDroplets(change, world.slots, standbys);
  let leastHours = 0;
  let mostLeases = 0;
  for (let second = countFrom / SECOND; second < countTo / SECOND; second++) {
    leastHours += (least.droplets[second] ?? 0) / 3600;
    mostLeases = Math.max(mostLeases, least.leases[second] ?? 0);
  }
  const sorted = waits.subarray(0, waited).sort();
  const quantile = (share: number) => sorted[Math.min(waited - 1, Math.floor(share * waited))] ?? 0;
  return {
    asked,
    handedOut: waited,
    warm,
    refused: { noRoom, tooSlow },
    dropletHours: hours,
    dollars,
    leastHours,
    ordered: world.lives().length,
    mostDroplets: world.most(),
    mostLeases,
    standbys: emptyHosts / Math.max(1, samples),
    waitMs: { p50: quantile(0.5), p99: quantile(0.99), most: quantile(1) },
    series: droplets.map((each) => ({ ...each, least: least.droplets[each.atMs / SECOND] ?? 0 })),
  };
}

/** The droplets that the leases of each second fill, and those that are to be empty. */
function leastDroplets(change: Int32Array, slots: number, standbys: number) {
  const leases = new Int32Array(change.length);
  const droplets = new Int32Array(change.length);
  let sum = 0;
  for (let second = 0; second < change.length; second++) {
    sum += change[second] ?? 0;
    leases[second] = sum;
    droplets[second] = Math.ceil(sum / slots) + standbys;
  }
  return { leases, droplets };
}

function checkRest(world: World, standbys: number): void {
  const idle = world.droplets.filter(({ host, row }) => row.state === "joined" && host?.facts.host.state === "active");
  if (world.droplets.length !== standbys || idle.length !== standbys)
    throw new InvariantBroken(
      `at rest there are ${world.droplets.length} droplets, ${idle.length} of them ready, and ${standbys} wanted`,
    );
}
