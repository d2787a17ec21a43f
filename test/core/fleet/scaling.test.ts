import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { CloudDroplet } from "../../../apps/core/fleet/cloud.ts";
import type { DropletFacts, DropletRow, DropletState, FleetSnapshot } from "../../../apps/core/fleet/droplets.ts";
import type { HostState, HeartbeatReading } from "../../../apps/core/fleet/host.ts";
import {
  changedTimers,
  decideScaling,
  type ScalingAction,
  type ScalingRules,
} from "../../../apps/core/fleet/scaling.ts";

const now = new Date("2026-01-01T12:00:00Z");
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);
const rules: ScalingRules = {
  standbys: 1,
  cap: 5,
  ordersPerRun: 3,
  sizes: ["small", "large"],
  surplusMs: 300_000,
  bootTimeoutMs: 600_000,
  settleMs: 180_000,
  backoffMs: 30_000,
  orphanAgeMs: 600_000,
  silentReplaceMs: 60_000,
  silentGraceMs: 1_800_000,
};
const calm = { inARow: 0, outOfStock: 0, lastAt: null };
const beat = (containers: number | null): HeartbeatReading => ({
  kind: "beat",
  beat: {
    name: "x",
    publicIp: "",
    privateIp: "",
    dockerPort: 0,
    containers,
    memAvailableMb: 1,
    sentAt: "2026-01-01T12:00:00Z",
  },
});
const cloudDroplet = (id: number, over: Partial<CloudDroplet> = {}): CloudDroplet => ({
  id,
  name: `d-${id}`,
  status: "active",
  publicIp: "192.0.2.1",
  privateIp: "10.0.0.1",
  createdAt: ago(3600),
  region: "fra1",
  size: "small",
  memoryMb: 2048,
  hourlyPrice: 0.01,
  ...over,
});

type Given = Partial<DropletRow> & {
  inUse?: number;
  occupied?: number;
  warm?: number;
  hostState?: HostState;
  unreachableSince?: Date | null;
  forOperators?: number;
  heartbeat?: HeartbeatReading | undefined;
  cloud?: DropletFacts["cloud"];
};

/** The droplet of number `id`; without more, an empty host that is well and has been idle for an hour. */
function droplet(id: number, given: Given = {}): DropletFacts {
  const state = given.state ?? "joined";
  const row: DropletRow = {
    name: `d-${id}`,
    state,
    dropletId: state === "ordered" ? null : id,
    orderedAt: ago(7200 - id),
    joinedAt: state === "joined" ? ago(7000 - id) : null,
    idleSince: state === "joined" && (given.inUse ?? 0) === 0 ? ago(3600) : null,
    unhealthySince: null,
    ...Object.fromEntries(
      Object.entries(given).filter(([key]) =>
        ["orderedAt", "joinedAt", "idleSince", "unhealthySince", "dropletId"].includes(key),
      ),
    ),
  };
  const inUse = given.inUse ?? 0;
  const host =
    state === "joined" || state === "destroying"
      ? {
          host: {
            name: row.name,
            engineUrl: "https://10.0.0.1:2376",
            deployment: "d",
            publicHost: "192.0.2.1",
            checkHost: "10.0.0.1",
            bindAddress: "0.0.0.0",
            capacity: 4,
            basePort: 20_000,
            state: given.hostState ?? "active",
          },
          heartbeat: "heartbeat" in given ? given.heartbeat : beat(inUse),
          inUse,
          occupied: given.occupied ?? inUse,
          lastExpiry: null,
          warm: given.warm ?? 0,
          forOperators: given.forOperators ?? 0,
          unreachableSince: given.unreachableSince ?? null,
        }
      : undefined;
  return { row, host, cloud: given.cloud ?? cloudDroplet(id) };
}

const nothing: FleetSnapshot["operator"] = { isPaused: false, destroyRequests: new Map() };
const fleet = (droplets: DropletFacts[], more: Partial<FleetSnapshot> = {}): FleetSnapshot => ({
  droplets,
  untracked: [],
  failures: calm,
  arrivalsPerSecond: 0,
  operator: nothing,
  ...more,
});
const decide = (snapshot: FleetSnapshot, over: Partial<ScalingRules> = {}) =>
  decideScaling(snapshot, { ...rules, ...over }, now);
