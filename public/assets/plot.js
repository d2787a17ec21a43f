import { find } from "./elements.js";

/** A little room above the highest value. */
const HEADROOM = 1.15;

/**
 * Draws values over time into an svg of 100 by 100: zero at the bottom, now at the right.
 * @param {SVGElement} svg  With a path .line and a path .area.
 * @param {{atMs: number, value: number}[]} points  In the order of time.
 * @param {{nowMs: number, spanMs: number, gapMs: number, least: number}} scale  Points further apart than
 *   `gapMs` are not joined; a highest value below `least` does not fill the height.
 */
export function drawPlot(svg, points, { nowMs, spanMs, gapMs, least }) {
  const top = Math.max(least, ...points.map(({ value }) => value)) * HEADROOM;
  /** @type {{ x: number, path: string }[]} */
  const runs = [];
  let lastMs = -Infinity;
  for (const { atMs, value } of points) {
    const x = round(100 - ((nowMs - atMs) / spanMs) * 100);
    const y = round(100 - (value / top) * 100);
    const run = atMs - lastMs <= gapMs ? runs.at(-1) : undefined;
    if (run) run.path += `L${x} ${y}`;
    else runs.push({ x, path: `M${x} ${y}` });
    lastMs = atMs;
  }
  find(SVGElement, ".line", svg).setAttribute("d", runs.map(({ path }) => path).join(""));
  find(SVGElement, ".area", svg).setAttribute("d", runs.map(({ x, path }) => `${path}V100H${x}Z`).join(""));
}

/** @param {number} number */
function round(number) {
  return Math.round(number * 10) / 10;
}
