import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { buildInMemory } from "../../lib/esbuild.ts";

/** A file of the package, by its path in it. */
export type PackageFile = { readonly path: string; readonly content: Buffer; readonly isProgram?: true };

/** Where the program is in the package: as far from package.json as in a checkout, where it looks for it. */
export const PROGRAM = "apps/cli/main.js";
/** The oldest Node.js that the program is written for. */
export const OLDEST_NODE = "20.12";

const project = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * The files of the command line's package that are the same for every service: the program in one file that needs
 * nothing besides Node.js, and the licences of all that is in it.
 */
export async function packageFiles(): Promise<readonly PackageFile[]> {
  const { outputFiles, metafile } = await buildInMemory({
    absWorkingDir: project,
    entryPoints: ["apps/cli/main.ts"],
    outfile: PROGRAM,
    bundle: true,
    platform: "node",
    target: `node${OLDEST_NODE}`,
    format: "esm",
    // Packages that are no modules of this kind ask for what is Node's own by `require`.
    banner: {
      js: '#!/usr/bin/env node\nimport { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);',
    },
    legalComments: "none",
  });
  const [program] = outputFiles;
  if (!program) throw new Error("no program was built");
  return [
    { path: PROGRAM, content: Buffer.from(program.contents), isProgram: true },
    { path: "LICENSE", content: Buffer.from(await licenses(Object.keys(metafile.inputs))) },
  ];
}

/** Our licence, and below it those of the packages that these files are from. */
async function licenses(inputs: readonly string[]): Promise<string> {
  const packages = [
    ...new Set(
      inputs
        .map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
        .filter((name) => name !== undefined),
    ),
  ].sort();
  const texts = await Promise.all(
    packages.map(async (name) => `${name}\n\n${await readFile(`${project}node_modules/${name}/LICENSE`, "utf8")}`),
  );
  const own = await readFile(`${project}LICENSE`, "utf8");
  return [own, "This program contains the packages below.\n", ...texts].join(`\n${"-".repeat(80)}\n\n`);
}