const told = (actions: ScalingAction[]) =>
  actions.map((action) => `${action.kind}${"name" in action && action.name !== undefined ? ` ${action.name}` : ""}`);

describe("the standby", () => {
  it("is ordered when there is none", () => {
    assert.deepEqual(decide(fleet([])), [
      { kind: "order", size: "small", reason: "0 empty hosts and 0 on the way, 1 wanted" },
    ]);
  });

  it("is ordered when the last empty host has got its first lease", () => {
    assert.deepEqual(told(decide(fleet([droplet(1, { inUse: 1 })]))), ["order"]);
  });

  it("is not ordered twice: one that is ordered or boots counts", () => {
    assert.deepEqual(
      decide(fleet([droplet(1, { inUse: 1 }), droplet(2, { state: "ordered", orderedAt: ago(5) })])),
      [],
    );
    assert.deepEqual(
      decide(fleet([droplet(1, { inUse: 1 }), droplet(2, { state: "booting", orderedAt: ago(50) })])),
      [],
    );
  });

  it("gets company before hand-outs use up all room: several are ordered at once, within the bounds", () => {
    const busy = fleet([droplet(1, { inUse: 4 })], { arrivalsPerSecond: 1 });
    const orders = (snapshot: FleetSnapshot, over = {}) =>
      decide(snapshot, { cap: 1000, ordersPerRun: 1000, ...over }).filter(({ kind }) => kind === "order").length;
    assert.ok(orders(busy) > 20);
    assert.equal(orders(busy, { ordersPerRun: 7 }), 7);
    assert.equal(orders(busy, { ordersPerRun: 1 }), 1);
    assert.equal(orders(busy, { cap: 4 }), 3);
    assert.equal(orders({ ...busy, failures: { inARow: 1, outOfStock: 0, lastAt: ago(3600) } }), 1, "one to try");
    assert.equal(orders({ ...busy, arrivalsPerSecond: 0 }), 1);
  });

  it("keeps its company while it is needed, and loses it once it is not", () => {
    const hosts = Array.from({ length: 12 }, (_, index) => droplet(index + 1));
    const drained = (arrivalsPerSecond: number) =>
      decide(fleet(hosts, { arrivalsPerSecond })).filter(({ kind }) => kind === "drain").length;
    assert.equal(drained(1), 0);
    assert.equal(drained(0), 11);
  });

  it("needs no step when there is exactly one", () => {
    assert.deepEqual(decide(fleet([droplet(1, { inUse: 4 }), droplet(2)])), []);
  });

  it("is none whose slots all wait for containers to go", () => {
    assert.deepEqual(told(decide(fleet([droplet(1, { occupied: 4 })]))), ["order"]);
  });

  it("is none that is cordoned, draining, or whose engine does not answer for long", () => {
    for (const given of [
      { hostState: "cordoned" },
      { hostState: "draining", occupied: 1 },
      { heartbeat: beat(null), unhealthySince: ago(61) },
    ] as const) {
      assert.deepEqual(told(decide(fleet([droplet(1, given)]))), ["order"], JSON.stringify(given));
    }
  });

  it("is none whose heartbeat is refused: a malformed heartbeat is no empty host", () => {
    assert.deepEqual(
      told(
        decide(fleet([droplet(1, { heartbeat: { kind: "refused", reason: "not JSON" }, unhealthySince: ago(61) })])),
      ),
      ["order"],
    );
  });

  it("may be silent for a moment without costing a droplet", () => {
    assert.deepEqual(decide(fleet([droplet(1, { heartbeat: undefined, unhealthySince: null })])), []);
    assert.deepEqual(decide(fleet([droplet(1, { heartbeat: undefined, unhealthySince: ago(59) })])), []);
    assert.deepEqual(told(decide(fleet([droplet(1, { heartbeat: undefined, unhealthySince: ago(60) })]))), ["order"]);
  });

  it("can be several, ordered one a step, or none at all", () => {
    assert.deepEqual(told(decide(fleet([droplet(1)]), { standbys: 3 })), ["order"]);
    assert.deepEqual(decide(fleet([]), { standbys: 0 }), []);
  });
});

