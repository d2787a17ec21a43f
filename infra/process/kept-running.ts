import { spawn } from "node:child_process";
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../apps/lib/errors.ts";
import { endProcess, isSameProcess, markProcess, sendSignal } from "./processes.ts";
import type { ProcessMark } from "./processes.ts";

const LONGEST_PAUSE_MS = 30_000;
/** A program that ran this long has not failed for the reason it failed before. */
const STEADY_MS = 60_000;

/** A program that is started again whenever it ends. */
export interface KeptRunning {
  logFile: string;
  /** How many times it has ended by itself so far. */
  failures: () => number;
  /** Ends it for good and waits; it gets `stopGraceMs` to finish what it does. */
  stop: () => Promise<void>;
  /** SIGKILL, without waiting. */
  kill: () => Promise<void>;
}

export interface Program {
  name: string;
  command: string;
  args: string[];
  /** Asked before each start, so that it can hand out what the last run may have lost. */
  env: () => Promise<NodeJS.ProcessEnv> | NodeJS.ProcessEnv;
  stopGraceMs: number;
}

export interface Places {
  logsDir: string;
  /** Where the pids of what runs are written down, for a next run to find after this one was killed. */
  pidsDir: string;
}

/** Starts a program and keeps it running; `say` hears of each end. Its output goes to a log file, the last run's is kept beside it. */
export async function keepRunning(program: Program, places: Places, say: (text: string) => void): Promise<KeptRunning> {
  const { name } = program;
  await Promise.all([places.logsDir, places.pidsDir].map((dir) => mkdir(dir, { recursive: true, mode: 0o700 })));
  const logFile = join(places.logsDir, `${name}.log`);
  await rename(logFile, `${logFile}.1`).catch(() => undefined);
  const markFile = join(places.pidsDir, name);

  const stopping = new AbortController();
  const isStopping = () => stopping.signal.aborted;
  const current: { pid?: number } = {};
  let failures = 0;

  const runOnce = async (): Promise<string> => {
    const env = await program.env();
    const log = await open(logFile, "a", 0o600);
    // A session of its own: Ctrl-C is for us, who stop things in order.
    const child = spawn(program.command, program.args, { detached: true, stdio: ["ignore", log.fd, log.fd], env });
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) => resolve(signal ?? `code ${code ?? "unknown"}`));
    });
    await log.close();
    if (child.pid !== undefined) {
      current.pid = child.pid;
      await writeFile(markFile, JSON.stringify((await markProcess(child.pid)) ?? {}));
      // The order to stop may have come while it was being started.
      if (isStopping()) await endProcess(child.pid, program.stopGraceMs);
    }
    const how = await ended;
    delete current.pid;
    return how;
  };
  const runForever = async () => {
    let pauseMs = 1_000;
    for (;;) {
      const startedAt = performance.now();
      const how = await runOnce().catch((error: unknown) => messageOf(error));
      if (isStopping()) return;
      failures++;
      if (performance.now() - startedAt > STEADY_MS) pauseMs = 1_000;
      say(`${name} ended (${how}) and starts again in ${pauseMs / 1000} s; its log: ${logFile}`);
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (isStopping()) return;
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  };
  const finished = runForever();

  return {
    logFile,
    failures: () => failures,
    stop: async () => {
      stopping.abort();
      if (current.pid !== undefined) await endProcess(current.pid, program.stopGraceMs);
      await finished;
      await rm(markFile, { force: true });
    },
    kill: async () => {
      stopping.abort();
      if (current.pid !== undefined) await sendSignal(current.pid, "SIGKILL");
    },
  };
}

/** Ends what a killed run kept running, and returns the names. */
export async function endLeftovers({ pidsDir }: Pick<Places, "pidsDir">, graceMs: number): Promise<string[]> {
  const files = (await readdir(pidsDir).catch(() => [])).map((name) => join(pidsDir, name));
  const ended = await Promise.all(
    files.map(async (file) => {
      const mark = await readMark(file);
      const runs = mark !== undefined && (await isSameProcess(mark));
      if (runs) await endProcess(mark.pid, graceMs);
      await rm(file, { force: true });
      return runs ? [basename(file)] : [];
    }),
  );
  return ended.flat();
}

async function readMark(file: string): Promise<ProcessMark | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as ProcessMark;
  } catch {
    // Killed in the middle of writing: there is nothing to know it by.
    return undefined;
  }
}
