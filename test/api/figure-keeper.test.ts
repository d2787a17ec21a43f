import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createFigureKeeper } from "../../apps/api/figures/figure-keeper.ts";
import { createMetrics, type Metrics } from "../../apps/api/figures/metrics.ts";
import type { MinuteFigures } from "../../apps/core/figures/figures.ts";

const MINUTE = 60_000;
const start = Date.parse("2026-01-01T00:00:00Z");

describe("what a process counts", () => {
  let metrics: Metrics;
  let now: number;
  let kept: Map<string, MinuteFigures>;
  let isAway: boolean;
  let keeper: ReturnType<typeof createFigureKeeper>;
  beforeEach(() => {
    metrics = createMetrics({
      standings: () => [],
      countHandouts: () => Promise.resolve({ running: 0, startedEver: 0 }),
      listDroplets: () => Promise.resolve([]),
      listRuns: () => Promise.resolve([]),
    });
    now = start;
    kept = new Map();
    isAway = false;
    keeper = createFigureKeeper({
      metrics,
      keepMinute: (minute, source, figures) => {
        if (isAway) return Promise.reject(new Error("away"));
        kept.set(`${(minute.getTime() - start) / MINUTE} ${source}`, { ...figures });
        return Promise.resolve();
      },
      source: "p",
      clock: () => new Date(now),
    });
  });

  const count = (result: string, seconds?: number) => {
    metrics.handouts.inc({ result });
    if (seconds !== undefined) metrics.handoutSeconds.observe(seconds);
  };

  it("is kept by minute, each hand-out in the one bucket of its time", async () => {
    count("created", 0.007);
    count("created", 0.25);
    count("quota-exceeded");
    await keeper.keep();
    assert.deepEqual(kept.get("0 p"), {
      "handout.created": 2,
      "handout.quota-exceeded": 1,
      "took.0.01": 1,
      "took.0.3": 1,
    });
    count("created", 100);
    await keeper.keep();
    assert.deepEqual(kept.get("0 p"), {
      "handout.created": 3,
      "handout.quota-exceeded": 1,
      "took.0.01": 1,
      "took.0.3": 1,
      "took.+Inf": 1,
    });
    now += MINUTE;
    count("created", 0.007);
    await keeper.keep();
    assert.deepEqual(kept.get("1 p"), { "handout.created": 1, "took.0.01": 1 });
  });

  it("leaves out retries that got the known answer: they are no hand-outs, and no refusals", async () => {
    count("created", 0.007);
    count("replayed");
    await keeper.keep();
    assert.deepEqual(kept.get("0 p"), { "handout.created": 1, "took.0.01": 1 });
  });

  it("leaves no row where nothing happened", async () => {
    await keeper.keep();
    now += MINUTE;
    await keeper.keep();
    assert.equal(kept.size, 0);
  });

  it("waits while the store is away, and is kept for its own minutes later", async () => {
    isAway = true;
    count("created", 0.007);
    await assert.rejects(keeper.keep());
    now += MINUTE;
    count("unavailable");
    await assert.rejects(keeper.keep());
    isAway = false;
    now += MINUTE;
    await keeper.keep();
    assert.deepEqual(
      [...kept],
      [
        ["0 p", { "handout.created": 1, "took.0.01": 1 }],
        ["1 p", { "handout.unavailable": 1 }],
      ],
    );
  });

  it("is given up after two hours of waiting, the oldest first: memory is bounded", async () => {
    isAway = true;
    for (let minute = 0; minute < 200; minute++) {
      count("unavailable");
      await assert.rejects(keeper.keep());
      now += MINUTE;
    }
    isAway = false;
    await keeper.keep();
    assert.equal(kept.size, 119);
    assert.ok(!kept.has("0 p") && kept.has("199 p"));
  });
});
