import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { settings } from "../apps/core/settings/settings.ts";
import { settingsPage } from "../infra/docs/settings-page.ts";

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), "utf8");

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
