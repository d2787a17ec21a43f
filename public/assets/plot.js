/** A little room above the highest value. */
const HEADROOM = 1.15;

/**
 * Draws a figure's course into an svg of 100 by 100: zero at the bottom, now at the right.
 * @param {SVGElement} svg  With a path .line and a path .area.
 * @param {{atMs: number, value: number}[]} points  In the order of time.
 * @param {{nowMs: number, spanMs: number, gapMs: number, least: number}} scale  Points further apart than
 *   `gapMs` are not joined; a course that stays below `least` stays low.
 */
export function drawPlot(svg, points, { nowMs, spanMs, gapMs, least }) {
  const top = Math.max(least, ...points.map(({ value }) => value)) * HEADROOM;
  const runs = [];
  for (const [index, { atMs, value }] of points.entries()) {
    const place = [round(100 - ((nowMs - atMs) / spanMs) * 100), round(100 - (value / top) * 100)];
    if (index > 0 && atMs - points[index - 1].atMs <= gapMs) runs.at(-1).push(place);
    else runs.push([place]);
  }
  const line = (run) => `M${run.map((place) => place.join(" ")).join("L")}`;
  svg.querySelector(".line").setAttribute("d", runs.map(line).join(""));
  svg.querySelector(".area").setAttribute("d", runs.map((run) => `${line(run)}V100H${run[0][0]}Z`).join(""));
}

function round(number) {
  return Math.round(number * 10) / 10;
}
