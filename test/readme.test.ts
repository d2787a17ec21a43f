import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { settings } from "../apps/core/settings/settings.ts";

const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");

/** Rows of tables that begin with a name in capitals: name, default, unit, meaning. */
const rows = readme.split("\n").flatMap((line) => {
  const cells = /^\|(.*)\|\s*$/
    .exec(line)?.[1]
    ?.split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
  const [, name] = /^`([A-Z][A-Z0-9_]+)`$/.exec(cells?.[0] ?? "") ?? [];
  return cells && name !== undefined ? [{ name, cells: cells.slice(1) }] : [];
});

describe("README.md", () => {
  it("has a row for each setting in its table, in order, with default, unit and meaning as declared", () => {
    const declared = settings.map(({ name, kind, default: fallback, meaning }) => ({
      name,
      cells: [fallback === "" ? "" : `\`${fallback}\``, kind.unit, meaning],
    }));
    assert.deepEqual(rows, declared);
  });
});
