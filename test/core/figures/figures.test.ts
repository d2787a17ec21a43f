import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { figureSeries, minuteOf, quantile } from "../../../apps/core/figures/figures.ts";
import { costOf } from "../../../apps/core/fleet/droplet-costs.ts";
import type { DropletLife } from "../../../apps/core/fleet/droplets.ts";

const MINUTE = 60_000;
const start = new Date("2026-01-01T00:00:00Z");
const at = (minutes: number) => new Date(start.getTime() + minutes * MINUTE);

describe("figures over time", () => {
  it("add up counts of a step over minutes and processes, and show the highest of a gauge", () => {
    const { times, handouts, leases } = figureSeries(
      [
        { minute: at(0), figures: { handouts: { created: 2 }, leases: 5 } },
        { minute: at(0), figures: { handouts: { created: 3 } } },
        { minute: at(1), figures: { handouts: { created: 1, "quota-exceeded": 4 }, leases: 9 } },
        { minute: at(2), figures: { leases: 1 } },
      ],
      at(0),
      at(4),
      2 * MINUTE,
    );
    assert.deepEqual(times, [at(0).getTime(), at(2).getTime()]);
    assert.deepEqual(handouts, { created: [6, 0], "quota-exceeded": [4, 0] });
    assert.deepEqual(leases, [9, 1]);
  });

  it("tell how hand-outs began, over minutes and processes, and a zero where all began in the other way", () => {
    const { began } = figureSeries(
      [
        { minute: at(0), figures: { handouts: { created: 2 }, began: { warm: 2 } } },
        { minute: at(0), figures: { handouts: { created: 1 }, began: { cold: 1 } } },
        { minute: at(1), figures: { handouts: { created: 4 }, began: { warm: 4 } } },
      ],
      at(0),
      at(3),
      MINUTE,
    );
    assert.deepEqual(began, { cold: [1, 0, null], warm: [2, 4, null] });
  });

  it("show a gap, not a zero, where nobody has kept anything", () => {
    const { handouts, leases, hosts } = figureSeries(
      [{ minute: at(0), figures: { handouts: { created: 1 }, leases: 0, hosts: { open: 2 } } }],
      at(0),
      at(2),
      MINUTE,
    );
    assert.deepEqual(
      [handouts["created"], leases, hosts["open"]],
      [
        [1, null],
        [0, null],
        [2, null],
      ],
    );
  });

  it("count a host or droplet once a step: as the last sample had them, whole", () => {
    const { hosts, droplets } = figureSeries(
      [
        // In no order, as the store gives them.
        { minute: at(2), figures: { leases: 3, hosts: { draining: 1 }, droplets: { destroying: 1 } } },
        { minute: at(0), figures: { leases: 1, hosts: { open: 1 }, droplets: { joined: 1 } } },
        { minute: at(1), figures: { leases: 4, hosts: { full: 1 }, droplets: { joined: 1 } } },
        { minute: at(3), figures: { leases: 5, hosts: { full: 2 } } },
      ],
      at(0),
      at(6),
      3 * MINUTE,
    );
    assert.deepEqual(hosts, { draining: [1, 0], full: [0, 2] });
    assert.deepEqual(droplets, { destroying: [1, null] });
  });

  it("show the standings of the last minute that has them, and a gap where none does: Redis may be away", () => {
    const { hosts, leases } = figureSeries(
      [
        { minute: at(0), figures: { leases: 1, hosts: { open: 2 } } },
        { minute: at(1), figures: { leases: 1 } },
        { minute: at(2), figures: { leases: 1 } },
      ],
      at(0),
      at(4),
      2 * MINUTE,
    );
    assert.deepEqual([hosts, leases], [{ open: [2, null] }, [1, 1]]);
  });

  it("leave out what is before and after", () => {
    const { leases } = figureSeries(
      [
        { minute: at(-1), figures: { leases: 7 } },
        { minute: at(1), figures: { leases: 8 } },
      ],
      at(0),
      at(1),
      MINUTE,
    );
    assert.deepEqual(leases, [null]);
    assert.deepEqual(figureSeries([], at(1), at(1), MINUTE).times, []);
  });

  it("merge what processes took before taking quantiles: the slow ones of one replica count among all", () => {
    const { took } = figureSeries(
      [
        { minute: at(0), figures: { took: [{ boundSeconds: 0.01, count: 98 }] } },
        { minute: at(0), figures: { took: [{ boundSeconds: 1, count: 2 }] } },
      ],
      at(0),
      at(1),
      MINUTE,
    );
    assert.ok((took.p50[0] ?? 1) < 0.01 && (took.p95[0] ?? 1) < 0.01);
    assert.ok((took.p99[0] ?? 0) > 0.5);
  });

  it("add up what processes kept of one minute, figure by figure, and take the highest of slots over a step", () => {
    const { slots, hosts, ends, took } = figureSeries(
      [
        { minute: at(0), figures: { ends: { owner: 1 }, slots: { inUse: 1, all: 4 }, hosts: { open: 1 } } },
        {
          minute: at(0),
          figures: { ends: { owner: 2, lost: 1 }, slots: { inUse: 2, all: 3 }, hosts: { open: 1, full: 1 } },
        },
        { minute: at(1), figures: { slots: { inUse: 0, all: 5 } } },
      ],
      at(0),
      at(2),
      2 * MINUTE,
    );
    assert.deepEqual(
      [slots, hosts, ends, took.p50],
      [[7], { full: [1], open: [2] }, { lost: [1], owner: [3] }, [null]],
    );
  });

  it("begin minutes on the minute", () => {
    assert.deepEqual(minuteOf(new Date(start.getTime() + 59_999)), start);
    assert.deepEqual(minuteOf(at(1)), at(1));
  });
});

