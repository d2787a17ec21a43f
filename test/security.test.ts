import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { describe, it } from "node:test";

const security = await readFile(new URL("../SECURITY.md", import.meta.url), "utf8");

describe("SECURITY.md", () => {
  it("names for each thing that is stopped a test that exists", async () => {
    const rows = security.split("\n").filter((line) => line.startsWith("| ") && !/^\| (---|can try to)/.test(line));
    assert.ok(rows.length > 20, `${rows.length} rows`);
    for (const row of rows) {
      const files = [...row.matchAll(/`(test\/[^`]+\.ts)`/g)].map(([, file = ""]) => file);
      assert.ok(files.length > 0, row);
      for (const file of files) await access(new URL(`../${file}`, import.meta.url));
    }
  });
});