describe("a host that balances ports or runs workloads", () => {
  const busy = (more: Given = {}) => droplet(1, { forOperators: 1, ...more });

  it("is no standby, though it has no lease: another one is kept beside it", () => {
    assert.deepEqual(told(decide(fleet([busy()]))), ["order"]);
    assert.deepEqual(decide(fleet([busy(), droplet(2)])), []);
  });

  it("is not idle, and never drained as more than is needed", () => {
    assert.deepEqual(changedTimers([busy()], now), [{ name: "d-1", idleSince: null, unhealthySince: null }]);
    assert.deepEqual(told(decide(fleet([busy(), droplet(2), droplet(3)]))), ["drain d-3"]);
  });

  it("is not destroyed when an operator drains it, until it works for nobody", () => {
    assert.deepEqual(decide(fleet([busy({ hostState: "draining" }), droplet(2)])), []);
    assert.deepEqual(told(decide(fleet([droplet(1, { hostState: "draining" }), droplet(2)]))), ["destroy d-1"]);
  });

  it("stays when it falls silent, as long as its droplet is on", () => {
    const silent = busy({ heartbeat: undefined, unhealthySince: ago(100_000) });
    const actions = decide(fleet([silent, droplet(2), droplet(3, { inUse: 1 })]));
    assert.deepEqual(
      actions.map(({ kind, reason }) => `${kind}: ${reason}`),
      ["hold: silent, but it works for operators"],
    );
  });
});

describe("the cap", () => {
  it("holds whatever is wanted, and says so", () => {
    const busy = [1, 2, 3, 4, 5].map((id) => droplet(id, { inUse: 1 }));
    assert.deepEqual(decide(fleet(busy)), [
      {
        kind: "hold",
        name: undefined,
        alarm: false,
        reason: "0 empty hosts and 0 on the way, 1 wanted; there are 5 droplets, and no more than 5 are allowed",
      },
    ]);
  });

  it("counts what is leaving, and what nobody tracks: both cost", () => {
    const four = [1, 2, 3, 4].map((id) => droplet(id, { inUse: 1 }));
    assert.deepEqual(told(decide(fleet([...four, droplet(5, { state: "destroying" })]))), ["delete d-5", "hold"]);
    assert.deepEqual(told(decide(fleet(four, { untracked: [cloudDroplet(9, { createdAt: ago(1) })] }))), ["hold"]);
  });
});

describe("surplus", () => {
  it("is drained, the newest host first", () => {
    assert.deepEqual(decide(fleet([droplet(1), droplet(3), droplet(2)])), [
      { kind: "drain", name: "d-3", reason: "3 empty hosts, 1 wanted" },
      { kind: "drain", name: "d-2", reason: "3 empty hosts, 1 wanted" },
    ]);
  });

  it("waits until the host has been empty for a while: a lease that comes back must not cost a boot", () => {
    assert.deepEqual(decide(fleet([droplet(1), droplet(2, { idleSince: ago(299) })])), []);
    assert.deepEqual(told(decide(fleet([droplet(1), droplet(2, { idleSince: ago(300) })]))), ["drain d-2"]);
  });

  it("never has a host with a lease, nor one that somebody has cordoned", () => {
    assert.deepEqual(decide(fleet([droplet(1), droplet(2, { inUse: 1 }), droplet(3, { hostState: "cordoned" })])), []);
  });

  it("goes once drained and empty, its engine confirming it", () => {
    assert.deepEqual(decide(fleet([droplet(1), droplet(2, { hostState: "draining" })])), [
      { kind: "destroy", name: "d-2", engine: "confirms", leases: "none", reason: "drained and empty" },
    ]);
  });

  it("stays while an instance is not yet seen gone", () => {
    assert.deepEqual(decide(fleet([droplet(1), droplet(2, { hostState: "draining", occupied: 1 })])), []);
  });
});