describe("a quantile", () => {
  it("is spread evenly within its bucket, whose lower bound is the next one's upper", () => {
    assert.equal(quantile([{ boundSeconds: 0.2, count: 10 }], 0.5), 0.15000000000000002);
    assert.equal(quantile([{ boundSeconds: 0.005, count: 1 }], 1), 0.005);
    assert.equal(
      quantile(
        [
          { boundSeconds: 0.01, count: 0 },
          { boundSeconds: 0.5, count: 4 },
        ],
        0.5,
      ),
      0.4,
    );
  });

  it("of none is none, and beyond the last bound is that bound", () => {
    assert.equal(quantile([], 0.5), null);
    assert.equal(quantile([{ boundSeconds: 1, count: 0 }], 0.5), null);
    assert.equal(quantile([{ boundSeconds: Infinity, count: 1 }], 0.99), 30);
  });
});

describe("the cost of droplets", () => {
  const life = (over: Partial<DropletLife>): DropletLife => ({
    name: "d",
    state: "joined",
    dropletId: 1,
    region: "fra1",
    size: "s",
    hourlyPrice: 0.5,
    orderedAt: at(0),
    joinedAt: at(1),
    goneAt: null,
    ...over,
  });

  it("counts only the time within the span, from order to end", () => {
    assert.deepEqual(costOf([life({ orderedAt: at(-600) })], at(0), at(120)), { hours: 2, dollars: 1 });
    assert.deepEqual(costOf([life({ goneAt: at(30) })], at(0), at(120)), { hours: 0.5, dollars: 0.25 });
    assert.deepEqual(costOf([life({ orderedAt: at(-600), goneAt: at(-1) })], at(0), at(120)), { hours: 0, dollars: 0 });
  });

  it("of an order without a droplet is nothing, and of an unknown price only the hours are known", () => {
    assert.deepEqual(costOf([life({ dropletId: null }), life({ hourlyPrice: null })], at(0), at(60)), {
      hours: 1,
      dollars: 0,
    });
  });
});
