import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { HostState, HeartbeatReading } from "../../../apps/core/fleet/host.ts";
import {
  busiestFirst,
  closestExpiry,
  FEW_FREE,
  firstFit,
  isCloseEnough,
  leastGrowth,
  orderOf,
  placementPolicies,
} from "../../../apps/core/fleet/placement.ts";
import { createPlacementIndex } from "../../../apps/core/fleet/placement-index.ts";
import type { HostFacts } from "../../../apps/core/fleet/standing.ts";
import { hostNamed } from "./host-named.ts";

/** So many hours from now. */
const at = (hours: number) => new Date(Date.parse("2026-01-01T00:00:00Z") + hours * 3_600_000);

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
    lastExpiry?: Date | null;
  } = {},
): HostFacts => {
  const { name = "a", capacity = 4, state = "active", inUse = 0, occupied = inUse, lastExpiry = null } = over;
  return {
    host: hostNamed(name, capacity, state),
    heartbeat: "heartbeat" in over ? over.heartbeat : beating(0),
    inUse,
    occupied,
    lastExpiry,
    warm: 0,
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
    lastExpiry: fc.option(fc.integer({ min: -2, max: 6 }).map(at)),
  })
  .map(({ idle, ...host }) => facts({ ...host, inUse: Math.max(0, host.occupied - idle) }));
const namesOf = (hosts: readonly { readonly host: { readonly name: string } }[]) => hosts.map(({ host }) => host.name);

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

describe("firstFit", () => {
  it("puts the oldest host first, whatever its use: droplets are numbered as they are ordered", () => {
    const hosts = [facts({ name: "gar-10", inUse: 3 }), facts({ name: "gar-9" }), facts({ name: "gar-11", inUse: 4 })];
    assert.deepEqual(namesOf(hosts.sort(firstFit)), ["gar-9", "gar-10", "gar-11"]);
  });
});

describe("leastGrowth", () => {
  const choose = (hosts: readonly HostFacts[], hours: number) => namesOf([...hosts].sort(leastGrowth(at(hours))));

  it("puts a lease where it does not outlast the others, on the busiest of these hosts", () => {
    const hosts = [
      facts({ name: "busy-but-short", inUse: 3, lastExpiry: at(1) }),
      facts({ name: "long", inUse: 1, lastExpiry: at(12) }),
      facts({ name: "long-and-busier", inUse: 2, lastExpiry: at(2) }),
    ];
    assert.deepEqual(choose(hosts, 2), ["long-and-busier", "long", "busy-but-short"], "its end is no growth yet");
  });

  it("puts a lease that outlasts all on the host that it keeps least longer, and on an empty one last", () => {
    const hosts = [
      facts({ name: "standby" }),
      facts({ name: "soon", inUse: 3, lastExpiry: at(1) }),
      facts({ name: "late", inUse: 1, lastExpiry: at(3) }),
      facts({ name: "overdue", inUse: 1, lastExpiry: at(-1) }),
    ];
    assert.deepEqual(choose(hosts, 12), ["late", "soon", "overdue", "standby"]);
  });

  it("prefers a host whose first lease is still on its way to an empty one", () => {
    const hosts = [facts({ name: "empty" }), facts({ name: "starting", inUse: 1 })];
    assert.deepEqual(choose(hosts, 1), ["starting", "empty"]);
  });

  it("puts it on the busiest where two are kept longer by the same, and then by name", () => {
    const hosts = [
      facts({ name: "c", inUse: 1, lastExpiry: at(1) }),
      facts({ name: "b", inUse: 2, lastExpiry: at(1) }),
      facts({ name: "a", inUse: 1, lastExpiry: at(1) }),
    ];
    assert.deepEqual(choose(hosts, 2), ["b", "a", "c"]);
    assert.deepEqual(choose(hosts, 1), ["b", "a", "c"]);
  });
});

describe("closestExpiry", () => {
  const choose = (hosts: readonly HostFacts[], hours: number) => namesOf([...hosts].sort(closestExpiry(at(hours))));

  it("puts a lease with those that end when it ends, rather on a host that is needed longer anyway", () => {
    const hosts = [
      facts({ name: "far", inUse: 3, lastExpiry: at(24) }),
      facts({ name: "before", inUse: 2, lastExpiry: at(11) }),
      facts({ name: "after", inUse: 1, lastExpiry: at(14) }),
    ];
    assert.deepEqual(choose(hosts, 12), ["after", "before", "far"], "2 h at a fifth, 1 h, 12 h at a fifth");
  });

  it("prefers an empty host to one that is two hours off, and to one whose first lease is on its way", () => {
    const hosts = [
      facts({ name: "far", inUse: 3, lastExpiry: at(9) }),
      facts({ name: "starting", inUse: 1 }),
      facts({ name: "empty" }),
      facts({ name: "near", inUse: 1, lastExpiry: at(11) }),
    ];
    assert.deepEqual(choose(hosts, 12), ["near", "empty", "far", "starting"]);
  });

  it("puts it on the busiest of those that end together, and then by name", () => {
    const hosts = [2, 3, 2].map((inUse, index) =>
      facts({ name: ["b", "c", "a"][index] ?? "", inUse, lastExpiry: at(1) }),
    );
    assert.deepEqual(choose(hosts, 1), ["c", "a", "b"]);
  });
});