describe("an order", () => {
  it("whose answer was lost is adopted when its droplet is found, the oldest of several", () => {
    const made = [cloudDroplet(12, { name: "d-1" }), cloudDroplet(11, { name: "d-1" })];
    assert.deepEqual(told(decide(fleet([droplet(1, { state: "ordered", orderedAt: ago(20) })], { untracked: made }))), [
      "adopt d-1",
    ]);
    const [adopt] = decide(fleet([droplet(1, { state: "ordered", orderedAt: ago(20) })], { untracked: made }));
    assert.equal(adopt?.kind === "adopt" && adopt.dropletId, 11);
  });

  it("is searched for before it counts as never made, and never made again under its name", () => {
    assert.deepEqual(decide(fleet([droplet(1, { state: "ordered", orderedAt: ago(179) })])), []);
    assert.deepEqual(told(decide(fleet([droplet(1, { state: "ordered", orderedAt: ago(180) })]))), [
      "give-up d-1",
      "order",
    ]);
  });

  it("that does not become a host in time is destroyed, and another is made", () => {
    assert.deepEqual(decide(fleet([droplet(1, { state: "booting", orderedAt: ago(599) })])), []);
    assert.deepEqual(told(decide(fleet([droplet(1, { state: "booting", orderedAt: ago(600) })]))), [
      "destroy d-1",
      "order",
    ]);
  });

  it("waits after failures, twice as long each time, an hour at most", () => {
    const after = (inARow: number, seconds: number) =>
      told(decide(fleet([], { failures: { inARow, outOfStock: 0, lastAt: ago(seconds) } })));
    for (const [inARow, pause] of [
      [1, 30],
      [2, 60],
      [5, 480],
      [8, 3600],
      [20, 3600],
    ] as const) {
      assert.deepEqual(after(inARow, pause - 1), ["hold"], `${inARow} failures`);
      assert.deepEqual(after(inARow, pause), ["order"], `${inARow} failures`);
    }
  });

  it("asks for the next size when one is out of stock, and comes round again", () => {
    const sizes = [0, 1, 2].map((outOfStock) =>
      decide(fleet([], { failures: { inARow: outOfStock, outOfStock, lastAt: ago(4000) } })).map(
        (action) => action.kind === "order" && action.size,
      ),
    );
    assert.deepEqual(sizes, [["small"], ["large"], ["small"]]);
  });
});

