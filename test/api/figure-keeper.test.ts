import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createFigureKeeper } from "../../apps/api/figures/figure-keeper.ts";
import { createMetrics, type Metrics } from "../../apps/api/figures/metrics.ts";
import type { HandoutOutcome, MinuteFigures } from "../../apps/core/figures/figures.ts";

const MINUTE = 60_000;
const start = Date.parse("2026-01-01T00:00:00Z");

describe("what a process counts", () => {
  let metrics: Metrics;
  let now: number;
  let kept: Map<string, MinuteFigures>;
  let isAway: boolean;
  let writes: number;
  let keeper: ReturnType<typeof createFigureKeeper>;
  beforeEach(() => {
    metrics = createMetrics({
      version: "1.2.3",
      standings: () => [],
      countHandouts: () => Promise.resolve({ running: 0, startedEver: 0 }),
      listServers: () => Promise.resolve([]),
      readAdmission: () => Promise.resolve({ load: 0, bits: 0 }),
      listWarm: () => Promise.resolve([]),
      countWanted: () => Promise.resolve(0),
      listDroplets: () => Promise.resolve([]),
      listRuns: () => Promise.resolve([]),
      countMisused: () => Promise.resolve([]),
      readTransfer: () => Promise.resolve({ dayBytes: 0, throttled: 0 }),
      transferAlarmBytes: 0,
      hasEdge: false,
      listGateways: () => Promise.resolve([]),
      listServiceReports: () => Promise.resolve([]),
      listAlarms: () => Promise.resolve([]),
      countMessages: () => Promise.resolve([]),
    });
    now = start;
    kept = new Map();
    isAway = false;
    writes = 0;
    keeper = createFigureKeeper({
      tally: metrics.handoutTally,
      keepMinute: (minute, source, figures) => {
        if (isAway) return Promise.reject(new Error("away"));
        writes++;
        kept.set(`${(minute.getTime() - start) / MINUTE} ${source}`, { ...figures });
        return Promise.resolve();
      },
      source: "p",
      clock: () => new Date(now),
    });
  });

  const count = (result: HandoutOutcome | "replayed", seconds?: number) => {
    metrics.countHandout(result);
    if (seconds !== undefined) metrics.timeHandout(seconds);
  };

  it("is kept by minute, each hand-out in the one bucket of its time", async () => {
    count("created", 0.007);
    count("created", 0.25);
    count("quota-exceeded");
    await keeper.keep();
    assert.deepEqual(kept.get("0 p"), {
      handouts: { created: 2, "quota-exceeded": 1 },
      took: [
        { boundSeconds: 0.01, count: 1 },
        { boundSeconds: 0.3, count: 1 },
      ],
    });
    count("created", 100);
    await keeper.keep();
    assert.deepEqual(kept.get("0 p"), {
      handouts: { created: 3, "quota-exceeded": 1 },
      took: [
        { boundSeconds: 0.01, count: 1 },
        { boundSeconds: 0.3, count: 1 },
        { boundSeconds: Infinity, count: 1 },
      ],
    });
    now += MINUTE;
    count("created", 0.007);
    await keeper.keep();
    assert.deepEqual(kept.get("1 p"), { handouts: { created: 1 }, took: [{ boundSeconds: 0.01, count: 1 }] });
  });

  it("tells how hand-outs began, to those who keep it and to Prometheus alike", async () => {
    for (const began of ["warm", "warm", "cold"] as const) {
      count("created", 0.007);
      metrics.countBeginning(began);
    }
    await keeper.keep();
    assert.deepEqual(kept.get("0 p")?.began, { warm: 2, cold: 1 });
    const text = await metrics.registry.metrics();
    assert.match(text, /getaredis_handout_beginnings_total\{began="warm"\} 2\n/);
    assert.match(text, /getaredis_handout_beginnings_total\{began="cold"\} 1\n/);
  });

  it("leaves out retries that got the known answer: they are no hand-outs, and no refusals", async () => {
    count("created", 0.007);
    count("replayed");
    await keeper.keep();
    assert.deepEqual(kept.get("0 p"), { handouts: { created: 1 }, took: [{ boundSeconds: 0.01, count: 1 }] });
  });

  it("is the same that Prometheus reads, each hand-out in the bucket whose bound it does not pass", async () => {
    for (const seconds of [0.005, 0.0051, 30, 31]) count("created", seconds);
    count("replayed");
    await keeper.keep();
    const text = await metrics.registry.metrics();
    const below = (bound: string) =>
      Number(
        new RegExp(`getaredis_handout_duration_seconds_bucket\\{le="${bound.replace("+", "\\+")}"\\} (\\d+)`).exec(
          text,
        )?.[1],
      );
    assert.deepEqual([below("0.005"), below("0.01"), below("30"), below("+Inf")], [1, 2, 3, 4]);
    assert.deepEqual(
      kept.get("0 p")?.took,
      [0.005, 0.01, 30, Infinity].map((boundSeconds) => ({ boundSeconds, count: 1 })),
    );
    assert.match(text, /getaredis_handouts_total\{result="created"\} 4\n/);
    assert.match(text, /getaredis_handouts_total\{result="replayed"\} 1\n/);
  });

  it("is written again only when more has come", async () => {
    count("created", 0.007);
    await keeper.keep();
    await keeper.keep();
    assert.equal(writes, 1);
    count("created", 0.007);
    await keeper.keep();
    now += MINUTE;
    await keeper.keep();
    await keeper.keep();
    assert.equal(writes, 2);
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
        ["0 p", { handouts: { created: 1 }, took: [{ boundSeconds: 0.01, count: 1 }] }],
        ["1 p", { handouts: { unavailable: 1 } }],
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
