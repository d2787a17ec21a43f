import { mkdir, readFile, writeFile } from "node:fs/promises";
import { projectPath } from "../../infra/process/project-path.ts";
import { linesPlot } from "./lines-plot.ts";

/** Draws the plots of docs/scale.md and of many instances in docs/benchmarks.md out of their tables. */
const MOST_MS = 100_000;
const numberIn = (cell: string) => Number(cell.replace(/[^\d.]/g, ""));

await mkdir(projectPath("docs/pictures"), { recursive: true });

const scale = await tableIn("docs/scale.md", "| step |");
const hosts = (scale[0] ?? []).slice(1, 4).map(numberIn);
const growths = scale.slice(1).map(([name = "", ...cells]) => ({
  name,
  points: hosts.map((x, index) => ({ x, y: numberIn(cells[index] ?? "") })),
}));
await writeFile(
  projectPath("docs/pictures/scale.svg"),
  linesPlot(
    growths,
    {
      scale: "logarithmic",
      ticks: [1, 10, 100, 1_000, 10_000, MOST_MS],
      nameOf: (ms) => `${ms} ms`,
      // As steep as this grows with the fleet.
      dotted: { from: 1, to: (hosts.at(-1) ?? 1) / (hosts[0] ?? 1) },
    },
    "hosts",
  ),
);

const [head = [], ...rows] = await tableIn("docs/benchmarks.md", "| instances |");
const densities = head.slice(2).map((name, column) => ({
  name: ["memory", "cold hand-out, p50", "cold hand-out, p99"][column] ?? name,
  points: rows.map((cells) => ({ x: numberIn(cells[0] ?? ""), y: numberIn(cells[column + 2] ?? "") })),
}));
await writeFile(
  projectPath("docs/pictures/density.svg"),
  linesPlot(
    densities,
    { scale: "linear", ticks: [0, 0.5, 1, 1.5, 2, 2.5], nameOf: (ratio) => `× ${ratio}` },
    "instances",
  ),
);

/** The cells of a table, by the beginning of its first line; the head first. */
async function tableIn(file: string, begin: string): Promise<string[][]> {
  const lines = (await readFile(projectPath(file), "utf8")).split("\n");
  const first = lines.findIndex((line) => line.startsWith(begin));
  if (first < 0) throw new Error(`${file} has no table that begins with ${begin}`);
  const after = lines.slice(first).findIndex((line) => !line.startsWith("|"));
  return lines
    .slice(first, first + after)
    .filter((_, index) => index !== 1)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}
