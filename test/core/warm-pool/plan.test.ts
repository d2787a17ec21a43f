import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { HostStanding } from "../../../apps/core/fleet/fleet-cache.ts";
import type { Standing } from "../../../apps/core/fleet/standing.ts";
import type { WarmInstance } from "../../../apps/core/warm-pool/contract.ts";
import { planPool, type PoolRules, type PoolStep } from "../../../apps/core/warm-pool/plan.ts";
import { hostNamed } from "../fleet/host-named.ts";

const now = new Date("2026-01-01T12:00:00Z");
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);
const recipe = Buffer.from("recipe");
const MAX_AGE_SECONDS = 3600;
/** So many more than wanted are left alone. */
const SLACK = 2;

const rulesOf = (wanted: number, coldStarts: Readonly<Record<string, number>> = {}): PoolRules => ({
  wanted,
  recipe,
  maxAgeMs: MAX_AGE_SECONDS * 1000,
  startsPerHost: 1,
  coldStarts: new Map(Object.entries(coldStarts)),
});

/** A host with so many slots, and so many of them held. */
function hostOf(name: string, capacity: number, occupied: number, standing: Standing = "open"): HostStanding {
  return {
    host: hostNamed(name, capacity, "active"),
    inUse: 0,
    occupied,
    warm: 0,
    lastExpiry: null,
    unreachableSince: null,
    heartbeat: undefined,
    standing,
  };
}

let made = 0;
const warmOn = (name: string, ageSeconds = 0, over: Partial<WarmInstance> = {}): WarmInstance => ({
  instanceId: `warm-${++made}`,
  state: "warm",
  host: hostNamed(name, 10, "active"),
  recipe,
  createdAt: ago(ageSeconds),
  deadline: ago(ageSeconds - 20),
  ...over,
});

const startsOf = (steps: readonly PoolStep[]) => steps.flatMap((step) => (step.kind === "start" ? step.hostName : []));
const endsOf = (steps: readonly PoolStep[]) => steps.flatMap((step) => (step.kind === "end" ? step.instance : []));
const reasonsOf = (steps: readonly PoolStep[]) => steps.flatMap((step) => (step.kind === "end" ? step.reason : []));

