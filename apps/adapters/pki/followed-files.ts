import { statSync } from "node:fs";

/**
 * What some files say, read anew when one of them changes: the same object until then. They are looked
 * at `everyMs` at most. While a change is half done or cannot be read, what was read before goes on counting.
 * @param clock milliseconds
 * @returns a function that throws while nothing whole was ever read
 */
export function followFiles<T>(files: readonly string[], read: () => T, clock: () => number, everyMs: number): () => T {
  let known: { readonly value: T; readonly state: string } | undefined;
  let lookedAtMs = -Infinity;

  return () => {
    const nowMs = clock();
    if (known !== undefined && nowMs - lookedAtMs < everyMs) return known.value;
    lookedAtMs = nowMs;
    try {
      const state = stateOf(files);
      if (known?.state !== state) known = { value: read(), state };
    } catch (fault) {
      if (known === undefined) throw fault;
    }
    return known.value;
  };
}

/** Another text when any of the files is another. */
function stateOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const { ino, mtimeNs, size } = statSync(file, { bigint: true });
      return [ino, mtimeNs, size].join("/");
    })
    .join(" ");
}
