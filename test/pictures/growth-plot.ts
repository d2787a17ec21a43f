/** What a step costs in fleets of several sizes. */
export type Growth = {
  readonly step: string;
  readonly points: readonly { readonly hosts: number; readonly ms: number }[];
};

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 60;
const RIGHT = 200;
const EDGE = 30;
const LEAST_GAP = 15;
const LEAST_MS = 1;
const MOST_MS = 100_000;
const COLOURS = ["#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#0f766e", "#b91c1c", "#a16207", "#475569"];

/** How costs grow, as an SVG with both axes logarithmic: a line as steep as the dotted one grows with the fleet. */
export function growthPlot(growths: readonly Growth[]): string {
  const sizes = (growths[0]?.points ?? []).map(({ hosts }) => hosts);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const x = (hosts: number) => LEFT + (Math.log(hosts / least) / Math.log(most / least)) * (WIDTH - LEFT - RIGHT);
  const y = (ms: number) => {
    const share = Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / Math.log(MOST_MS / LEAST_MS);
    return HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE);
  };
  const rows = growths
    .map((growth, index) => ({
      ...growth,
      colour: COLOURS[index % COLOURS.length],
      end: y(growth.points.at(-1)?.ms ?? 0),
    }))
    .sort((a, b) => a.end - b.end);
  // Names stay apart.
  let above = -Infinity;
  const lines = rows.map(({ step, points, colour, end }) => {
    above = Math.max(end, above + LEAST_GAP);
    const path = points.map(({ hosts, ms }) => `${x(hosts).toFixed(1)},${y(ms).toFixed(1)}`).join(" ");
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>
<text x="${WIDTH - RIGHT + 8}" y="${(above + 4).toFixed(1)}" fill="${colour}">${step}</text>`;
  });
  const ticks = [1, 10, 100, 1_000, 10_000, 100_000].map(
    (ms) => `<text x="${LEFT - 8}" y="${(y(ms) + 4).toFixed(1)}" text-anchor="end">${ms} ms</text>
<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(ms).toFixed(1)}" y2="${y(ms).toFixed(1)}" stroke="#d4d4d8"/>`,
  );
  const names = sizes.map(
    (hosts) => `<text x="${x(hosts).toFixed(1)}" y="${HEIGHT - 8}" text-anchor="middle">${hosts} hosts</text>`,
  );
  const linear = `<line x1="${x(least)}" y1="${y(LEAST_MS)}" x2="${x(most)}" y2="${y((LEAST_MS * most) / least)}"
 stroke="#71717a" stroke-dasharray="2 4"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
${[...ticks, ...names, linear, ...lines].join("\n")}
</svg>
`;
}