describe("a silent host", () => {
  const longSilent = { heartbeat: undefined, unhealthySince: ago(1800) };

  it("is destroyed after a long grace when it has no lease", () => {
    assert.deepEqual(
      told(decide(fleet([droplet(1), droplet(2, { heartbeat: undefined, unhealthySince: ago(1799) })]))),
      [],
    );
    assert.deepEqual(decide(fleet([droplet(1), droplet(2, longSilent)])), [
      {
        kind: "destroy",
        name: "d-2",
        engine: "silent",
        leases: "none",
        reason: "silent for 1800 s, and without leases",
      },
    ]);
  });

  it("keeps its leases as long as its droplet is on: they may be in use", () => {
    assert.deepEqual(decide(fleet([droplet(1), droplet(2, { ...longSilent, inUse: 2 })])), [
      { kind: "hold", name: "d-2", alarm: true, reason: "silent, but its leases run on" },
    ]);
  });

  it("is destroyed with its leases lost when the cloud reports that it is off", () => {
    const [action] = decide(
      fleet([droplet(1), droplet(2, { ...longSilent, inUse: 2, cloud: cloudDroplet(2, { status: "off" }) })]),
    );
    assert.deepEqual(action, {
      kind: "destroy",
      name: "d-2",
      engine: "silent",
      leases: "lost",
      reason: "silent for 1800 s, and its droplet is off",
    });
  });

  it("is closed at once when the cloud reports that its droplet is gone", () => {
    assert.deepEqual(told(decide(fleet([droplet(1), droplet(2, { heartbeat: undefined, inUse: 2, cloud: "gone" })]))), [
      "close d-2",
    ]);
  });

  it("that is missing in a list only is not taken for gone", () => {
    assert.deepEqual(
      decide(fleet([droplet(1, { inUse: 1, cloud: "unlisted" }), droplet(2, { cloud: "unlisted" })])),
      [],
    );
  });

  it("whose engine hangs while its heartbeat arrives is treated alike, after the same grace", () => {
    assert.deepEqual(
      told(decide(fleet([droplet(1), droplet(2, { heartbeat: beat(null), unhealthySince: ago(1800) })]))),
      ["destroy d-2"],
    );
  });

  it("among many means that the control plane is blind: nothing is done, and an alarm is raised", () => {
    const silent = (id: number) => droplet(id, { heartbeat: undefined, unhealthySince: ago(1000) });
    const actions = decide(fleet([silent(1), silent(2), droplet(3, { inUse: 1 })], { untracked: [cloudDroplet(99)] }));
    assert.deepEqual(actions, [
      {
        kind: "hold",
        name: undefined,
        alarm: true,
        reason:
          "2 of 3 hosts are silent at once, and the cloud reports them as on: " +
          "the control plane probably does not see them. If they are lost for good, cordon them",
      },
    ]);
  });

  it("that is out of reach while its heartbeat arrives is no standby, and goes after the same grace", () => {
    const beyond = (seconds: number) => droplet(1, { unreachableSince: ago(seconds), unhealthySince: ago(seconds) });
    assert.deepEqual(told(decide(fleet([beyond(60)]))), ["order"]);
    assert.deepEqual(decide(fleet([beyond(1800), droplet(2)])), [
      {
        kind: "destroy",
        name: "d-1",
        engine: "silent",
        leases: "none",
        reason: "out of reach for 1800 s, and without leases",
      },
    ]);
  });

  it("counts as one of many only with those that fell silent about when it did", () => {
    const long = droplet(1, { ...longSilent, inUse: 1 });
    assert.deepEqual(
      told(
        decide(
          fleet([
            long,
            droplet(2, { heartbeat: undefined, unhealthySince: ago(100), inUse: 1 }),
            droplet(3, { inUse: 1 }),
            droplet(4, { inUse: 1 }),
          ]),
        ),
      ),
      ["hold d-1", "order"],
    );
  });

  it("out of reach, like most of the others, means that our certificate or our network is at fault", () => {
    const actions = decide(fleet([1, 2, 3].map((id) => droplet(id, { unreachableSince: ago(61) }))));
    assert.deepEqual(
      actions.map(({ kind }) => kind),
      ["hold"],
    );
  });

  it("whose heartbeat arrives cannot be gone: a cloud that reports so is another account's", () => {
    const actions = decide(fleet([droplet(1, { cloud: "gone" }), droplet(2)]));
    assert.deepEqual(actions, [
      {
        kind: "hold",
        name: undefined,
        alarm: true,
        reason: "the cloud knows nothing of 1 of 2 hosts whose heartbeats arrive: is the token another account's?",
      },
    ]);
  });

  it("is not believed gone together with most of the others, until the operator says so by name", () => {
    const gone = [1, 2, 3].map((id) => droplet(id, { heartbeat: undefined, cloud: "gone" }));
    assert.deepEqual(told(decide(fleet(gone))), ["hold"]);
    const asked = decide(fleet(gone, { operator: { isPaused: false, destroyRequests: new Map([["d-1", "lost"]]) } }));
    assert.deepEqual(told(asked), ["close d-1", "hold"]);
  });

  it("is believed gone, like most of the others, when the account shows another droplet of ours", () => {
    const gone = [1, 2].map((id) => droplet(id, { heartbeat: undefined, cloud: "gone" }));
    assert.deepEqual(told(decide(fleet([...gone, droplet(3)]))), ["close d-1", "close d-2"]);
    assert.deepEqual(told(decide(fleet(gone, { untracked: [cloudDroplet(9)] }))), [
      "close d-1",
      "close d-2",
      "sweep d-9",
      "order",
    ]);
  });

  it("is waited for together with all others, until somebody has cordoned them: then the fleet begins again", () => {
    const lost = (hostState: HostState) =>
      [1, 2, 3].map((id) => droplet(id, { heartbeat: undefined, unhealthySince: ago(100), inUse: 1, hostState }));
    assert.deepEqual(told(decide(fleet(lost("active")))), ["hold"]);
    assert.deepEqual(told(decide(fleet(lost("cordoned")))), ["order"]);
  });

  it("does not count as one of many when its droplet is off, or when somebody has closed it", () => {
    const off = droplet(1, { ...longSilent, cloud: cloudDroplet(1, { status: "off" }) });
    const cordoned = droplet(2, { ...longSilent, inUse: 1, hostState: "cordoned" });
    assert.deepEqual(told(decide(fleet([off, cordoned, droplet(3)]))), ["destroy d-1", "hold d-2"]);
  });
});

