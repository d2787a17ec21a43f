import { spawn, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { glob } from "node:fs/promises";
import { isAbsolute, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import pMap from "p-map";
import { endAllBelow } from "../infra/process/processes.ts";
import { projectPath } from "../infra/process/project-path.ts";
import { withSystemFolders } from "../infra/process/system-folders.ts";
import { CHECKS, type Check } from "./checks.ts";
import { readDurations } from "./durations.ts";
import { needOf } from "./needs.ts";
import { prepareMachine } from "./preparations.ts";
import { groupByBed } from "./together.ts";

/**
 * The `npm test` program: all tests, and types, linter, imports and format beside them. With paths as arguments
 * only the tests of those files; with --quick those that need nothing; with --only-checks none. Exits with 1 when
 * anything failed.
 */
const project = projectPath(".");
const { values: options, positionals } = parseArgs({
  options: { quick: { type: "boolean" }, "only-checks": { type: "boolean" } },
  allowPositionals: true,
});
/** More than there are processors: most files wait for something most of the time. */
const AT_ONCE = 5;
/** Time that what a file has started gets to end after it. */
const LAST_WORDS_MS = 5_000;
/** From asking to SIGKILL, when the run is interrupted. */
const GRACE_MS = 5_000;
/**
 * Files on one bed have a network of their own, which ends with it: no way out of this machine,
 * ports and packet filter of its own, and no browser that gives up what it loads because machines elsewhere
 * come and go.
 */
const ALONE = ["--pdeathsig", "TERM", "unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "test"];
process.env["PATH"] = withSystemFolders(process.env["PATH"]);
// Every program starts in half the time when its modules are compiled already.
process.env["NODE_COMPILE_CACHE"] ??= projectPath(".getaredis/compile-cache");
// Engines collect no garbage until they need much memory. They start themselves anew for each container's network, and
// a third of that start is to collect what goes with the process a moment later.
process.env["GOGC"] ??= "off";
process.env["GOMEMLIMIT"] ??= "200MiB";

let isTold = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    if (isTold) return;
    isTold = true;
    void endAllBelow(process.pid, GRACE_MS).finally(() => process.exit(1));
  });

/** Something of the run that ends well or not, and what it has said. */
interface Part {
  name: string;
  run: () => Promise<{ code: number | null; said: string }>;
}

const files = options["only-checks"]
  ? []
  : positionals.length > 0
    ? positionals.map((path) => (isAbsolute(path) ? relative(project, path) : path))
    : (await Array.fromAsync(glob("test/**/*.test.ts", { cwd: project }))).sort();
const pure = files.filter((file) => needOf(file) === "nothing");
const onMachine = options.quick ? [] : files.filter((file) => needOf(file) === "machine");
const isWhole = positionals.length === 0 && !options.quick;

if (pure.length > 0 && onMachine.length === 0 && !isWhole) {
  // Nothing else is there to show: as it comes.
  const { code } = await run(process.execPath, testArguments(pure), "inherit");
  process.exitCode = code ?? 1;
} else {
  if (onMachine.length > 0 && process.getuid?.() !== 0)
    throw new Error(
      "the tests run Docker Engines in network namespaces of their own, which takes root: sudo npm test; " +
        "`npm run test:quick` runs those that take none",
    );
  await runAll();
}

/** Runs all parts, and sums up. */
async function runAll(): Promise<void> {
  const durations = await readDurations();
  // While others run already.
  const ready = prepareMachine(onMachine);
  const inTurn = longAndShort(groupByBed(onMachine).toSorted((one, other) => durations.of(other) - durations.of(one)));
  const parts: Part[] = [
    ...(isWhole ? CHECKS.map(checkPart) : []),
    ...(pure.length > 0 ? [purePart(pure)] : []),
    ...inTurn.map((group) => ({
      name: group.join(", "),
      run: async () => {
        await Promise.all(group.map(ready));
        const startedAt = performance.now();
        const result = await runAlone(group);
        durations.note(group, (performance.now() - startedAt) / 1000);
        return result;
      },
    })),
  ];
  if (files.length > 0) console.log(`… ${files.length} test files, ${AT_ONCE} at a time`);
  const sums: Record<string, number> = {};
  const failures: string[] = [];
  await pMap(
    parts,
    async ({ name, run }) => {
      if (isTold) return;
      const startedAt = performance.now();
      const { code, said } = await run();
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      console.log(`\n${code === 0 ? "✓" : "✖"} ${name} (${seconds} s)\n${said}`);
      for (const [, sum = "", count] of said.matchAll(/^ℹ (tests|pass|fail|cancelled|skipped|todo) (\d+)$/gm))
        sums[sum] = (sums[sum] ?? 0) + Number(count);
      if (code !== 0) failures.push(`${name}\n${said.slice(Math.max(0, said.indexOf("✖ failing tests:")))}`);
    },
    { concurrency: AT_ONCE },
  );
  await durations.keep();
  console.log(
    `\n${Object.entries(sums)
      .map(([name, count]) => `ℹ ${name} ${count}`)
      .join("\n")}`,
  );
  if (failures.length === 0) return;
  console.log(`\n✖ ${failures.length} of ${parts.length} parts failed:\n\n${failures.join("\n")}`);
  process.exitCode = 1;
}

/**
 * Long files first, so that none of them is the last on its own, and the shortest ones between them: those mostly wait,
 * for servers to start and the like, while the long ones keep the processors busy.
 */
function longAndShort<T>(byDuration: readonly T[]): T[] {
  const middle = Math.ceil(byDuration.length / 2);
  const shortest = byDuration.slice(middle).reverse();
  return byDuration.slice(0, middle).flatMap((long, index) => [long, ...shortest.slice(index, index + 1)]);
}

function checkPart({ name, program, args }: Check): Part {
  return { name, run: () => run(process.execPath, [projectPath(`node_modules/${program}`), ...args]) };
}

function purePart(these: readonly string[]): Part {
  return {
    name: `${these.length} files that need nothing of this machine`,
    run: () => run(process.execPath, testArguments(these)),
  };
}

function testArguments(these: readonly string[]): string[] {
  // A process for each file would take three times the processor time, nearly all of it to start.
  const several = ["--test", "--test-isolation=none"];
  return [...(these.length > 1 ? several : []), "--test-reporter=spec", ...these];
}

async function runAlone(these: readonly string[]): Promise<{ code: number | null; said: string }> {
  return run("setpriv", [...ALONE, process.execPath, ...testArguments(these)]);
}

/** Runs a program in the project's folder and collects what it says; with "inherit" it says it itself. */
async function run(
  command: string,
  args: readonly string[],
  output: "pipe" | "inherit" = "pipe",
): Promise<{ code: number | null; said: string }> {
  const stdio: StdioOptions = ["ignore", output, output];
  // In a session of its own: a Ctrl-C reaches us alone, who end it with all that it has started.
  const child = spawn(command, args, { cwd: project, stdio, detached: output === "pipe" });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const closed = once(child, "close").then(() => true);
  const [code] = (await once(child, "exit")) as [number | null];
  // Nothing is waited for any more once it is over.
  if (await Promise.race([closed, sleep(LAST_WORDS_MS, false, { ref: false })])) return { code, said };
  for (const stream of [child.stdout, child.stderr]) stream?.destroy();
  return {
    code: code || 1,
    said: `${said}✖ failing tests:\nsomething that it has started still runs, and writes to the terminal\n`,
  };
}
