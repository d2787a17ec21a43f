import { copyFile, rename, stat, truncate } from "node:fs/promises";

const LOOK_MS = 2_000;
const MB = 1024 * 1024;
/** Size at which a log is set aside when nothing else is said. */
const USUAL_MB = 16;

/** A log file that is kept within a size; `stop` ends that. */
export interface BoundedLog {
  stop: () => void;
}

/**
 * Keeps a log file within a size while others append to it: set aside as `<file>.1`, in place of the one before, and
 * begun anew. It is copied and emptied, not renamed: a program that runs on keeps its descriptor, and must not depend
 * on us to read a pipe. So lines of the moment between the two are lost.
 */
export function boundLog(file: string, mostMb = USUAL_MB, lookMs = LOOK_MS): BoundedLog {
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void setAsideWhenFull(file, mostMb * MB).finally(() => (looking = false));
  }, lookMs).unref();
  return { stop: () => clearInterval(timer) };
}

/** Sets a log file aside when it has reached a size. What cannot be done now, or there is no file, comes next time. */
export async function setAsideWhenFull(file: string, mostBytes: number): Promise<void> {
  try {
    if ((await stat(file)).size < mostBytes) return;
    // Whole under its name, or not there: a crash in the middle leaves the one before.
    await copyFile(file, `${file}.new`);
    await rename(`${file}.new`, `${file}.1`);
    await truncate(file);
  } catch {
    // A full disk or a folder that is gone: the program that writes will tell.
  }
}
