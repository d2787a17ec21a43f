import { mkdir, readFile, writeFile } from "node:fs/promises";
import { projectPath } from "../../infra/process/project-path.ts";
import { growthPlot, type Growth } from "./growth-plot.ts";

/** Draws docs/pictures/scale.svg out of the table of docs/scale.md, so that both say the same. */
const lines = (await readFile(projectPath("docs/scale.md"), "utf8")).split("\n").filter((line) => line.startsWith("|"));
const [head = [], , ...rows] = lines.map((line) =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim()),
);
const numberIn = (cell: string) => Number(cell.replace(/[^\d.]/g, ""));
const hosts = head.slice(1, 4).map(numberIn);
const growths = rows.map(([step = "", ...cells]): Growth => ({
  step,
  points: hosts.map((count, index) => ({ hosts: count, ms: numberIn(cells[index] ?? "") })),
}));
await mkdir(projectPath("docs/pictures"), { recursive: true });
await writeFile(projectPath("docs/pictures/scale.svg"), growthPlot(growths));
