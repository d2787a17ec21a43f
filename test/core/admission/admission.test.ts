import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  decideAdmission,
  difficulty,
  type AdmissionFacts,
  type AdmissionRules,
} from "../../../apps/core/admission/admission.ts";
import { loadOf } from "../../../apps/core/admission/load.ts";

const rules: AdmissionRules = { handoutsPerMinute: 100, newcomerShare: 0.2, workFromLoad: 0.7, mostBits: 20 };
const quiet: AdmissionFacts = { load: 0, lastMinute: 0, byAddress: 0, byNetwork: 0 };

const shares = fc.double({ min: 0, max: 1, noNaN: true });
const counts = fc.nat({ max: 10_000 });
const anyFacts = fc.record({ load: shares, lastMinute: counts, byAddress: counts, byNetwork: counts });
const anyRules = fc.record({
  handoutsPerMinute: fc.integer({ min: 1, max: 10_000 }),
  newcomerShare: fc.double({ min: 0, max: 0.9, noNaN: true }),
  workFromLoad: shares,
  mostBits: fc.nat({ max: 32 }),
});

describe("difficulty", () => {
  const cases: [facts: Partial<AdmissionFacts>, bits: number][] = [
    [{}, 0],
    [{ load: 0.7 }, 0],
    [{ load: 0.71 }, 11],
    [{ load: 0.85 }, 14],
    [{ load: 1 }, 18],
    [{ lastMinute: 50 }, 0],
    [{ lastMinute: 75 }, 14],
    [{ lastMinute: 99 }, 18],
    [{ byAddress: 50, byNetwork: 500 }, 0],
    [{ load: 0.85, byAddress: 1 }, 15],
    [{ load: 0.85, byAddress: 3 }, 16],
    [{ load: 0.85, byNetwork: 7 }, 14],
    [{ load: 0.85, byNetwork: 24 }, 16],
    [{ load: 1, byAddress: 200, byNetwork: 800 }, 20],
  ];
  for (const [facts, bits] of cases)
    it(`is ${bits} bits with ${JSON.stringify(facts)}`, () => {
      assert.equal(difficulty({ ...quiet, ...facts }, rules), bits);
    });

  it("never sinks as load, hand-outs of the last minute or earlier starts rise, nor passes its most", () => {
    fc.assert(
      fc.property(anyFacts, anyFacts, anyRules, (one, other, anyRule) => {
        const both = (pick: (...values: number[]) => number): AdmissionFacts => ({
          load: pick(one.load, other.load),
          lastMinute: pick(one.lastMinute, other.lastMinute),
          byAddress: pick(one.byAddress, other.byAddress),
          byNetwork: pick(one.byNetwork, other.byNetwork),
        });
        const [less, more] = [difficulty(both(Math.min), anyRule), difficulty(both(Math.max), anyRule)];
        assert.ok(0 <= less && less <= more && more <= anyRule.mostBits, `${less} and ${more}`);
      }),
    );
  });
});

describe("decideAdmission", () => {
  it("lets everybody in without work while there is room and no burst", () => {
    fc.assert(
      fc.property(anyFacts, anyRules, (facts, anyRule) => {
        const calm = {
          ...facts,
          load: facts.load * Math.min(anyRule.workFromLoad, 1 - anyRule.newcomerShare) * 0.99,
          lastMinute: 0,
        };
        assert.deepEqual(decideAdmission(calm, anyRule), { kind: "open", bits: 0, newcomersOnly: false });
      }),
    );
  });

  it("keeps the last share of the slots for newcomers, unless none is to be kept", () => {
    const newcomersOnly = (load: number, newcomerShare = 0.2) => {
      const decision = decideAdmission({ ...quiet, load }, { ...rules, newcomerShare });
      return decision.kind === "open" && decision.newcomersOnly;
    };
    assert.deepEqual(
      [0.79, 0.8, 1].map((load) => newcomersOnly(load)),
      [false, true, true],
    );
    assert.equal(newcomersOnly(1, 0), false);
  });

  it("stops all at the rate, and those who have had one before that", () => {
    const kindAt = (lastMinute: number, byAddress: number) =>
      decideAdmission({ ...quiet, lastMinute, byAddress }, rules).kind;
    assert.deepEqual(
      [kindAt(79, 1), kindAt(80, 1), kindAt(99, 0), kindAt(100, 0)],
      ["open", "rate-exceeded", "open", "rate-exceeded"],
    );
  });
});

describe("loadOf", () => {
  const growth = { cap: 5, slotsPerHost: 40, standbys: 1 };
  const cases: [what: string, load: number, room: Parameters<typeof loadOf>[0], growth?: typeof growth][] = [
    ["a box of which a quarter is used", 0.25, { hosts: 1, capacity: 40, occupied: 10 }],
    ["a full box", 1, { hosts: 1, capacity: 40, occupied: 40 }],
    ["no host at all", 0, { hosts: 0, capacity: 0, occupied: 0 }],
    ["a fleet with its empty host, far from its cap", 0.2, { hosts: 2, capacity: 80, occupied: 40 }, growth],
    ["a fleet whose empty host fills while another boots", 0.75, { hosts: 2, capacity: 80, occupied: 70 }, growth],
    ["a fleet at its cap", 0.9, { hosts: 5, capacity: 200, occupied: 180 }, growth],
    ["hosts that are silent: no slots of theirs count", 0.5, { hosts: 5, capacity: 40, occupied: 20 }, growth],
    ["a fleet that orders none", 0.5, { hosts: 1, capacity: 40, occupied: 20 }, { ...growth, standbys: 0 }],
  ];
  for (const [what, load, room, grows] of cases)
    it(`is ${load} for ${what}`, () => {
      assert.equal(loadOf(room, grows), load);
    });

  it("never sinks as slots are taken, and stays between 0 and 1", () => {
    const anyGrowth = fc.option(
      fc.record({
        cap: fc.nat({ max: 9 }),
        slotsPerHost: fc.integer({ min: 1, max: 50 }),
        standbys: fc.nat({ max: 3 }),
      }),
      { nil: undefined },
    );
    fc.assert(
      fc.property(
        fc.nat({ max: 9 }),
        fc.nat({ max: 400 }),
        fc.nat({ max: 400 }),
        anyGrowth,
        (hosts, one, other, grows) => {
          const capacity = Math.max(one, other, 1);
          const [less, more] = [Math.min(one, other), Math.max(one, other)].map((occupied) =>
            loadOf({ hosts, capacity, occupied }, grows),
          );
          assert.ok(less !== undefined && more !== undefined && 0 <= less && less <= more && more <= 1);
        },
      ),
    );
  });
});