describe("expiry-aware placement", () => {
  it("keeps leases apart by their ends while few slots are free, and fills free ones once there are more", () => {
    const hosts = [facts({ name: "long", inUse: 1, lastExpiry: at(24) }), facts({ name: "empty" })];
    const chosenAt = (freeShare: number) =>
      namesOf(hosts.toSorted(orderOf("expiry-aware", { expiresAt: at(1), freeShare })))[0];
    assert.equal(chosenAt(FEW_FREE - 0.01), "empty");
    assert.equal(chosenAt(FEW_FREE), "long");
  });
});

describe("a host with a warm instance", () => {
  const soon = facts({ name: "a", inUse: 1, lastExpiry: at(1) });
  const late = facts({ name: "b", inUse: 1, lastExpiry: at(24) });
  const isGood = (host: HostFacts, hours: number, freeShare = 0) =>
    isCloseEnough("expiry-aware", host, { expiresAt: at(hours), freeShare });

  it("is as good as any other where expiries do not decide", () => {
    for (const policy of ["busiest-first", "first-fit"] as const)
      assert.ok(isCloseEnough(policy, soon, { expiresAt: at(12), freeShare: 0 }));
  });

  it("is not as good when the lease would keep it for hours longer", () => {
    assert.deepEqual([isGood(soon, 2), isGood(soon, 3), isGood(soon, 3, 0.5)], [true, false, false]);
  });

  it("is not as good when it outlasts the lease by far, unless there is free room to be filled", () => {
    assert.deepEqual([isGood(late, 20), isGood(late, 1), isGood(late, 1, 0.5)], [true, false, true]);
  });
});

const hosts = fc.uniqueArray(anyFacts, { selector: ({ host }) => host.name, maxLength: 20 });
const expiry = fc.integer({ min: -3, max: 7 }).map(at);

for (const policy of placementPolicies) {
  describe(`the placement ${policy}`, () => {
    it("is one order for any hosts in whatever order they come, so that all replicas fill the same", () => {
      fc.assert(
        fc.property(hosts, expiry, fc.constantFrom(0, 0.5), (some, expiresAt, freeShare) => {
          const order = orderOf(policy, { expiresAt, freeShare });
          assert.deepEqual([...some].reverse().sort(order), [...some].sort(order));
          for (const a of some)
            for (const b of some) {
              assert.equal(Math.sign(order(a, b)), -Math.sign(order(b, a)) || 0);
              assert.equal(order(a, b) === 0, a === b);
              for (const c of some) if (order(a, b) < 0 && order(b, c) < 0) assert.ok(order(a, c) < 0);
            }
        }),
      );
    });

    it("finds the hosts in its order, however they came, changed and went, and however full they are", () => {
      const change = fc.record({
        host: fc.oneof(anyFacts, fc.constantFrom("w", "x", "y", "z").map(full)),
        standing: fc.constantFrom("open", "full", "closed"),
        expiresAt: expiry,
      });
      const isFew = new Set<boolean>();
      fc.assert(
        fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
          const index = createPlacementIndex(policy);
          const counted = new Map<string, HostFacts>();
          const open = new Map<string, HostFacts>();
          for (const { host, standing, expiresAt } of changes) {
            const { name } = host.host;
            open.delete(name);
            counted.delete(name);
            if (standing === "open") open.set(name, host);
            if (standing === "closed") index.remove(name);
            else {
              counted.set(name, host);
              index.put(host, standing === "open");
            }
            const freeShare = freeShareOf([...counted.values()]);
            isFew.add(freeShare < FEW_FREE);
            assert.ok(Math.abs(index.freeShare() - freeShare) < 1e-9);
            assert.deepEqual(
              namesOf([...index.inOrder(expiresAt)]),
              namesOf([...open.values()].sort(orderOf(policy, { expiresAt, freeShare }))),
            );
          }
        }),
      );
      assert.equal(isFew.size, 2, "fleets of both kinds were tried");
    });
  });
}

/** A host that makes a fleet full. */
function full(name: string): HostFacts {
  return facts({ name, capacity: 100, inUse: 100, lastExpiry: at(name.length) });
}

function freeShareOf(hosts: readonly HostFacts[]): number {
  const used = hosts.filter(({ inUse }) => inUse > 0);
  const all = used.reduce((sum, { host }) => sum + host.capacity, 0);
  const free = used.reduce((sum, { host, occupied }) => sum + Math.max(0, host.capacity - occupied), 0);
  return all === 0 ? 0 : free / all;
}