describe("a droplet with our tag that nobody tracks", () => {
  it("is destroyed once it is old enough: a younger one may be an order's, just made", () => {
    assert.deepEqual(told(decide(fleet([droplet(1)], { untracked: [cloudDroplet(9, { createdAt: ago(599) })] }))), []);
    assert.deepEqual(told(decide(fleet([droplet(1)], { untracked: [cloudDroplet(9, { createdAt: ago(600) })] }))), [
      "sweep d-9",
    ]);
  });
});

describe("what is being destroyed", () => {
  it("is asked for again until the cloud reports that it is gone", () => {
    assert.deepEqual(told(decide(fleet([droplet(1), droplet(2, { state: "destroying" })]))), ["delete d-2"]);
    assert.deepEqual(told(decide(fleet([droplet(1), droplet(2, { state: "destroying", cloud: "gone" })]))), [
      "close d-2",
    ]);
  });
});

describe("timers", () => {
  it("begin with the first snapshot of an empty or unhealthy host, and end with the first of a better one", () => {
    const begin = changedTimers([droplet(1, { idleSince: null, heartbeat: undefined })], now);
    assert.deepEqual(begin, [{ name: "d-1", idleSince: now, unhealthySince: now }]);
    const end = changedTimers([droplet(1, { inUse: 1, idleSince: ago(9), unhealthySince: ago(9) })], now);
    assert.deepEqual(end, [{ name: "d-1", idleSince: null, unhealthySince: null }]);
    assert.deepEqual(changedTimers([droplet(1), droplet(2, { state: "booting" })], now), []);
  });
});

describe("the operator", () => {
  const destroyRequests = (leases: "none" | "lost") => ({
    isPaused: false,
    destroyRequests: new Map([["d-1", leases]]),
  });

  it("pauses all that would begin; what has begun is finished", () => {
    const operator = { isPaused: true, destroyRequests: new Map() };
    assert.deepEqual(decide(fleet([], { operator })), [
      { kind: "hold", name: undefined, alarm: false, reason: "paused by the operator" },
    ]);
    assert.deepEqual(
      told(
        decide(
          fleet([droplet(1, { state: "destroying" }), droplet(2, { state: "booting", orderedAt: ago(100_000) })], {
            operator,
          }),
        ),
      ),
      ["delete d-1", "hold"],
    );
  });

  it("has hosts destroyed by name, also while paused, and asks their engines first where it has to", () => {
    const asked = (given: Parameters<typeof droplet>[1], leases: "none" | "lost", isPaused = false) => {
      const [first] = decide(
        fleet([droplet(1, { state: "joined", hostState: "draining", ...given })], {
          operator: { ...destroyRequests(leases), isPaused },
        }),
      );
      return first?.kind === "destroy" ? `${first.engine} ${first.leases}: ${first.reason}` : first?.kind;
    };
    assert.equal(asked({ inUse: 0 }, "none"), "confirms none: asked for by the operator");
    assert.equal(asked({ inUse: 0 }, "none", true), "confirms none: asked for by the operator");
    assert.equal(asked({ inUse: 0, heartbeat: undefined }, "none"), "silent none: asked for by the operator");
    assert.equal(asked({ inUse: 3 }, "lost"), "silent lost: asked for by the operator");
    assert.equal(asked({ state: "booting" }, "none"), "silent none: asked for by the operator");
    assert.equal(asked({ state: "destroying" }, "none"), "delete");
    assert.equal(asked({ cloud: "gone" }, "lost"), "close");
  });
});

