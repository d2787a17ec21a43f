/** A figure at several sizes. */
export type Line = { readonly name: string; readonly points: readonly { readonly x: number; readonly y: number }[] };

/** The axis of the figures. `dotted`: a line from the first size to the last, between these figures. */
export type PlotAxis = {
  readonly scale: "logarithmic" | "linear";
  readonly ticks: readonly number[];
  readonly nameOf: (y: number) => string;
  readonly dotted?: { readonly from: number; readonly to: number };
};

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 84;
const RIGHT = 200;
const EDGE = 30;
const LEAST_GAP = 15;
const COLOURS = ["#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#0f766e", "#b91c1c", "#a16207", "#475569"];

/** Lines over sizes, whose axis is logarithmic, as an SVG on a ground of its own, with each line's name at its end. */
export function linesPlot(lines: readonly Line[], { scale, ticks, nameOf, dotted }: PlotAxis, sizes: string): string {
  const xs = (lines[0]?.points ?? []).map((point) => point.x);
  const [first, last] = [Math.min(...xs), Math.max(...xs)];
  const [least, most] = [Math.min(...ticks), Math.max(...ticks)];
  const x = (value: number) => LEFT + (Math.log(value / first) / Math.log(last / first)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => {
    const kept = Math.max(value, least);
    const share =
      scale === "linear" ? (kept - least) / (most - least) : Math.log(kept / least) / Math.log(most / least);
    return HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE);
  };
  const rows = lines
    .map((line, index) => ({
      ...line,
      colour: COLOURS[index % COLOURS.length],
      end: y(line.points.at(-1)?.y ?? least),
    }))
    .sort((a, b) => a.end - b.end);
  // Names stay apart.
  let above = -Infinity;
  const drawn = rows.map(({ name, points, colour, end }) => {
    above = Math.max(end, above + LEAST_GAP);
    const path = points.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(" ");
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>
<text x="${WIDTH - RIGHT + 8}" y="${(above + 4).toFixed(1)}" fill="${colour}">${name}</text>`;
  });
  const grid = ticks.map(
    (tick) => `<text x="${LEFT - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${nameOf(tick)}</text>
<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}" stroke="#d4d4d8"/>`,
  );
  const names = xs.map(
    (value) => `<text x="${x(value).toFixed(1)}" y="${HEIGHT - 8}" text-anchor="middle">${value} ${sizes}</text>`,
  );
  const dots = dotted
    ? [
        `<line x1="${x(first)}" y1="${y(dotted.from)}" x2="${x(last)}" y2="${y(dotted.to)}"
 stroke="#71717a" stroke-dasharray="2 4"/>`,
      ]
    : [];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
${[...grid, ...names, ...dots, ...drawn].join("\n")}
</svg>
`;
}
