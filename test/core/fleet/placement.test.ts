import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { HostState, HeartbeatReading } from "../../../apps/core/fleet/host.ts";
import { busiestFirst } from "../../../apps/core/fleet/placement.ts";
import type { HostFacts } from "../../../apps/core/fleet/standing.ts";
import { hostNamed } from "./host-named.ts";

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
    lastExpiry: null,
    unreachableSince: null,
  };
};

const anyHeartbeat: fc.Arbitrary<HeartbeatReading | undefined> = fc.oneof(
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
    heartbeat: anyHeartbeat,
    occupied: fc.nat(6),
    idle: fc.nat(6),
  })
  .map(({ name, capacity, state, heartbeat, occupied, idle }) =>
    facts({ name, capacity, state, heartbeat, occupied, inUse: Math.max(0, occupied - idle) }),
  );

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
