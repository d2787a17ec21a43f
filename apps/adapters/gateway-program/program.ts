import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { buildInMemory } from "../../lib/esbuild.ts";

/** The gateway's program as a droplet runs it. */
export type GatewayProgram = {
  /** Files by their paths, as far from package.json as in a checkout, where the program looks for it. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** The Node.js that runs it: this process's own. */
  readonly nodeFile: string;
  /** Changes with any of its bytes, and with Node.js. */
  readonly hash: string;
};

const project = fileURLToPath(new URL("../../../", import.meta.url));
const ENTRY = "apps/gateway/main.js";

/** Builds the gateway's program in one file that needs nothing besides Node.js, HAProxy and its settings. */
export async function buildGatewayProgram(): Promise<GatewayProgram> {
  const { outputFiles } = await buildInMemory({
    absWorkingDir: project,
    entryPoints: ["apps/gateway/main.ts"],
    outfile: ENTRY,
    bundle: true,
    platform: "node",
    target: `node${process.versions.node}`,
    format: "esm",
    // Packages that are no modules of this kind ask for what is Node's own by `require`, and for where they are.
    banner: {
      js: [
        'import { createRequire as requireHere } from "node:module";',
        "const require = requireHere(import.meta.url);",
        "const { filename: __filename, dirname: __dirname } = import.meta;",
      ].join("\n"),
    },
    legalComments: "none",
  });
  const [program] = outputFiles;
  if (!program) throw new Error("no program was built");
  const { name, version, license } = JSON.parse(await readFile(`${project}package.json`, "utf8")) as Record<
    "name" | "version" | "license",
    string
  >;
  const files = new Map([
    [ENTRY, Buffer.from(program.contents)],
    ["package.json", Buffer.from(`${JSON.stringify({ name, version, license, type: "module" }, null, 2)}\n`)],
  ]);
  const hash = createHash("sha256").update(process.versions.node).update(process.arch);
  for (const content of files.values()) hash.update(content);
  return { files, nodeFile: process.execPath, hash: hash.digest("hex") };
}
