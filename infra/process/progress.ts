const LONG_MS = 2_000;

/**
 * Runs one step and prints a line about it: `✓` and the time it took, or `✗`; `note` adds to that line. On a
 * terminal the line is there while the step runs; elsewhere a second line announces what takes long.
 */
export async function step<T>(name: string, work: (note: (text: string) => void) => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const onTerminal = process.stdout.isTTY;
  if (onTerminal) process.stdout.write(`… ${name}`);
  const announcing = onTerminal ? undefined : setTimeout(() => process.stdout.write(`… ${name}\n`), LONG_MS);
  let detail = "";
  let sign = "✗";
  try {
    const result = await work((text) => (detail = `: ${text}`));
    sign = "✓";
    return result;
  } finally {
    clearTimeout(announcing);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(`${onTerminal ? "\r\u001b[K" : ""}${sign} ${name}${detail} (${seconds} s)\n`);
  }
}

/** Steps that throw `ending`'s reason, instead of beginning or of going on after them, once that is aborted. */
export function stepsUntil(ending: AbortSignal): typeof step {
  return async (name, work) => {
    ending.throwIfAborted();
    const result = await step(name, work);
    ending.throwIfAborted();
    return result;
  };
}