describe("whatever the fleet looks like", () => {
  const state = fc.constantFrom<DropletState[]>("ordered", "booting", "joined", "destroying");
  const heartbeat = fc.constantFrom<(HeartbeatReading | undefined)[]>(beat(0), beat(null), undefined, {
    kind: "refused",
    reason: "x",
  });
  const cloud = (id: number) =>
    fc.constantFrom<DropletFacts["cloud"][]>(cloudDroplet(id), cloudDroplet(id, { status: "off" }), "unlisted", "gone");
  const age = fc.integer({ min: 0, max: 4000 }).map(ago);
  const anyDroplet = (id: number) =>
    fc
      .record({
        state,
        inUse: fc.integer({ min: 0, max: 4 }),
        occupied: fc.integer({ min: 0, max: 4 }),
        heartbeat,
        cloud: cloud(id),
        hostState: fc.constantFrom<HostState[]>("active", "cordoned", "draining"),
        orderedAt: age,
        unhealthySince: fc.option(age),
      })
      .map((given) => droplet(id, { ...given, occupied: Math.max(given.inUse, given.occupied) }));
  const anyFleet = fc.record({
    droplets: fc
      .integer({ min: 0, max: 8 })
      .chain((size) => fc.tuple(...Array.from({ length: size }, (_, index) => anyDroplet(index + 1)))),
    untracked: fc.array(
      fc
        .record({ id: fc.integer({ min: 100, max: 110 }), createdAt: age })
        .map(({ id, createdAt }) => cloudDroplet(id, { createdAt })),
      { maxLength: 3 },
    ),
    failures: fc.record({
      inARow: fc.integer({ min: 0, max: 9 }),
      outOfStock: fc.integer({ min: 0, max: 9 }),
      lastAt: fc.option(age),
    }),
    arrivalsPerSecond: fc.constantFrom(0, 0.01, 1, 20),
    operator: fc.record({ isPaused: fc.boolean(), destroyRequests: fc.constant(nothing.destroyRequests) }),
  });

  it("no host with a lease is destroyed unless its droplet is off or gone, and none is touched twice", () => {
    fc.assert(
      fc.property(anyFleet, (snapshot) => {
        const actions = decide(snapshot);
        for (const action of actions) {
          if (action.kind !== "destroy" && action.kind !== "drain") continue;
          const facts = snapshot.droplets.find(({ row }) => row.name === action.name);
          const isOff = typeof facts?.cloud === "object" && facts.cloud.status !== "active";
          assert.ok((facts?.host?.inUse ?? 0) === 0 || isOff);
        }
        const touched = actions.flatMap((action) =>
          action.kind !== "sweep" && "name" in action && action.name !== undefined ? [action.name] : [],
        );
        assert.equal(new Set(touched).size, touched.length);
      }),
      { numRuns: 1000 },
    );
  });

  it("never more droplets are ordered than a run may, and never above the cap", () => {
    fc.assert(
      fc.property(anyFleet, (snapshot) => {
        const orders = decide(snapshot).filter(({ kind }) => kind === "order").length;
        assert.ok(orders <= rules.ordersPerRun);
        assert.ok(orders === 0 || snapshot.droplets.length + snapshot.untracked.length + orders <= rules.cap);
      }),
      { numRuns: 1000 },
    );
  });

  it("at rest, at most one droplet is ordered, and never beside a standby", () => {
    fc.assert(
      fc.property(anyFleet, (busy) => {
        const snapshot = { ...busy, arrivalsPerSecond: 0 };
        const orders = decide(snapshot).filter(({ kind }) => kind === "order");
        assert.ok(orders.length <= 1);
        if (orders.length === 0) return;
        assert.ok(
          !snapshot.droplets.some(
            ({ row, host, cloud: word }) =>
              row.state === "joined" &&
              host?.host.state === "active" &&
              host.inUse === 0 &&
              // With all slots still held by containers of ended leases it takes no instance either.
              host.occupied < host.host.capacity &&
              word !== "gone" &&
              host.heartbeat?.kind === "beat" &&
              host.heartbeat.beat.containers !== null &&
              row.unhealthySince === null,
          ),
        );
      }),
      { numRuns: 1000 },
    );
  });
});
