import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import type { Outcome } from "./bench.ts";
import { benches } from "./benches.ts";
import { summarize, type Summary } from "./figure.ts";
import { readBenchOrder } from "./options.ts";
import { listOf, tableOf } from "./table.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Whether it was told to end. */
let isTold = false;

/** The `npm run bench` program: each measurement in a process of its own, one after the other. */
const order = readBenchOrder(
  process.argv.slice(2),
  benches.map(({ name }) => name),
);
if (order.kind === "list") console.log(listOf(benches));
else if (order.kind === "help") console.log(order.text);
else if (order.kind === "fault") {
  console.error(order.text);
  process.exitCode = 2;
} else await measure(order.names, order.json);

async function measure(names: readonly string[], json: string | undefined): Promise<void> {
  const measured: { name: string; seconds: number; figures: readonly Summary[]; notes: readonly string[] }[] = [];
  for (const bench of benches.filter(({ name }) => names.includes(name))) {
    if (isTold) break;
    const begun = performance.now();
    const outcome = await runAlone(bench.name);
    const seconds = Math.round((performance.now() - begun) / 1000);
    if (!outcome) {
      console.error(`${bench.name} failed after ${seconds} s.`);
      process.exitCode = 1;
      continue;
    }
    const figures = outcome.figures.map(summarize);
    const notes = outcome.notes ?? [];
    measured.push({ name: bench.name, seconds, figures, notes });
    if (json !== "-") console.log(`${tableOf(bench, figures, notes)}\n  ${seconds} s\n`);
  }
  if (json === undefined) return;
  const machine = { processors: availableParallelism(), memoryMb: Math.round(totalmem() / 1024 ** 2) };
  const text = `${JSON.stringify({ at: new Date().toISOString(), machine, measured }, null, 2)}\n`;
  if (json === "-") process.stdout.write(text);
  else await writeFile(json, text);
}

/** What a measurement has found; undefined when it failed. What it has to say besides goes to standard error. */
async function runAlone(name: string): Promise<Outcome | undefined> {
  // In a session of its own: a Ctrl-C reaches us alone, and it ends what it has started before it ends.
  const child = fork(fileURLToPath(new URL("one.ts", import.meta.url)), [name], {
    stdio: ["ignore", 2, 2, "ipc"],
    detached: true,
  });
  let outcome: Outcome | undefined;
  child.on("message", (message) => (outcome = message as Outcome));
  const end = () => {
    isTold = true;
    child.kill("SIGTERM");
  };
  for (const signal of SIGNALS) process.on(signal, end);
  const [code] = (await once(child, "exit")) as [number | null];
  for (const signal of SIGNALS) process.off(signal, end);
  return code === 0 ? outcome : undefined;
}
