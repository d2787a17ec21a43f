import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bench } from "./bench.ts";
import { summarize, timeFigures, type Figure } from "./figure.ts";
import { openLoop } from "./open-loop.ts";
import { readBenchOrder } from "./options.ts";
import { quantile, spreadOf } from "./statistics.ts";
import { listOf, tableOf } from "./table.ts";

const bench: Bench = {
  name: "warm",
  measures: "time to PONG",
  yardstick: "docker run",
  goal: "ratio <= 0.5",
  run: () => Promise.resolve({ figures: [] }),
};

test("a quantile is one of the values: the nearest rank", () => {
  const values = [5, 1, 4, 2, 3];
  assert.equal(quantile(values, 0.5), 3);
  assert.equal(quantile(values, 0.99), 5);
  assert.equal(quantile(values, 0), 1);
  assert.equal(quantile([7], 0.5), 7);
  assert.ok(Number.isNaN(quantile([], 0.5)));
  assert.deepEqual(spreadOf(values), { least: 1, most: 5 });
  assert.deepEqual(values, [5, 1, 4, 2, 3], "they stay in their order");
});

test("a ratio is that of all rounds together, and its spread that of the rounds alone", () => {
  const summary = summarize({
    what: "",
    unit: "ms",
    share: 0.5,
    rounds: [
      [1, 1, 1],
      [2, 2, 2],
      [3, 3, 3],
    ],
    yardstick: [
      [10, 10, 10],
      [10, 10, 10],
      [10, 10, 10],
    ],
  });
  assert.deepEqual(summary.value, { all: 2, least: 1, most: 3 });
  assert.deepEqual(summary.yardstick, { all: 10, least: 10, most: 10 });
  assert.deepEqual(summary.ratio, { all: 0.2, least: 0.1, most: 0.3 });
  assert.equal(summary.rounds, 3);
  assert.equal(summary.samples, 9);
});

test("a round is compared with the yardstick of the same round", () => {
  // The machine was twice as slow in the second round, which says nothing of what is measured.
  const { ratio } = summarize({ what: "", unit: "ms", share: 0.5, rounds: [[1], [2]], yardstick: [[4], [8]] });
  assert.deepEqual(ratio, { all: 0.25, least: 0.25, most: 0.25 });
});

test("a goal bounds the ratio or the value, from above or from below", () => {
  const figure: Figure = { what: "", unit: "", share: 0.5, rounds: [[6]], yardstick: [[10]] };
  const isReached = (goal: Figure["goal"]) => summarize({ ...figure, ...(goal && { goal }) }).isReached;
  assert.equal(isReached({ of: "ratio", atMost: 0.6 }), true);
  assert.equal(isReached({ of: "ratio", atMost: 0.5 }), false);
  assert.equal(isReached({ of: "ratio", atLeast: 0.6 }), true);
  assert.equal(isReached({ of: "ratio", atLeast: 0.7 }), false);
  assert.equal(isReached({ of: "value", atMost: 6 }), true);
  assert.equal(isReached({ of: "value", atMost: 5 }), false);
  assert.equal(isReached(undefined), undefined);
});

test("a goal for a ratio is missed where there is no yardstick or no sample", () => {
  const goal = { of: "ratio", atMost: 1 } as const;
  assert.equal(summarize({ what: "", unit: "", share: 0.5, rounds: [[1]], goal }).isReached, false);
  assert.equal(summarize({ what: "", unit: "", share: 0.5, rounds: [[]], yardstick: [[1]], goal }).isReached, false);
});

test("times are told as the median and the 99th percentile", () => {
  const rounds = [Array.from({ length: 100 }, (_, index) => index + 1)];
  const [p50, p99] = timeFigures("POST", rounds, rounds, { p99: { of: "ratio", atMost: 1 } }).map(summarize);
  assert.equal(p50?.what, "POST, p50");
  assert.equal(p50.value.all, 50);
  assert.equal(p50.goal, undefined);
  assert.equal(p99?.value.all, 99);
  assert.equal(p99.isReached, true);
});

