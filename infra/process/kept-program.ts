import { spawn } from "node:child_process";
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { boundLog } from "./bounded-log.ts";
import { keepProcess, type KeptProcess, type ProcessRun } from "./kept-process.ts";
import { endProcess, isSameProcess, markProcess, sendSignal } from "./processes.ts";
import type { ProcessMark } from "./processes.ts";

const FIRST_BACKOFF_MS = 1_000;
const READY_TIMEOUT_MS = 60_000;

/** A program that is started again whenever it ends. */
export interface KeptProgram extends KeptProcess {
  name: string;
  logFile: string;
}

export interface Program {
  name: string;
  command: string;
  args: string[];
  /** Called before each start, so that it can renew what the last run may have lost. */
  env: () => Promise<NodeJS.ProcessEnv> | NodeJS.ProcessEnv;
  /** Time that it gets to finish what it does when it is stopped. */
  stopGraceMs: number;
}

export interface Places {
  logsDir: string;
  /** Where the pids of what runs are written down, for a next run to find after this one was killed. */
  pidsDir: string;
  /** Size at which a program's log is set aside; the usual one when not given. */
  logFileMb?: number;
}

/**
 * Starts a program and keeps it running; `say` is called for each end. Its output goes to a log file, kept within a
 * size; that of the last run, or what was set aside since, is beside it.
 */
export async function keepProgram(program: Program, places: Places, say: (text: string) => void): Promise<KeptProgram> {
  const { name } = program;
  await Promise.all([places.logsDir, places.pidsDir].map((dir) => mkdir(dir, { recursive: true, mode: 0o700 })));
  const logFile = join(places.logsDir, `${name}.log`);
  await rename(logFile, `${logFile}.1`).catch(() => undefined);
  const markFile = join(places.pidsDir, name);
  const kept = await keepProcess(name, () => startProgram(program, logFile, markFile), {
    say: (text) => say(`${text}; its log: ${logFile}`),
    firstBackoffMs: FIRST_BACKOFF_MS,
  });
  const bounded = boundLog(logFile, places.logFileMb);
  return {
    ...kept,
    name,
    logFile,
    stop: async () => {
      await kept.stop();
      bounded.stop();
      await rm(markFile, { force: true });
    },
  };
}

/**
 * Waits until a program answers at a URL with a status of success.
 * @throws when it ends before that or does not within a minute, or `ending`'s reason when that aborts
 */
export async function untilReady(url: string, program: KeptProgram, ending?: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  let lastAnswer = "no answer";
  while (performance.now() < deadline) {
    ending?.throwIfAborted();
    if (program.failures() > 0) throw new Error(`${program.name} does not stay up; its log: ${program.logFile}`);
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
      lastAnswer = await response.text();
      if (response.ok) return;
    } catch {
      // Not listening yet.
    }
    await sleep(50);
  }
  throw new Error(`${program.name} did not become ready (${lastAnswer}); its log: ${program.logFile}`);
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

async function startProgram(program: Program, logFile: string, markFile: string): Promise<ProcessRun> {
  const env = await program.env();
  const log = await open(logFile, "a", 0o600);
  // A session of its own: Ctrl-C reaches us alone, and we stop things in order.
  const child = spawn(program.command, program.args, { detached: true, stdio: ["ignore", log.fd, log.fd], env });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `code ${code ?? "unknown"}`));
  });
  await log.close();
  const { pid } = child;
  if (pid === undefined) return { ended, stop: () => Promise.resolve(), kill: () => Promise.resolve() };
  await writeFile(markFile, JSON.stringify((await markProcess(pid)) ?? {}));
  return { ended, stop: () => endProcess(pid, program.stopGraceMs), kill: () => sendSignal(pid, "SIGKILL") };
}

async function readMark(file: string): Promise<ProcessMark | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as ProcessMark;
  } catch {
    // Killed in the middle of writing: nothing identifies the process.
    return undefined;
  }
}
