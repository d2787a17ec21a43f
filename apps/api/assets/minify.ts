import { build, stop, version } from "esbuild";

/** Changes with what {@link minify} makes of the same files. */
export const MINIFIER = `esbuild ${version}`;

/** How many of {@link minify} are at work in this process: they share one of esbuild's. */
let running = 0;

/** What is made smaller: scripts and styles. */
export function isMinified(name: string): boolean {
  return /\.(m?js|css)$/.test(name);
}

/**
 * Scripts and styles without comments, blanks and long names of their own; each stays a file by itself, and what it
 * exports and imports keeps its name. In one go, by a process of its own that ends with it, while others are served.
 * @param files their names, and where they are
 */
export async function minify(files: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, Buffer>> {
  running++;
  const { outputFiles } = await build({
    entryPoints: [...files].map(([name, path]) => ({ in: path, out: name })),
    outdir: OUT,
    // The name with its ending is given already: the empty ending keeps it.
    outExtension: { ".js": ".out", ".css": ".out" },
    bundle: false,
    minify: true,
    write: false,
    charset: "utf8",
    legalComments: "none",
    logLevel: "silent",
  }).finally(async () => {
    // It would take the process from others that still wait for it.
    if (--running === 0) await stop();
  });
  return new Map(
    outputFiles.map(({ path, contents }) => [path.slice(OUT.length + 1, -".out".length), Buffer.from(contents)]),
  );
}

/** Nothing is written there. */
const OUT = "/assets";
