import { createFleetCache } from "../../apps/core/fleet/fleet-cache.ts";
import type { Heartbeat, HostUse } from "../../apps/core/fleet/host.ts";
import { placementPolicies, type PlacementPolicy } from "../../apps/core/fleet/placement.ts";
import type { Bench, Outcome } from "./bench.ts";

const HOSTS = 10_000;
const SLOTS = 40;
const ROUNDS = 7;
/** Samples of a round, and choices in each: every one takes a slot, so that the next finds another fleet. */
const SAMPLES = 100;
const CHOICES = 50;
const HOUR_MS = 3_600_000;
const NOW = new Date("2026-01-01T00:00:00Z");
/** In use on each host: few instances, and as many as leave one slot in twenty free. */
const FEW = 1;
const MANY = 38;

/** Choosing the host of the next instance. */
export const choose: Bench = {
  name: "choose",
  measures: `choosing one of ${HOSTS} hosts and counting the instance, with ${HOSTS * MANY} instances there`,
  yardstick: `the same with ${HOSTS * FEW} instances`,
  goal: "< 20 us, flat in the number of instances",
  run,
};

async function run(): Promise<Outcome> {
  const figures = [];
  for (const policy of placementPolicies) {
    const few: number[][] = [];
    const many: number[][] = [];
    for (let round = -1; round < ROUNDS; round++) {
      const times = [await microseconds(policy, FEW), await microseconds(policy, MANY)] as const;
      if (round < 0) continue;
      few.push(times[0]);
      many.push(times[1]);
    }
    figures.push({
      what: policy,
      unit: "us",
      share: 0.5,
      rounds: many,
      yardstick: few,
      goal: { of: "value", atMost: 20 } as const,
    });
  }
  return { figures };
}

/** Of a choice, the mean of each sample, when each host has about so many instances. */
async function microseconds(policy: PlacementPolicy, inUse: number): Promise<number[]> {
  const hosts = Array.from({ length: HOSTS }, (_, index) => hostUse(index, inUse));
  const cache = createFleetCache(
    {
      listChanged: () => Promise.resolve({ hosts, gone: [], mark: { at: 0 } }),
      readHeartbeats: (names) =>
        Promise.resolve(new Map(names.map((name) => [name, { kind: "beat", beat: beatOf(name) }]))),
    },
    { livenessMaxAgeMs: HOUR_MS, backoffMs: 1_000, rereadMs: HOUR_MS, placement: policy },
  );
  // Heartbeats are read a share at a time.
  for (let second = 0; cache.room().capacity < HOSTS * SLOTS; second++)
    await cache.refresh(new Date(NOW.getTime() + second * 1000));
  const samples: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const begun = performance.now();
    for (let choice = 0; choice < CHOICES; choice++) {
      const expiresAt = new Date(NOW.getTime() + HOUR_MS + (choice % 97) * 60_000);
      const host = cache.openHosts(NOW, expiresAt).next().value;
      if (!host) throw new Error("no host is open");
      cache.countTaken(host.name, false, expiresAt);
    }
    samples.push(((performance.now() - begun) * 1000) / CHOICES);
  }
  return samples;
}

function hostUse(index: number, inUse: number): HostUse {
  const name = `host-${index}`;
  return {
    host: {
      name,
      engineUrl: `unix:///${name}`,
      deployment: "d",
      publicHost: "192.0.2.1",
      checkHost: "192.0.2.1",
      bindAddress: "0.0.0.0",
      capacity: SLOTS,
      basePort: 20_000,
      state: "active",
    },
    // Not all alike.
    inUse: inUse + (index % 2),
    occupied: inUse + (index % 2),
    warm: 0,
    lastExpiry: new Date(NOW.getTime() + (index % 1009) * 30_000),
    unreachableSince: null,
  };
}

function beatOf(name: string): Heartbeat {
  return {
    name,
    publicIp: "192.0.2.1",
    privateIp: "10.0.0.1",
    dockerPort: 2376,
    containers: 0,
    memAvailableMb: 1000,
    sentAt: "2026-01-01T00:00:00Z",
  };
}
