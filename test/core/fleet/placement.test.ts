import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Host, HostState, HeartbeatReading } from "../../../apps/core/fleet/host.ts";
import { busiestFirst, standingOf, type HostFacts } from "../../../apps/core/fleet/placement.ts";

const now = new Date("2026-01-01T00:00:00Z");
const soon = new Date(now.getTime() + 1);

const hostNamed = (name: string, capacity: number, state: HostState): Host => ({
  name,
  engineUrl: `unix:///${name}`,
  deployment: "d",
  publicHost: "192.0.2.1",
  checkHost: "192.0.2.1",
  bindAddress: "0.0.0.0",
  capacity,
  basePort: 20_000,
  state,
});

const beating = (containers: number | null): HeartbeatReading => ({
  kind: "beat",
  beat: {
    name: "any",
    publicIp: "",
    privateIp: "",
    dockerPort: 0,
    containers,
    memAvailableMb: 1,
    sentAt: "2026-01-01T00:00:00Z",
  },
});

const facts = (
  over: {
    name?: string;
    capacity?: number;
    state?: HostState;
    heartbeat?: HeartbeatReading | undefined;
    inUse?: number;
    occupied?: number;
  } = {},
): HostFacts => {
  const { name = "a", capacity = 4, state = "active", inUse = 0, occupied = inUse } = over;
  return {
    host: hostNamed(name, capacity, state),
    heartbeat: "heartbeat" in over ? over.heartbeat : beating(0),
    inUse,
    occupied,
  };
};

const anyPulse: fc.Arbitrary<HeartbeatReading | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.constant({ kind: "refused", reason: "any" } as const),
  fc.constant(beating(null)),
  fc.nat(50).map(beating),
);
const anyFacts: fc.Arbitrary<HostFacts> = fc
  .record({
    name: fc.stringMatching(/^[a-c]{1,3}$/),
    capacity: fc.integer({ min: 1, max: 5 }),
    state: fc.constantFrom<HostState>("active", "cordoned", "draining"),
    heartbeat: anyPulse,
    occupied: fc.nat(6),
    idle: fc.nat(6),
  })
  .map(({ name, capacity, state, heartbeat, occupied, idle }) =>
    facts({ name, capacity, state, heartbeat, occupied, inUse: Math.max(0, occupied - idle) }),
  );

describe("standingOf", () => {
  it("calls a live, active host with a free slot open", () => {
    assert.equal(standingOf(facts({ inUse: 3 }), undefined, now), "open");
  });

  it("calls a host full when its last slot is taken", () => {
    assert.equal(standingOf(facts({ inUse: 4 }), undefined, now), "full");
  });

  it("counts slots whose container is not yet gone as taken", () => {
    assert.equal(standingOf(facts({ inUse: 0, occupied: 4 }), undefined, now), "full");
  });

  it("passes over a host that rests, until the rest is over", () => {
    assert.equal(standingOf(facts(), soon, now), "resting");
    assert.equal(standingOf(facts(), now, now), "open");
  });

  it("tells silence, a refused beat and a silent engine apart", () => {
    assert.equal(standingOf(facts({ heartbeat: undefined }), undefined, now), "silent");
    assert.equal(
      standingOf(facts({ heartbeat: { kind: "refused", reason: "not JSON" } }), undefined, now),
      "heartbeat-refused",
    );
    assert.equal(standingOf(facts({ heartbeat: beating(null) }), undefined, now), "engine-silent");
  });

  it("names the operator's wish before anything else", () => {
    assert.equal(standingOf(facts({ state: "cordoned", heartbeat: undefined }), soon, now), "cordoned");
    assert.equal(standingOf(facts({ state: "draining", inUse: 4 }), undefined, now), "draining");
  });

  it("never opens a host that is full, closed, resting or not surely alive", () => {
    fc.assert(
      fc.property(anyFacts, fc.constantFrom(undefined, now, soon), (host, backoffUntil) => {
        const mayOpen =
          host.host.state === "active" &&
          host.heartbeat?.kind === "beat" &&
          host.heartbeat.beat.containers !== null &&
          host.occupied < host.host.capacity &&
          backoffUntil !== soon;
        assert.equal(standingOf(host, backoffUntil, now) === "open", mayOpen);
      }),
    );
  });
});

describe("busiestFirst", () => {
  it("puts the host with the most instances in use first, ties by name", () => {
    const order = [facts({ name: "c", inUse: 1 }), facts({ name: "b", inUse: 3 }), facts({ name: "a", inUse: 1 })].sort(
      busiestFirst,
    );
    assert.deepEqual(
      order.map(({ host }) => host.name),
      ["b", "a", "c"],
    );
  });

  it("orders by use alone: what waits for removal does not make a host busier", () => {
    const order = [facts({ name: "a", inUse: 0, occupied: 3 }), facts({ name: "b", inUse: 1 })].sort(busiestFirst);
    assert.deepEqual(
      order.map(({ host }) => host.name),
      ["b", "a"],
    );
  });

  it("gives one order for any hosts in whatever order they come, so that all replicas fill the same", () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyFacts, { selector: ({ host }) => host.name }), (hosts) => {
        const order = [...hosts].sort(busiestFirst);
        assert.deepEqual([...hosts].reverse().sort(busiestFirst), order);
        for (const [index, next] of order.slice(1).entries()) {
          const host = order[index];
          assert.ok(
            host && (host.inUse > next.inUse || (host.inUse === next.inUse && host.host.name < next.host.name)),
          );
        }
      }),
    );
  });
});
