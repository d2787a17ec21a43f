import { statSync } from "node:fs";

/**
 * The content of some files, read again when one of them changes; the same object until then. The files are
 * checked every `everyMs` at most. While a change is incomplete or cannot be read, the previous content stays
 * valid.
 * @param clock milliseconds
 * @returns a function that throws until the files have been read completely once
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

/** A text that differs when any of the files has changed. */
function stateOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const { ino, mtimeNs, size } = statSync(file, { bigint: true });
      return [ino, mtimeNs, size].join("/");
    })
    .join(" ");
}
