import { messageOf } from "../../apps/lib/errors.ts";
import { createStartup, Interrupted, type Startup } from "./startup.ts";
import { withSystemFolders } from "../servers/system-packages.ts";

/** What the terminal reads at the end: when all is undone, and when the end was forced. */
export interface LastWords {
  stopped: string;
  forced: string;
}

/**
 * Runs a program of the command line until its work is over or it is told to stop, undoes all that it has
 * started, and ends the process: with 0, or with 1 and a word about what went wrong. Told twice, it kills
 * what it can and leaves the rest.
 */
export async function runProgram(
  work: (startup: Startup, ending: AbortSignal) => Promise<void>,
  { stopped, forced }: LastWords,
): Promise<never> {
  const ending = new AbortController();
  const startup = createStartup(ending.signal);
  process.env.PATH = withSystemFolders(process.env.PATH);
  const onSignal = () => {
    if (!ending.signal.aborted) {
      ending.abort();
      console.log("\nstopping; again to force");
      return;
    }
    console.log(`\nforced: ${forced}`);
    void startup.killAll().then(() => process.exit(1));
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);

  let failure: unknown;
  try {
    await work(startup, ending.signal);
  } catch (error) {
    if (!isEnd(error, ending.signal)) failure = error;
  }
  if (failure !== undefined) console.error(`\n${messageOf(failure)}`);
  try {
    await startup.undoAll();
  } catch (error) {
    console.error(`\nstopping went wrong: ${messageOf(error)}`);
    failure ??= error;
  }
  if (failure === undefined) console.log(stopped);
  process.exit(failure === undefined ? 0 : 1);
}

/** Whether work was broken off because the end was asked for: by us, or by a Ctrl-C that its commands got, too. */
function isEnd(error: unknown, ending: AbortSignal): boolean {
  if (error instanceof Interrupted) return true;
  return (
    ending.aborted &&
    error instanceof Error &&
    (error.name === "AbortError" || ("signal" in error && error.signal === "SIGINT"))
  );
}
