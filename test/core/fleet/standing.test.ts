import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { CloudDroplet } from "../../../apps/core/fleet/cloud.ts";
import type { DropletFacts, DropletRow, FleetSnapshot } from "../../../apps/core/fleet/droplets.ts";
import { createFleetCache } from "../../../apps/core/fleet/fleet-cache.ts";
import type { HeartbeatReading, HostState, HostUse } from "../../../apps/core/fleet/host.ts";
import { decideScaling, type ScalingRules } from "../../../apps/core/fleet/scaling.ts";
import { isHealthy, isStandby, standingOf, type HostFacts } from "../../../apps/core/fleet/standing.ts";
import { readOverview, type OverviewPorts } from "../../../apps/core/operator/fleet-overview.ts";
import { drawFleet } from "../../../infra/lab/drawing.ts";
import { hostNamed } from "./host-named.ts";

const now = new Date("2026-01-01T00:00:00Z");
const MINUTE_MS = 60_000;
const before = (ms: number) => new Date(now.getTime() - ms);

const reading = (containers: number | null): HeartbeatReading => ({
  kind: "beat",
  beat: {
    name: "a",
    publicIp: "",
    privateIp: "",
    dockerPort: 0,
    containers,
    memAvailableMb: 1,
    sentAt: "2026-01-01T00:00:00Z",
  },
});

type Over = Partial<Omit<HostFacts, "host">> & { readonly capacity?: number; readonly state?: HostState };

function facts({ capacity = 4, state = "active", inUse = 0, ...over }: Over = {}): HostFacts {
  return {
    host: hostNamed("a", capacity, state),
    heartbeat: "heartbeat" in over ? over.heartbeat : reading(0),
    inUse,
    occupied: over.occupied ?? inUse,
    lastExpiry: null,
    warm: over.warm ?? 0,
    unreachableSince: over.unreachableSince ?? null,
  };
}

/** The standing of this host, as one part of the product sees it. */
async function seenBy(host: HostFacts) {
  const use: HostUse = host;
  const fleet = createFleetCache(
    {
      listChanged: () => Promise.resolve({ hosts: [use], gone: [], mark: { at: 0 } }),
      readHeartbeats: () => Promise.resolve(new Map(host.heartbeat ? [["a", host.heartbeat]] : [])),
    },
    { livenessMaxAgeMs: 10_000, backoffMs: 15_000, rereadMs: 60_000, placement: "busiest-first" },
  );
  await fleet.refresh(now);
  const overview = await readOverview({ fleet, store: overviewStore, rules: overviewRules }, now);
  return {
    takesInstances: [...fleet.openHosts(now)].length === 1,
    shownAsStandby: overview.hosts[0]?.isStandby,
    shownAs: overview.hosts[0]?.standing,
    wantsAnother: decideScaling(snapshotOf(host), rules, now).some(({ kind }) => kind === "order"),
    drawn: drawFleet([row], [host]),
  };
}

const overviewRules = { isFleet: true, standbys: 1, cap: 5, bootTimeoutSeconds: 600 };
const overviewStore: OverviewPorts["store"] = {
  slots: { listTaken: () => Promise.resolve([]) },
  hosts: { listFirstSeen: () => Promise.resolve(new Map([["a", now]])) },
  droplets: { listLives: () => Promise.resolve([]) },
  destroyRequests: { list: () => Promise.resolve(new Map()) },
  switches: { list: () => Promise.resolve([]) },
  runs: { list: () => Promise.resolve([]) },
  history: { countHandouts: () => Promise.resolve({ running: 0, startedEver: 0 }) },
};

const rules: ScalingRules = {
  standbys: 1,
  ordersPerRun: 10,
  cap: 5,
  sizes: ["s"],
  surplusMs: 0,
  bootTimeoutMs: MINUTE_MS,
  settleMs: MINUTE_MS,
  backoffMs: MINUTE_MS,
  orphanAgeMs: MINUTE_MS,
  silentReplaceMs: MINUTE_MS,
  silentGraceMs: 60 * MINUTE_MS,
};
const row: DropletRow = {
  name: "a",
  state: "joined",
  dropletId: 1,
  orderedAt: before(60 * MINUTE_MS),
  joinedAt: before(50 * MINUTE_MS),
  idleSince: null,
  // Long enough to be replaced, and not so long that it is destroyed.
  unhealthySince: before(2 * MINUTE_MS),
};
const droplet: CloudDroplet = {
  id: 1,
  name: "a",
  status: "active",
  publicIp: "192.0.2.1",
  privateIp: "10.0.0.1",
  createdAt: before(60 * MINUTE_MS),
  region: "r",
  size: "s",
  memoryMb: 2048,
  hourlyPrice: 0.01,
};

function snapshotOf(host: HostFacts): FleetSnapshot {
  const facts: DropletFacts = { row, host, cloud: droplet };
  return {
    droplets: [facts],
    untracked: [],
    arrivalsPerSecond: 0,
    failures: { inARow: 0, outOfStock: 0, lastAt: null },
    operator: { isPaused: false, destroyRequests: new Map() },
  };
}

