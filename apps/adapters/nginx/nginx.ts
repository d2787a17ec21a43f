import { execFile } from "node:child_process";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { ConfigurationPlane } from "../../core/balance/contract.ts";
import { PlaneFault } from "../../core/edge/plane-fault.ts";
import { messageOf } from "../../lib/errors.ts";

const run = promisify(execFile);

/** An nginx of ours, which is nobody else's; it serves on when the process that started it ends. */
export type Nginx = ConfigurationPlane & {
  /** Whether its first process is there. */
  readonly isRunning: () => Promise<boolean>;
  /** Ends it and all its connections. */
  readonly stop: () => Promise<void>;
};

const POLL_MS = 20;
const RUN_MS = 60_000;
const RELOAD_MS = 20_000;
const STOP_MS = 5_000;
const SBIN = "/usr/local/sbin:/usr/sbin:/sbin";

/**
 * An nginx with its files in `dir`, which configurations name as its folder, see `NginxOptions`. Nothing runs before
 * the first `load`; one that an earlier process has started is taken over.
 */
export function createNginx(dir: string): Nginx {
  const paths = { config: join(dir, "nginx.conf"), aside: join(dir, "test.conf"), former: join(dir, "former.conf") };
  const log = join(dir, "error.log");
  const pidFile = join(dir, "nginx.pid");
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:${SBIN}` };
  // Without -e it opens the distribution's log first, which may be out of its reach.
  const nginx = (...args: readonly string[]) => run("nginx", ["-p", dir, "-e", log, ...args], { env, timeout: RUN_MS });

  async function test(text: string): Promise<string | undefined> {
    // Its workers, who are not root, reach their folders through it.
    await mkdir(dir, { recursive: true, mode: 0o711 });
    await writeFile(paths.aside, text, { mode: 0o600 });
    try {
      await nginx("-t", "-q", "-c", paths.aside);
      return undefined;
    } catch (fault) {
      const { stderr = "" } = fault as { stderr?: string };
      if (stderr === "") throw new PlaneFault(`nginx cannot be run: ${messageOf(fault)}`, { cause: fault });
      return emergenciesIn(stderr) || stderr.trim();
    } finally {
      await rm(paths.aside, { force: true });
    }
  }

  /** The former configuration stands where it stood until nginx has taken on this one. */
  async function load(text: string): Promise<string | undefined> {
    await mkdir(dir, { recursive: true, mode: 0o711 });
    const hadOne = await rename(paths.config, paths.former).then(
      () => true,
      () => false,
    );
    try {
      await writeFile(paths.config, text, { mode: 0o600 });
      const pid = await masterPid();
      await (pid === undefined ? start() : reload(pid));
    } catch (fault) {
      if (hadOne) await rename(paths.former, paths.config);
      else await rm(paths.config, { force: true });
      if (!(fault instanceof PlaneFault)) throw fault;
      return fault.message;
    }
    await rm(paths.former, { force: true });
    return undefined;
  }

  /** Resolves when it listens: nginx goes to the background only then. */
  async function start(): Promise<void> {
    await rm(pidFile, { force: true });
    try {
      await nginx("-c", paths.config);
    } catch (fault) {
      const { stderr = "" } = fault as { stderr?: string };
      throw new PlaneFault(`it does not start: ${emergenciesIn(stderr) || messageOf(fault)}`, { cause: fault });
    }
  }

  /**
   * nginx says nothing when it does not take on a configuration that it could read: no new worker comes then. When one
   * comes, those before it still take connections for a moment.
   */
  async function reload(pid: number): Promise<void> {
    const before = new Set((await workersOf(pid)).serving);
    const logged = await sizeOf(log);
    const isTakenOn = async () => {
      const { serving } = await workersOf(pid);
      return serving.length > 0 && !serving.some((worker) => before.has(worker));
    };
    process.kill(pid, "SIGHUP");
    const deadline = performance.now() + RELOAD_MS;
    while (!(await isTakenOn())) {
      const said = emergenciesIn((await readFile(log)).subarray(logged).toString());
      // It tries some times to get a port that is taken.
      if (/still could not bind|^(?!.*bind\(\) to)./.test(said) || performance.now() > deadline)
        throw new PlaneFault(`it does not take it on: ${said || "it does not say why"}`);
      await delay(POLL_MS);
    }
  }

  async function masterPid(): Promise<number | undefined> {
    const pid = Number((await readFile(pidFile, "utf8").catch(() => "")).trim());
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    // By now, the number may be another program's.
    const title = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return title.includes("nginx: master") && title.includes(paths.config) ? pid : undefined;
  }

  async function isRunning(): Promise<boolean> {
    return (await masterPid()) !== undefined;
  }

  async function stop(): Promise<void> {
    const pid = await masterPid();
    if (pid === undefined) return;
    process.kill(pid, "SIGTERM");
    const deadline = performance.now() + STOP_MS;
    while (await isRunning()) {
      if (performance.now() > deadline) {
        const { serving, leaving } = await workersOf(pid);
        for (const each of [pid, ...serving, ...leaving]) process.kill(each, "SIGKILL");
        return;
      }
      await delay(POLL_MS);
    }
  }

  return { name: "nginx", test, load, isRunning, stop };
}

/** Processes that a master has started: those that serve, and those that only finish what they have begun. */
async function workersOf(pid: number): Promise<{ readonly serving: number[]; readonly leaving: number[] }> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const workers: { serving: number[]; leaving: number[] } = { serving: [], leaving: [] };
  for (const child of children.trim().split(" ").filter(Boolean)) {
    const title = await readFile(`/proc/${child}/cmdline`, "utf8").catch(() => "");
    (title.includes("shutting down") || title === "" ? workers.leaving : workers.serving).push(Number(child));
  }
  return workers;
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

/** What nginx complains of, on one line. */
function emergenciesIn(text: string): string {
  const lines = text.split("\n").filter((line) => line.includes("[emerg]"));
  return [...new Set(lines.map((line) => line.replace(/^.*?\[emerg\] (\d+#\d+: )?/, "").trim()))].join("; ");
}
