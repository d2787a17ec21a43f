import { spawn } from "node:child_process";
import { once } from "node:events";
import { glob } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pMap from "p-map";
import { step } from "../infra/process/progress.ts";
import { withSystemFolders } from "../infra/process/system-folders.ts";
import { ensureSystemPackages } from "../infra/servers/system-packages.ts";
import { fetchControlPackages } from "./bed/control-machine.ts";

/**
 * The `npm test` program: system packages, types, linter, then all tests on real parts; with paths as
 * arguments only the tests of those files, with --only-checks none. Exits with 1 when a test failed.
 */
const project = fileURLToPath(new URL("..", import.meta.url));
const paths = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const bin = (name: string) => `${project}node_modules/.bin/${name}`;
const AT_ONCE = 2;
/** Time that what a file has started gets to end after it. */
const LAST_WORDS_MS = 5_000;
/**
 * Each file has a network of its own, which ends with it: no way out of this machine, ports and packet
 * filter of its own, and no browser that gives up what it loads because machines elsewhere come and go.
 */
const ALONE = ["--pdeathsig", "TERM", "unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "test"];
process.env["PATH"] = withSystemFolders(process.env["PATH"]);

if (process.getuid?.() !== 0)
  throw new Error("the tests run Docker Engines in network namespaces of their own, which takes root: sudo npm test");
await step("system packages", async (note) => {
  const installed = await ensureSystemPackages([
    "bash",
    "docker",
    "dockerd",
    "iptables",
    "ip",
    "nft",
    "mariadbd",
    "mariadb-install-db",
    "my_print_defaults",
    "redis-server",
    "redis-cli",
    "systemctl",
    "dbus-daemon",
    "curl",
    "openssl",
    "chromium",
  ]);
  if (installed.length > 0) note(`installed ${installed.join(", ")}`);
});
await step("types", () => succeed(bin("tsc"), ["--project", project]));
await step("linter", () => succeed(bin("eslint"), ["--max-warnings=0", project]));
if (!process.argv.includes("--only-checks")) {
  const files = paths.length > 0 ? paths : (await Array.fromAsync(glob("test/**/*.test.ts", { cwd: project }))).sort();
  if (files.some((file) => file.endsWith("/deploy.test.ts")))
    await step("packages of a control plane", fetchControlPackages);
  await test(files);
}

/** Runs test files, the large ones first so that none of them is the last on its own, and sums up. */
async function test(files: readonly string[]): Promise<void> {
  const isLarge = (file: string) => /^test\/(e2e|infra)\//.test(file);
  console.log(`… ${files.length} test files, ${AT_ONCE} at a time`);
  const sums: Record<string, number> = {};
  const failures: string[] = [];
  await pMap(
    [...files.filter(isLarge), ...files.filter((file) => !isLarge(file))],
    async (file) => {
      const { code, said } = await runFile(file);
      console.log(`\n${code === 0 ? "✓" : "✖"} ${file}\n${said}`);
      for (const [, name = "", count] of said.matchAll(/^ℹ (tests|pass|fail|cancelled|skipped|todo) (\d+)$/gm))
        sums[name] = (sums[name] ?? 0) + Number(count);
      if (code !== 0) failures.push(`${file}\n${said.slice(Math.max(0, said.indexOf("✖ failing tests:")))}`);
    },
    { concurrency: AT_ONCE },
  );
  console.log(
    `\n${Object.entries(sums)
      .map(([name, count]) => `ℹ ${name} ${count}`)
      .join("\n")}`,
  );
  if (failures.length === 0) return;
  console.log(`\n✖ ${failures.length} of ${files.length} files failed:\n\n${failures.join("\n")}`);
  process.exitCode = 1;
}

async function runFile(file: string): Promise<{ code: number | null; said: string }> {
  const child = spawn("setpriv", [...ALONE, process.execPath, "--test-reporter=spec", file], {
    cwd: project,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const closed = once(child, "close").then(() => true);
  const [code] = (await once(child, "exit")) as [number | null];
  if (await Promise.race([closed, sleep(LAST_WORDS_MS, false)])) return { code, said };
  child.stdout.destroy();
  return {
    code: code || 1,
    said: `${said}✖ failing tests:\nsomething that it has started still runs, and writes to the terminal\n`,
  };
}

/** Runs a program in the project's folder with our terminal; its failure ends ours with the same code. */
async function succeed(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { cwd: project, stdio: ["ignore", "inherit", "inherit"] });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) process.exit(code ?? 1);
}
