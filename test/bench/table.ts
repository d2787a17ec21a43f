import type { Bench } from "./bench.ts";
import type { Goal, Spread, Summary } from "./figure.ts";

const HEADERS = ["", "value", "yardstick", "ratio", "rounds alone", "goal", ""];

/** What a measurement has found, for people to read. */
export function tableOf(
  { name, measures, yardstick }: Bench,
  figures: readonly Summary[],
  notes: readonly string[] = [],
): string {
  const rows = figures.map((figure) => [
    figure.what,
    `${digits(figure.value.all)} ${figure.unit}`,
    figure.yardstick ? `${digits(figure.yardstick.all)} ${figure.unit}` : "",
    figure.ratio ? digits(figure.ratio.all) : "",
    rangeOf(figure),
    figure.goal ? wordsOf(figure.goal, figure.unit) : "",
    figure.isReached === undefined ? "" : figure.isReached ? "reached" : "MISSED",
  ]);
  const lines = rows.length === 0 ? [] : aligned([HEADERS, ...rows]);
  return [`${name}: ${measures}`, `  beside ${yardstick}`, ...[...lines, ...notes].map((line) => `  ${line}`)].join(
    "\n",
  );
}

/** All measurements there are, for `--list`. */
export function listOf(benches: readonly Bench[]): string {
  return benches
    .flatMap(({ name, measures, yardstick, goal }) => [
      name,
      `  ${measures}`,
      `  beside ${yardstick}${goal === "" ? "" : `; goal: ${goal}`}`,
    ])
    .join("\n");
}

/** Of the ratio where there is one: what a single round would have told. */
function rangeOf({ rounds, value, ratio }: Summary): string {
  if (rounds < 2) return "";
  const { least, most }: Spread = ratio ?? value;
  return `${digits(least)} to ${digits(most)} (${rounds})`;
}

function wordsOf(goal: Goal, unit: string): string {
  const [sign, bound] = "atMost" in goal ? ["<=", goal.atMost] : [">=", goal.atLeast];
  return `${sign} ${digits(bound)}${goal.of === "value" ? ` ${unit}` : ""}`;
}

/** Three digits that count. */
function digits(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** The first column to the left, the others to the right, but words at the end. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADERS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}
