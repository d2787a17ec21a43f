import { spawn } from "node:child_process";
import { once } from "node:events";
import { glob } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { step } from "../infra/local/progress.ts";
import { ensureSystemPackages, withSystemFolders } from "../infra/local/system-packages.ts";

/**
 * The `npm test` program: system packages, types, linter, then all tests on real parts; with paths as
 * arguments only the tests of those files, with --only-checks none. Exits with the first failure's code.
 */
const project = fileURLToPath(new URL("..", import.meta.url));
const paths = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const bin = (name: string) => `${project}node_modules/.bin/${name}`;
process.env["PATH"] = withSystemFolders(process.env["PATH"]);

if (process.getuid?.() !== 0) throw new Error("the tests run Docker Engines in network namespaces of their own, which takes root: sudo npm test");
await step("system packages", async (note) => {
  const installed = await ensureSystemPackages(["bash", "docker", "dockerd", "iptables", "ip", "nft", "mariadbd", "mariadb-install-db", "my_print_defaults", "redis-server", "redis-cli", "systemctl", "dbus-daemon", "curl", "openssl", "chromium"]);
  if (installed.length > 0) note(`installed ${installed.join(", ")}`);
});
await step("types", () => succeed(bin("tsc"), ["--project", project]));
await step("linter", () => succeed(bin("eslint"), ["--max-warnings=0", project]));
if (!process.argv.includes("--only-checks")) {
  const files = paths.length > 0 ? paths : (await Array.fromAsync(glob("test/**/*.test.ts", { cwd: project }))).sort();
  // Whole fleets, engines and browsers want the machine for themselves; what is beside them only makes them late.
  const isLarge = (file: string) => file.startsWith("test/e2e/") || file.startsWith("test/infra/");
  const rounds: [files: string[], atOnce: number][] = [[files.filter((file) => !isLarge(file)), 2], [files.filter(isLarge), 1]];
  for (const [some, atOnce] of rounds.filter(([{ length }]) => length > 0)) {
    console.log(`… ${some.length} test files, ${atOnce} at a time`);
    await succeed(process.execPath, ["--test", `--test-concurrency=${atOnce}`, "--test-reporter=spec", ...some]);
  }
}

/** Runs a program in the project's folder with our terminal; its failure ends ours with the same code. */
async function succeed(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { cwd: project, stdio: ["ignore", "inherit", "inherit"] });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) process.exit(code ?? 1);
}
