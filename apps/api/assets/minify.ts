import { buildInMemory } from "../../lib/esbuild.ts";

/** What is made smaller: scripts and styles. */
export function isMinified(name: string): boolean {
  return /\.(m?js|css)$/.test(name);
}

/**
 * Scripts and styles without comments, blanks and long names of their own; each stays a file by itself, and what it
 * exports and imports keeps its name. In one go.
 * @param files their names, and where they are
 */
export async function minify(files: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, Buffer>> {
  const { outputFiles } = await buildInMemory({
    entryPoints: [...files].map(([name, path]) => ({ in: path, out: name })),
    outdir: OUT,
    // The name with its ending is given already: the empty ending keeps it.
    outExtension: { ".js": ".out", ".css": ".out" },
    bundle: false,
    minify: true,
    legalComments: "none",
  });
  return new Map(
    outputFiles.map(({ path, contents }) => [path.slice(OUT.length + 1, -".out".length), Buffer.from(contents)]),
  );
}

/** Nothing is written there. */
const OUT = "/assets";
