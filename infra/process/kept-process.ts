import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../apps/lib/errors.ts";

const SHORTEST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 30_000;
/** A process that ran this long has not failed for the reason it failed before. */
const STEADY_MS = 60_000;

/** One run of a program or a server. */
export interface ProcessRun {
  /** Resolves when it has ended, with how it ended where that is known. */
  ended: Promise<string | undefined>;
  /** Ends it and waits until it is gone. */
  stop: () => Promise<void>;
  /** SIGKILL, without waiting. */
  kill: () => Promise<void>;
}

/** A program or a server that is brought back whenever it ends by itself. */
export interface KeptProcess {
  /** How many times it has ended by itself so far. */
  failures: () => number;
  /** Ends it for good and waits. */
  stop: () => Promise<void>;
  /** SIGKILL for good, without waiting. */
  kill: () => Promise<void>;
}

export interface KeepOptions {
  /** Called for each end, and for each start that failed. */
  say: (text: string) => void;
  /** Wait before the first new start; further ones come after 1 s, 2 s and so on up to 30 s. */
  firstBackoffMs: number;
  clockMs?: () => number;
  /** Waits, or returns early when the signal aborts. */
  pause?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/**
 * Starts a process and keeps it running.
 * @throws what the first start throws; later ones are tried again
 */
export async function keepProcess(
  name: string,
  start: () => Promise<ProcessRun>,
  { say, firstBackoffMs, clockMs = () => performance.now(), pause = pauseUnlessAborted }: KeepOptions,
): Promise<KeptProcess> {
  const stopping = new AbortController();
  const isStopping = () => stopping.signal.aborted;
  const toldToStop = new Promise<undefined>((resolve) => {
    stopping.signal.addEventListener("abort", () => resolve(undefined));
  });
  let failures = 0;
  let backoffMs = firstBackoffMs;
  let current: ProcessRun | undefined;

  async function begin(): Promise<ProcessRun> {
    const run = await start();
    // The signal to stop may have come while it was being started.
    if (isStopping()) await run.stop();
    else current = run;
    return run;
  }

  async function keep(first: ProcessRun): Promise<void> {
    for (let run: ProcessRun | undefined = first; run !== undefined && !isStopping(); run = await bringBack()) {
      const startedAtMs = clockMs();
      const how = await Promise.race([run.ended, toldToStop]);
      if (isStopping()) return;
      current = undefined;
      failures++;
      if (clockMs() - startedAtMs > STEADY_MS) backoffMs = firstBackoffMs;
      const when = backoffMs === 0 ? "is started again" : `starts again in ${backoffMs / 1000} s`;
      say(`${name} ended${how === undefined ? "" : ` (${how})`} and ${when}`);
    }
  }

  async function bringBack(): Promise<ProcessRun | undefined> {
    while (!isStopping()) {
      await pause(backoffMs, stopping.signal);
      if (isStopping()) return undefined;
      backoffMs = Math.min(Math.max(backoffMs * 2, SHORTEST_BACKOFF_MS), LONGEST_BACKOFF_MS);
      try {
        return await begin();
      } catch (error) {
        say(`${name} does not start; next try in ${backoffMs / 1000} s: ${messageOf(error)}`);
      }
    }
    return undefined;
  }

  const keeping = keep(await begin());
  return {
    failures: () => failures,
    stop: async () => {
      stopping.abort();
      await current?.stop();
      await keeping;
    },
    kill: async () => {
      stopping.abort();
      await current?.kill();
    },
  };
}

async function pauseUnlessAborted(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
