import assert from "node:assert/strict";
import { appendFile, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { boundLog, setAsideWhenFull } from "../../../infra/process/bounded-log.ts";
import { until } from "../../bed/until.ts";

describe("a log that is kept within a size", () => {
  let dir: string;
  let file: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-log-"));
    file = join(dir, "api.log");
  });
  afterEach(() => rm(dir, { recursive: true }));

  it("is set aside when it is full, and what its writer appends goes on in the empty file", async () => {
    const writer = await open(file, "a");
    await writer.write("first\n".repeat(10));
    await setAsideWhenFull(file, 61);
    assert.deepEqual(await readdir(dir), ["api.log"], "it is not full yet");
    await setAsideWhenFull(file, 60);
    await writer.write("second\n");
    await writer.close();
    assert.equal(await readFile(`${file}.1`, "utf8"), "first\n".repeat(10));
    assert.equal(await readFile(file, "utf8"), "second\n");
  });

  it("is one file and the one before, however much is written", async () => {
    const bounded = boundLog(file, 1 / 1024, 5);
    try {
      for (let part = 0; part < 5; part++) {
        await appendFile(file, "x".repeat(2_000));
        await until("it is set aside", async () => (await readFile(file)).length === 0);
      }
    } finally {
      bounded.stop();
    }
    assert.deepEqual((await readdir(dir)).sort(), ["api.log", "api.log.1"]);
  });

  it("breaks nothing where there is none, or where it cannot be set aside", async () => {
    await setAsideWhenFull(file, 1);
    await setAsideWhenFull(join(dir, "gone", "api.log"), 1);
    await writeFile(file, "kept");
    await rm(dir, { recursive: true });
    await setAsideWhenFull(file, 1);
    dir = await mkdtemp(join(tmpdir(), "getaredis-log-"));
  });
});