describe("planPool", () => {
  it("starts missing ones on the hosts that placement chooses next, one at a time on each", () => {
    const hosts = [hostOf("a", 10, 9), hostOf("b", 10, 5), hostOf("c", 10, 0)];
    assert.deepEqual(startsOf(planPool(hosts, [], rulesOf(1), now)), ["a"]);
    assert.deepEqual(startsOf(planPool(hosts, [], rulesOf(3), now)), ["a", "b"], "the third starts later, on b");
    assert.deepEqual(startsOf(planPool(hosts, [], rulesOf(9), now)), ["a", "b", "c"]);
    assert.deepEqual(planPool(hosts, [], rulesOf(0), now), []);
    assert.deepEqual(planPool([], [], rulesOf(5), now), []);
  });

  it("starts none beside one that a hand-out starts there, or that is warming, and none on another host instead", () => {
    const hosts = [hostOf("a", 10, 1), hostOf("b", 10, 0)];
    assert.deepEqual(planPool(hosts, [], rulesOf(2, { a: 1 }), now), []);
    assert.deepEqual(planPool(hosts, [warmOn("a", 1, { state: "warming" })], rulesOf(2), now), []);
  });

  for (const standing of [
    "full",
    "backing-off",
    "cordoned",
    "draining",
    "silent",
    "engine-silent",
    "unreachable",
  ] as const)
    it(`starts none on a host that is ${standing}`, () => {
      const hosts = [hostOf("a", 10, 1, standing), hostOf("b", 10, 0)];
      assert.deepEqual(startsOf(planPool(hosts, [], rulesOf(1), now)), ["b"]);
    });

  for (const standing of [
    "cordoned",
    "draining",
    "silent",
    "heartbeat-refused",
    "engine-silent",
    "unreachable",
  ] as const)
    it(`ends all on a host that is ${standing}`, () => {
      const pool = [warmOn("a"), warmOn("a", 1, { state: "warming" })];
      const steps = planPool([hostOf("a", 10, 2, standing)], pool, rulesOf(2), now);
      assert.deepEqual([endsOf(steps), startsOf(steps)], [pool, []]);
      assert.ok(reasonsOf(steps).every((reason) => reason.includes(standing)));
    });

  it("leaves those of a host that backs off or is full, or that is not in view yet", () => {
    for (const hosts of [[hostOf("a", 10, 2, "backing-off")], [hostOf("a", 2, 2, "full")], []])
      assert.deepEqual(planPool(hosts, [warmOn("a"), warmOn("a")], rulesOf(2), now), []);
  });

  it("ends those of another recipe, too old, or not ready in time, with the reason, and starts others", () => {
    const pool = [
      warmOn("a", MAX_AGE_SECONDS),
      warmOn("a", 21, { state: "warming" }),
      warmOn("a", 5, { recipe: Buffer.from("image of yesterday") }),
      warmOn("a", 19, { state: "warm" }),
    ];
    const steps = planPool([hostOf("a", 10, 4)], pool, rulesOf(2), now);
    assert.deepEqual(endsOf(steps), pool.slice(0, 3));
    assert.deepEqual(reasonsOf(steps), [
      "it has been ready for long",
      "it was not ready in time",
      "it was made by other settings, another image or another secret",
    ]);
    assert.deepEqual(startsOf(steps), ["a"]);
  });

  it("ends what is far more than wanted, the oldest first, and none for a little", () => {
    const pool = Array.from({ length: 6 }, (_, index) => warmOn("a", 60 - index));
    const ends = (wanted: number) => endsOf(planPool([hostOf("a", 10, 6)], pool, rulesOf(wanted), now));
    assert.deepEqual(ends(4), []);
    assert.deepEqual(ends(3), pool.slice(0, 1));
    assert.deepEqual(ends(1), pool.slice(0, 3));
    assert.deepEqual(ends(0), pool, "the pool is switched off");
  });

  it("has them where placement goes next: when leases end on a busier host, some start there, and others end", () => {
    const hosts = [hostOf("busy", 10, 6), hostOf("standby", 10, 4)];
    const pool = Array.from({ length: 4 }, () => warmOn("standby", 60));
    assert.deepEqual(startsOf(planPool(hosts, pool, rulesOf(4), now)), ["busy"]);
    const more = [...pool, ...Array.from({ length: 3 }, () => warmOn("busy"))];
    assert.deepEqual(endsOf(planPool([hostOf("busy", 10, 9), hosts[1] ?? hostOf("b", 1, 1)], more, rulesOf(4), now)), [
      pool[0],
    ]);
  });

  it("replaces an old one before it ends, so that the pool is never without a ready one", () => {
    const old = [warmOn("a", 0.95 * MAX_AGE_SECONDS), warmOn("a", 0.94 * MAX_AGE_SECONDS)];
    const first = planPool([hostOf("a", 10, 2)], old, rulesOf(2), now);
    assert.deepEqual([startsOf(first), endsOf(first)], [["a"], []]);
    const both = [...old, warmOn("a"), warmOn("a")];
    assert.deepEqual(planPool([hostOf("a", 10, 4)], both, rulesOf(2), now), [], "they go once they are too old");
    const many = Array.from({ length: 16 }, () => warmOn("a", 0.95 * MAX_AGE_SECONDS));
    const renewed = [...many, ...Array.from({ length: 5 }, () => warmOn("a"))];
    assert.deepEqual(endsOf(planPool([hostOf("a", 40, 21)], renewed, rulesOf(16), now)), many.slice(0, 3));
  });

  it("keeps an old one on a host that has no room for another", () => {
    const hosts = [hostOf("a", 2, 2), hostOf("b", 10, 0)];
    const old = [warmOn("a", 0.95 * MAX_AGE_SECONDS), warmOn("a", 0.95 * MAX_AGE_SECONDS)];
    assert.deepEqual(planPool(hosts, old, rulesOf(2), now), []);
  });

  describe("whatever the fleet and the pool", () => {
    const standing = fc.constantFrom<Standing>("open", "open", "open", "full", "backing-off", "draining", "silent");
    const fleet = fc
      .array(
        fc.record({ standing, capacity: fc.nat(6), leased: fc.nat(6), ages: fc.array(fc.nat(4000), { maxLength: 5 }) }),
        {
          maxLength: 6,
        },
      )
      .map((hosts) => {
        const pool = hosts.flatMap(({ ages }, index) => ages.map((age) => warmOn(`host-${index}`, age)));
        return {
          hosts: hosts.map((each, index) =>
            hostOf(`host-${index}`, each.capacity, each.leased + each.ages.length, each.standing),
          ),
          pool: pool.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime()),
        };
      });

    it("takes no slot that is not free, and ends no more of the good ones than are too many", () => {
      fc.assert(
        fc.property(fleet, fc.nat(12), ({ hosts, pool }, wanted) => {
          const steps = planPool(hosts, pool, rulesOf(wanted), now);
          const byHost = Map.groupBy(startsOf(steps), (name) => name);
          for (const [name, starts] of byHost) {
            const host = hosts.find((each) => each.host.name === name);
            assert.ok(host?.standing === "open" && starts.length === 1 && host.occupied < host.host.capacity);
          }
          const ends = endsOf(steps);
          assert.equal(new Set(ends).size, ends.length);
          const isGood = ({ host, createdAt }: WarmInstance) =>
            createdAt > ago(MAX_AGE_SECONDS) &&
            ["open", "full", "backing-off"].includes(
              hosts.find((each) => each.host.name === host.name)?.standing ?? "",
            );
          const good = pool.filter(isGood);
          assert.ok(pool.filter((instance) => !isGood(instance)).every((instance) => ends.includes(instance)));
          assert.ok(ends.filter(isGood).length <= Math.max(0, good.length - wanted - (wanted === 0 ? 0 : SLACK)));
        }),
      );
    });

    it("comes to rest with as many as are wanted or as there is room for, and then does nothing", () => {
      fc.assert(
        fc.property(fleet, fc.nat(12), (given, wanted) => {
          let { hosts, pool } = given;
          // Time stands still: only steps change anything.
          for (let pass = 0; ; pass++) {
            assert.ok(pass < 60, "it comes to rest");
            const steps = planPool(hosts, pool, rulesOf(wanted), now);
            if (steps.length === 0) break;
            const ends = new Set(endsOf(steps));
            const started = startsOf(steps);
            pool = [...pool.filter((instance) => !ends.has(instance)), ...started.map((name) => warmOn(name))];
            const change = (name: string) =>
              started.filter((each) => each === name).length -
              [...ends].filter(({ host }) => host.name === name).length;
            hosts = hosts.map((each) => ({ ...each, occupied: each.occupied + change(each.host.name) }));
          }
          const free = hosts
            .filter((each) => each.standing === "open")
            .reduce((sum, { host, occupied }) => sum + Math.max(0, host.capacity - occupied), 0);
          assert.ok(pool.length <= wanted + (wanted === 0 ? 0 : SLACK));
          assert.ok(pool.length >= wanted || free === 0, `${pool.length} of ${wanted}, ${free} slots free`);
        }),
      );
    });
  });
});
