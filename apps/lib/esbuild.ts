import { build, stop, version, type BuildOptions } from "esbuild";

/** Changes with what {@link buildInMemory} makes of the same files. */
export const BUILDER = `esbuild ${version}`;

/** How many builds are at work in this process: they share one of esbuild's. */
let running = 0;

/** Builds without writing anything, by a process of its own that ends with it, while others are served. */
export async function buildInMemory(options: BuildOptions) {
  running++;
  try {
    return await build({ ...options, write: false, metafile: true, logLevel: "silent", charset: "utf8" });
  } finally {
    // It would take the process from others that still wait for it.
    if (--running === 0) await stop();
  }
}
