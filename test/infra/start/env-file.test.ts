import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { takeEnvFile } from "../../../infra/start/env-file.ts";

describe("the .env file", () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-env-"));
  });
  after(async () => {
    await rm(dir, { recursive: true });
    delete process.env["QUOTA_PER_ADDRESS"];
    delete process.env["QUOTA_PER_ADDRES"];
    delete process.env["HOST_REST_SECONDS"];
  });

  it("may be missing", async () => {
    assert.deepEqual(await takeEnvFile(join(dir, "none")), []);
  });

  it("names the setting of now for one that had another name once", async () => {
    const file = join(dir, "old.env");
    await writeFile(file, "HOST_REST_SECONDS=3\n");
    assert.deepEqual(await takeEnvFile(file), [
      ".env sets HOST_REST_SECONDS, which is now called HOST_BACKOFF_SECONDS",
    ]);
    assert.throws(() => loadSettings(process.env), /HOST_REST_SECONDS is now called HOST_BACKOFF_SECONDS/);
  });

  it("gives settings that the environment does not set, and warns of names that are none", async () => {
    const file = join(dir, ".env");
    await writeFile(file, "# ours\nQUOTA_PER_ADDRESS=3\nQUOTA_PER_ADDRES=4\nLOG_LEVEL=trace\n");
    const before = process.env["LOG_LEVEL"];
    process.env["LOG_LEVEL"] = "warn";
    try {
      const [warning, ...more] = await takeEnvFile(file);
      assert.match(warning ?? "", /QUOTA_PER_ADDRES, which is not a setting/);
      assert.deepEqual(more, []);
      assert.equal(process.env["QUOTA_PER_ADDRESS"], "3");
      assert.equal(process.env["LOG_LEVEL"], "warn");
    } finally {
      if (before === undefined) delete process.env["LOG_LEVEL"];
      else process.env["LOG_LEVEL"] = before;
    }
  });
});