const anyFacts: fc.Arbitrary<HostFacts> = fc
  .record({
    capacity: fc.integer({ min: 1, max: 4 }),
    state: fc.constantFrom<HostState>("active", "cordoned", "draining"),
    heartbeat: fc.oneof(
      fc.constant(undefined),
      fc.constant({ kind: "refused", reason: "any" } as const),
      fc.constant(reading(null)),
      fc.nat(50).map(reading),
    ),
    unreachableSince: fc.option(fc.constant(before(MINUTE_MS))),
    occupied: fc.nat(4),
    ending: fc.nat(4),
    warm: fc.nat(4),
  })
  .map(({ occupied, ending, capacity, ...rest }) => {
    const taken = Math.min(occupied, capacity);
    const warm = Math.min(rest.warm, taken);
    return facts({ ...rest, capacity, occupied: taken, warm, inUse: Math.max(0, taken - warm - ending) });
  });

describe("standing of a host", () => {
  it("is out of reach for hand-outs as for scaling while its engine does not answer us", async () => {
    const seen = await seenBy(facts({ unreachableSince: before(MINUTE_MS) }));
    assert.deepEqual([seen.takesInstances, seen.wantsAnother], [false, true]);
  });

  it("is no standby on the dashboard while scaling orders one in its place", async () => {
    const seen = await seenBy(facts({ unreachableSince: before(MINUTE_MS) }));
    assert.deepEqual([seen.shownAsStandby, seen.shownAs, seen.wantsAnother], [false, "unreachable", true]);
  });

  it("is no standby on the dashboard while its slots still hold containers of ended leases", async () => {
    const seen = await seenBy(facts({ capacity: 2, inUse: 0, occupied: 2 }));
    assert.deepEqual([seen.shownAsStandby, seen.takesInstances], [false, false]);
  });

  it("is no standby in the lab's drawing while it is silent, or its engine is", async () => {
    assert.equal((await seenBy(facts({ heartbeat: undefined }))).drawn, "#a □□□□ silent");
    assert.equal((await seenBy(facts({ heartbeat: reading(null) }))).drawn, "#a □□□□ engine-silent");
    assert.equal((await seenBy(facts())).drawn, "#a □□□□ standby");
  });

  it("is one for placement, scaling, dashboard and lab, whatever is known of the host", async () => {
    await fc.assert(
      fc.asyncProperty(anyFacts, async (host) => {
        const seen = await seenBy(host);
        const standby = isStandby(host);
        assert.equal(seen.takesInstances, standingOf(host, false) === "open", "placement");
        assert.equal(seen.shownAs, standingOf(host, false), "dashboard");
        assert.equal(seen.shownAsStandby, standby, "dashboard's standby");
        assert.equal(seen.drawn.endsWith(" standby"), standby, "lab");
        assert.equal(standby && !seen.takesInstances, false, "a standby takes instances");
        assert.equal(seen.wantsAnother, !standby, "scaling");
      }),
    );
  });

  it("is healthy as long as heartbeat and engine are, open to hand-outs or not", () => {
    assert.equal(isHealthy(facts({ state: "cordoned", inUse: 4 })), true);
    assert.equal(isHealthy(facts({ heartbeat: undefined })), false);
    assert.equal(isHealthy(facts({ heartbeat: reading(null) })), false);
    assert.equal(isHealthy(facts({ heartbeat: { kind: "refused", reason: "any" } })), false);
    assert.equal(isHealthy(facts({ unreachableSince: now })), false);
  });

  it("calls a live, active host with a free slot open, and full when its last slot is taken", () => {
    assert.equal(standingOf(facts({ inUse: 3 }), false), "open");
    assert.equal(standingOf(facts({ inUse: 4 }), false), "full");
  });

  it("counts slots whose container is not yet gone as taken, and those of warm instances as free", () => {
    assert.equal(standingOf(facts({ inUse: 0, occupied: 4 }), false), "full");
    assert.equal(standingOf(facts({ inUse: 3, occupied: 4, warm: 1 }), false), "open");
    assert.equal(standingOf(facts({ inUse: 3, occupied: 4, warm: 0 }), false), "full");
  });

  it("tells silence, a refused heartbeat and a silent engine apart", () => {
    assert.equal(standingOf(facts({ heartbeat: undefined }), false), "silent");
    assert.equal(standingOf(facts({ heartbeat: { kind: "refused", reason: "not JSON" } }), false), "heartbeat-refused");
    assert.equal(standingOf(facts({ heartbeat: reading(null) }), false), "engine-silent");
  });

  it("names what the operator has decided before anything else", () => {
    assert.equal(standingOf(facts({ state: "cordoned", heartbeat: undefined }), true), "cordoned");
    assert.equal(standingOf(facts({ state: "draining", inUse: 4 }), false), "draining");
  });

  it("is never open for a host that is full, closed, backing off or not surely alive", () => {
    fc.assert(
      fc.property(anyFacts, fc.boolean(), (host, isBackingOff) => {
        const mayOpen =
          host.host.state === "active" &&
          host.heartbeat?.kind === "beat" &&
          host.heartbeat.beat.containers !== null &&
          host.unreachableSince === null &&
          // Warm instances make room for a hand-out.
          host.occupied - host.warm < host.host.capacity &&
          !isBackingOff;
        assert.equal(standingOf(host, isBackingOff) === "open", mayOpen);
      }),
    );
  });

  it("names what is wrong with a host before what merely fills it", () => {
    assert.equal(standingOf(facts({ inUse: 4, unreachableSince: now }), false), "unreachable");
    assert.equal(standingOf(facts({ inUse: 4 }), true), "backing-off");
    assert.equal(standingOf(facts({ inUse: 4 }), false), "full");
    assert.equal(standingOf(facts({ state: "draining", heartbeat: undefined }), false), "draining");
  });
});