test("the table shows value, yardstick, ratio, spread, goal, and what was missed", () => {
  const goal = { of: "ratio", atMost: 0.5 } as const;
  const text = tableOf(
    bench,
    timeFigures("POST", [[12.34], [20]], [[100], [100]], { p50: goal, p99: { ...goal, atMost: 0.1 } }).map(summarize),
    ["a note"],
  );
  const lines = text.split("\n");
  assert.deepEqual(lines.slice(0, 2), ["warm: time to PONG", "  beside docker run"]);
  const cellsOf = (line = "") => line.trim().split(/ {2,}/);
  assert.deepEqual(cellsOf(lines[2]), ["value", "yardstick", "ratio", "rounds alone", "goal"]);
  assert.deepEqual(cellsOf(lines[3]), [
    "POST, p50",
    "12.3 ms",
    "100 ms",
    "0.123",
    "0.123 to 0.200 (2)",
    "<= 0.500",
    "reached",
  ]);
  assert.deepEqual(cellsOf(lines[4]), [
    "POST, p99",
    "20 ms",
    "100 ms",
    "0.200",
    "0.123 to 0.200 (2)",
    "<= 0.100",
    "MISSED",
  ]);
  assert.equal(lines[5], "  a note");
  const [first = "", second = ""] = [lines[3], lines[4]];
  assert.equal(first.indexOf("<= 0.500"), second.indexOf("<= 0.100"), "columns are aligned");
});

test("the table goes without what a figure does not have", () => {
  const figure: Figure = {
    what: "choosing a host",
    unit: "us",
    share: 0.5,
    rounds: [[3]],
    goal: { of: "value", atMost: 20 },
  };
  const [, , , row = ""] = tableOf(bench, [summarize(figure)]).split("\n");
  assert.deepEqual(row.trim().split(/ {2,}/), ["choosing a host", "3 us", "<= 20 us", "reached"]);
  assert.equal(tableOf(bench, []), "warm: time to PONG\n  beside docker run");
});

test("the list tells each measurement, its yardstick and its goal", () => {
  assert.equal(listOf([bench]), "warm\n  time to PONG\n  beside docker run; goal: ratio <= 0.5");
});

test("all measurements run in their own order, or those that are named", () => {
  const known = ["cold", "warm", "memory"];
  assert.deepEqual(readBenchOrder([], known), { kind: "run", names: known, json: undefined });
  assert.deepEqual(readBenchOrder(["--only", "memory", "--only", "cold", "--json", "-"], known), {
    kind: "run",
    names: ["cold", "memory"],
    json: "-",
  });
  assert.deepEqual(readBenchOrder(["--list"], known), { kind: "list" });
});

test("an unknown measurement or option is refused, with those that there are", () => {
  const unknown = readBenchOrder(["--only", "warm", "--only", "hot", "--only", "tepid"], ["cold", "warm"]);
  assert.deepEqual(unknown, {
    kind: "fault",
    text: 'There is no measurement "hot", "tepid". These are there: cold, warm',
  });
  const option = readBenchOrder(["--fast"], ["cold"]);
  assert.ok(option.kind === "fault" && option.text.includes("--fast") && option.text.includes("--only NAME"));
  const positional = readBenchOrder(["cold"], ["cold"]);
  assert.equal(positional.kind, "fault");
});

test("arrivals wait for nobody: work that takes long does not put off the next", async () => {
  let begun = 0;
  let finish: (() => void) | undefined;
  const untilAllBegun = new Promise<void>((resolve) => (finish = resolve));
  const times = await openLoop(5, 1000, async () => {
    begun++;
    if (begun === 5) finish?.();
    await untilAllBegun;
  });
  assert.equal(times.length, 5);
});

test("a time counts from when the work was to begin, also when it began late", async () => {
  // The first one holds up the process; those that were due meanwhile have waited.
  const [held = 0, waited = 0] = await openLoop(2, 1000, (index) => {
    const until = performance.now() + (index === 0 ? 30 : 0);
    while (performance.now() < until);
    return Promise.resolve();
  });
  assert.ok(waited > held - 2, `${waited} ms, although it was due 1 ms after the one that took ${held} ms`);
});
