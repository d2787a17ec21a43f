import type { Runtime } from "./runtime.ts";

/** Processes below the one that starts them: those that serve, and those that only finish their connections. */
export type Workers = { readonly serving: readonly number[]; readonly leaving: readonly number[] };

/** Asks the process above for those below it. */
export async function readWorkers(master: Pick<Runtime, "ask">): Promise<Workers> {
  return workersIn(await master.ask("show proc"));
}

/** Reads the answer to `show proc`. */
export function workersIn(answer: string): Workers {
  const serving: number[] = [];
  const leaving: number[] = [];
  let isLeaving = false;
  for (const line of answer.split("\n")) {
    if (line.startsWith("#")) isLeaving = line.startsWith("# old workers");
    const [, pid] = /^(\d+)\s+worker\b/.exec(line) ?? [];
    if (pid !== undefined) (isLeaving ? leaving : serving).push(Number(pid));
  }
  return { serving, leaving };
}

/** How often the process above has read its configuration anew, out of the answer to `show proc`. */
export function reloadsIn(answer: string): number {
  return Number(/^\d+\s+master\s+(\d+)/m.exec(answer)?.[1] ?? 0);
}
