import { messageOf } from "../../apps/lib/errors.ts";
import { runProgram, type Lifecycle } from "../../apps/lib/lifecycle.ts";
import { withSystemFolders } from "./system-folders.ts";

/** What the terminal shows at the end. */
export interface EndMessages {
  /** Everything is undone. Nothing is shown when not given. */
  stopped?: string;
  /** The end was forced by a second signal. */
  forced: string;
}

/** Runs a program of the command line by the shared lifecycle, and reports in the terminal. */
export async function runTerminalProgram(
  work: (life: Lifecycle) => Promise<void>,
  { stopped, forced }: EndMessages,
): Promise<void> {
  process.env.PATH = withSystemFolders(process.env.PATH);
  await runProgram(work, {
    stopping: () => console.log("\nStopping… press Ctrl-C again to force"),
    forced: () => console.log(`\nForced. ${forced}`),
    failed: (error) => console.error(`\n${messageOf(error)}`),
    leftUndone: (error) => console.error(`\nNot everything could be stopped: ${messageOf(error)}`),
    stopped: () => {
      if (stopped !== undefined) console.log(stopped);
    },
  });
}
