import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { asRoot } from "./as-root.ts";

const run = promisify(execFile);
const POLL_MS = 20;
const WATCH_MS = 1_000;

/**
 * One process for as long as it lives. A pid alone is not enough to recognise a process written
 * down earlier: pids are used again, a pid together with its start time is not.
 */
export interface ProcessMark {
  pid: number;
  /** Start of the process in clock ticks since boot, as the kernel prints it. */
  startedAtTicks: string;
}

/** Marks a running process; undefined when there is none (a zombie counts as none). */
export async function markProcess(pid: number): Promise<ProcessMark | undefined> {
  const startedAtTicks = await startTicksOf(pid);
  return startedAtTicks === undefined ? undefined : { pid, startedAtTicks };
}

/** Whether exactly the marked process still runs. */
export async function isSameProcess(mark: ProcessMark): Promise<boolean> {
  return (await startTicksOf(mark.pid)) === mark.startedAtTicks;
}

/** Resolves within a second after a process has ended, also one that is not our child; at once when it does not run. */
export async function untilGone(pid: number): Promise<undefined> {
  const mark = await markProcess(pid);
  while (mark !== undefined && (await isSameProcess(mark))) await sleep(WATCH_MS);
  return undefined;
}

/** The arguments a process was started with; empty when it does not run. */
export async function commandLineOf(pid: number): Promise<string[]> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0").slice(0, -1);
  } catch {
    return [];
  }
}

/** Pids of all processes whose arguments satisfy the test. */
export async function findProcesses(matches: (commandLine: string[]) => boolean): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const lines = await Promise.all(pids.map(async (pid) => ({ pid, commandLine: await commandLineOf(pid) })));
  return lines.filter(({ commandLine }) => matches(commandLine)).map(({ pid }) => pid);
}

/** Pids of the direct children of a process; empty when it does not run. */
export async function childrenOf(pid: number): Promise<number[]> {
  try {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    return children.trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/**
 * Ends a process and waits until it is gone: asks with `signal` first, sends SIGKILL after
 * `graceMs`. Not running is success.
 */
export async function endProcess(pid: number, graceMs: number, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  const mark = await markProcess(pid);
  if (mark === undefined) return;
  await sendSignal(pid, signal);
  if (await isGoneWithin(mark, graceMs)) return;
  await sendSignal(pid, "SIGKILL");
  if (!(await isGoneWithin(mark, 10_000))) throw new Error(`process ${pid} survived SIGKILL`);
}

/**
 * Ends all that runs below a process, also in sessions of their own, until there is nothing. What has lost its parent is
 * below it no longer.
 * @param graceMs time from asking to SIGKILL, for each
 */
export async function endAllBelow(pid: number, graceMs: number): Promise<void> {
  for (let below = await descendantsOf(pid); below.length > 0; below = await descendantsOf(pid))
    await Promise.all(below.map((each) => endProcess(each, graceMs)));
}

/** Those below a process that run: one that has ended and was not waited for is none. */
async function descendantsOf(pid: number): Promise<number[]> {
  const children = await childrenOf(pid);
  const below = await Promise.all(children.map(descendantsOf));
  const running = await Promise.all(children.map(async (child) => ((await markProcess(child)) ? [child] : [])));
  return [...running, ...below].flat();
}

/**
 * Ends the process that a pid file names, if its arguments satisfy the test: by now, the pid may be
 * another program's. No file and no such process are success.
 */
export async function endLeftBehind(
  pidFile: string,
  isOurs: (commandLine: string[]) => boolean,
  graceMs: number,
): Promise<void> {
  const pid = await pidIn(pidFile);
  if (pid !== undefined && isOurs(await commandLineOf(pid))) await endProcess(pid, graceMs);
}

/** The pid that a pid file holds, which may be of another process by now; undefined without such a file. */
export async function pidIn(pidFile: string): Promise<number | undefined> {
  try {
    return Number(await readFile(pidFile, "utf8"));
  } catch {
    return undefined;
  }
}

/** Sends a signal, through sudo when the process belongs to another user. No such process is success. */
export async function sendSignal(pid: number, signal: NodeJS.Signals): Promise<void> {
  try {
    process.kill(pid, signal);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ESRCH") return;
    if (code !== "EPERM") throw cause;
    const [command, args] = await asRoot("kill", ["-s", signal.slice("SIG".length), String(pid)]);
    await run(command, args);
  }
}

async function isGoneWithin(mark: ProcessMark, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (await isSameProcess(mark)) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

async function startTicksOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The command in parentheses may itself hold spaces and parentheses: fields count from the last one.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : rest[18];
  } catch {
    return undefined;
  }
}
