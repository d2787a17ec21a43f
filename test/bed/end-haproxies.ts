import { commandLineOf, findProcesses, sendSignal } from "../../infra/process/processes.ts";

/**
 * Ends HAProxies whose files are in folders that begin so: they serve on when the gateways that have started them are
 * killed.
 */
export async function endHaproxies(dirs: string): Promise<void> {
  const isOurs = (line: readonly string[]) => line.some((argument) => argument.startsWith(dirs));
  for (const pid of await findProcesses(isOurs)) if (isOurs(await commandLineOf(pid))) await sendSignal(pid, "SIGKILL");
}
