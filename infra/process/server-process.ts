import { spawn } from "node:child_process";
import { open, readFile, truncate } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { boundLog } from "./bounded-log.ts";
import { endProcess, sendSignal } from "./processes.ts";

const POLL_MS = 25;

/** A server that runs beside us until it is stopped. */
export interface ServerProcess {
  pid: number;
  /** Ends the server and waits until it is gone; a second call waits too. */
  stop: () => Promise<void>;
  /** SIGKILL to all of it, without waiting. */
  kill: () => Promise<void>;
}

export interface ServerCommand {
  /** What it is called in messages. */
  name: string;
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  /** Both output streams go here; truncated first, and kept within a size. */
  logFile: string;
  /** Resolves once the server does its work; a rejection means not yet. */
  probe: () => Promise<unknown>;
  startTimeoutMs?: number;
  /** Time between SIGTERM and SIGKILL. */
  stopGraceMs?: number;
}

/**
 * Starts a server in a session of its own, so that Ctrl-C reaches us and not the servers, and
 * resolves when its probe does. Throws with the end of its log when it exits or stays silent;
 * nothing of it runs then.
 */
export async function startServerProcess(server: ServerCommand): Promise<ServerProcess> {
  await truncate(server.logFile).catch(() => undefined);
  // Appended to, so that what is written after it was emptied goes to its beginning.
  const log = await open(server.logFile, "a", 0o600);
  const child = spawn(server.command, server.args, {
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
    env: server.env ?? process.env,
  });
  const outcome: { ended?: string } = {};
  child.once("error", (error) => (outcome.ended = error.message));
  child.once("exit", (code, signal) => (outcome.ended = signal ?? `code ${code ?? "unknown"}`));
  await log.close();
  const { pid } = child;
  child.unref();
  const graceMs = server.stopGraceMs ?? 15_000;
  try {
    await untilReady(server, () => outcome.ended);
    if (pid === undefined) throw new Error(`${server.name} has no process`);
    const bounded = boundLog(server.logFile);
    return {
      pid,
      stop: async () => {
        await endProcess(pid, graceMs);
        bounded.stop();
      },
      kill: () => sendSignal(pid, "SIGKILL"),
    };
  } catch (cause) {
    if (pid !== undefined) await endProcess(pid, graceMs);
    const tail = (await readFile(server.logFile, "utf8")).trimEnd().split("\n").slice(-15).join("\n");
    throw new Error(`${server.name} did not start; the end of ${server.logFile}:\n${tail}`, { cause });
  }
}

async function untilReady(server: ServerCommand, ended: () => string | undefined): Promise<void> {
  const deadline = performance.now() + (server.startTimeoutMs ?? 30_000);
  let lastFailure: unknown;
  for (;;) {
    const reason = ended();
    if (reason !== undefined) throw new Error(`${server.name} ended (${reason})`);
    if (performance.now() > deadline) throw new Error(`${server.name} did not answer in time`, { cause: lastFailure });
    try {
      await server.probe();
      return;
    } catch (failure) {
      lastFailure = failure;
      await sleep(POLL_MS);
    }
  }
}
