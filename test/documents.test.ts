import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { settings } from "../apps/core/settings/settings.ts";
import { commandLinePage } from "../infra/docs/command-line-page.ts";
import { commandsPage } from "../infra/docs/commands-page.ts";
import { settingsPage } from "../infra/docs/settings-page.ts";
import { projectPath } from "../infra/process/project-path.ts";
import { clientTable } from "./e2e/edge-clients/clients.ts";

const project = projectPath(".");
const read = (path: string) => readFile(join(project, path), "utf8");

describe("docs/settings.md", () => {
  it("is what `npm run docs` makes of the declarations", async () => {
    assert.equal(await read("docs/settings.md"), settingsPage());
  });

  it("has one row for each setting", async () => {
    const named = [...(await read("docs/settings.md")).matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, name]) => name);
    assert.deepEqual(
      named,
      settings.map(({ name }) => name),
    );
  });
});

describe("docs/commands.md", () => {
  it("is what `npm run docs` makes of the list of refused commands", async () => {
    assert.equal(await read("docs/commands.md"), commandsPage());
  });
});

describe("docs/command-line.md", () => {
  it("is what `npm run docs` makes of the commands", async () => {
    assert.equal(await read("docs/command-line.md"), commandLinePage());
  });
});

describe("docs/clients.md", () => {
  it("has the table of the clients that are tried with the edge, and what each of them can", async () => {
    const manifest = JSON.parse(await read("package.json")) as Record<
      "dependencies" | "devDependencies",
      Record<string, string>
    >;
    const table = clientTable({ ...manifest.dependencies, ...manifest.devDependencies });
    assert.ok((await read("docs/clients.md")).includes(`\n\n${table}\n\n`), `it wants\n${table}`);
  });
});

describe("README.md", () => {
  it("names only settings that exist", async () => {
    const known = new Set<string>(settings.map(({ name }) => name));
    const named = [...(await read("README.md")).matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)].map(([, name = ""]) => name);
    assert.ok(named.length >= 10, "the settings that matter most have rows");
    assert.deepEqual(
      named.filter((name) => !known.has(name)),
      [],
    );
  });
});

describe("docs/troubleshooting.md", () => {
  it("begins its rows with messages that the programs print", async () => {
    const page = await read("docs/troubleshooting.md");
    const quoted = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, text = ""]) => text);
    const files = await Array.fromAsync(glob(["apps/**/*.ts", "infra/**/*.{ts,sh}"], { cwd: project }));
    const code = (await Promise.all(files.map(read))).join("\n");
    assert.ok(quoted.length > 0);
    assert.deepEqual(
      quoted.filter((text) => !code.includes(text)),
      [],
    );
  });
});

describe("the documents", () => {
  it("lead to files and headings that exist", async () => {
    const documents = await Array.fromAsync(glob(["*.md", "docs/*.md", "infra/**/*.md"], { cwd: project }));
    const broken: string[] = [];
    for (const document of documents) {
      for (const [, target = ""] of (await read(document)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = "", heading] = target.split("#");
        const file = path === "" ? document : join(dirname(document), path);
        const text = await read(file).catch(() => undefined);
        const isThere = text !== undefined && (heading === undefined || headingsOf(text).includes(heading));
        if (!isThere) broken.push(`${document}: ${target}`);
      }
    }
    assert.deepEqual(broken, []);
  });
});

describe("CHANGELOG.md", () => {
  it("begins with what is not released yet, or with the version of package.json", async () => {
    const { version } = JSON.parse(await read("package.json")) as { version: string };
    const [, newest, second] = (await read("CHANGELOG.md")).split(/^## /m).map((part) => part.split(/[\s]/)[0]);
    assert.equal(newest === "Unreleased" ? second : newest, version);
  });
});

/** The anchors of a document's headings, as code hosts make them. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}
