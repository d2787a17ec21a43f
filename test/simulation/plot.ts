import type { Outcome } from "./simulate.ts";

const WIDTH = 720;
const HEIGHT = 300;
const LEFT = 50;
const TOP = 40;
const BOTTOM = 30;
const HOUR_MS = 3_600_000;
/** Legible on white and on black. */
const COLOURS = ["#d9534f", "#3d8fd1", "#3fa45b", "#b06fc9"];
const INK = "#888";

/** Droplets over time, a line a policy, above the fewest that the leases fit in. */
export function hoursPlot(outcomes: ReadonlyMap<string, Outcome>): string {
  const all = [...outcomes.values()];
  const series = all[0]?.series ?? [];
  const first = series[0]?.atMs ?? 0;
  const last = series.at(-1)?.atMs ?? 1;
  const most = Math.max(1, ...all.flatMap((outcome) => outcome.series.map(({ droplets }) => droplets)));
  const x = (atMs: number) => LEFT + ((atMs - first) / Math.max(1, last - first)) * (WIDTH - LEFT - 10);
  const y = (droplets: number) => HEIGHT - BOTTOM - (droplets / most) * (HEIGHT - TOP - BOTTOM);
  const path = (points: readonly (readonly [number, number])[]) =>
    points.map(([at, value], index) => `${index === 0 ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const least = series.map(({ atMs, least: value }) => [atMs, value] as const);
  const lines = [...outcomes].map(
    ([, outcome], index) =>
      `<path d="${path(outcome.series.map(({ atMs, droplets }) => [atMs, droplets] as const))}" fill="none" ` +
      `stroke="${COLOURS[index % COLOURS.length] ?? INK}" stroke-width="2"/>`,
  );
  const legend = [...outcomes.keys(), "least"].map(
    (name, index) =>
      `<text x="${LEFT + index * 130}" y="20" fill="${name === "least" ? INK : (COLOURS[index % COLOURS.length] ?? INK)}">` +
      `${name === "seed" ? "Get A Redis" : name}</text>`,
  );
  const hours = series
    .filter(({ atMs }) => atMs % (6 * HOUR_MS) === 0)
    .map(
      ({ atMs }) =>
        `<text x="${x(atMs).toFixed(1)}" y="${HEIGHT - 10}" text-anchor="middle" fill="${INK}">` +
        `${(atMs / HOUR_MS) % 24}:00</text>`,
    );
  const levels = [0, most].map(
    (value) => `<text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end" fill="${INK}">${value}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"`,
    `  aria-label="Droplets over a day, by policy" font-family="sans-serif" font-size="12">`,
    `<path d="${path(least)}L${x(last)} ${y(0)}L${x(first)} ${y(0)}Z" fill="${INK}" fill-opacity="0.25"/>`,
    ...lines,
    ...legend,
    ...hours,
    ...levels,
    "</svg>",
    "",
  ].join("\n");
}
