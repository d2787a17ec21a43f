import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { extract } from "tar-stream";
import { localRedisImage, writeImageArchive } from "../../../infra/servers/redis-image.ts";

const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

describe("the archive of the Redis image", () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-image-"));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it("has the same bytes whenever it is made of the same files", async () => {
    const [one, two] = [join(dir, "one.tar"), join(dir, "two.tar")];
    const reference = await writeImageArchive(one);
    assert.equal(await writeImageArchive(two), reference);
    assert.equal(reference, await localRedisImage());
    assert.equal(sha256(await readFile(one)), sha256(await readFile(two)));
    assert.deepEqual((await readdir(dir)).sort(), ["one.tar", "two.tar"], "nothing else is left");
  });

  it("is what docker save writes: a list, what to run, and a layer that is what the list says", async () => {
    const file = join(dir, "image.tar");
    const reference = await writeImageArchive(file);
    const entries = new Map<string, Buffer>();
    const reading = extract();
    createReadStream(file).pipe(reading);
    for await (const entry of reading) entries.set(entry.header.name, await buffer(entry));
    const [manifest] = JSON.parse(String(entries.get("manifest.json"))) as {
      Config: string;
      RepoTags: string[];
      Layers: string[];
    }[];
    assert.ok(manifest);
    assert.deepEqual(manifest.RepoTags, [reference]);
    const configText = entries.get(manifest.Config) ?? assert.fail("the configuration is there");
    assert.equal(manifest.Config, `${sha256(configText)}.json`);
    const config = JSON.parse(String(configText)) as {
      os: string;
      config: { Entrypoint: string[]; User: string };
      rootfs: { diff_ids: string[] };
    };
    assert.deepEqual(
      [config.os, config.config.Entrypoint, config.config.User],
      ["linux", ["/usr/bin/redis-server"], "999:999"],
    );
    assert.deepEqual(
      config.rootfs.diff_ids,
      manifest.Layers.map((layer) => `sha256:${sha256(entries.get(layer) ?? Buffer.of())}`),
    );
  });

  it("is not made of a Redis whose licence restricts its use, and not begun", async () => {
    const path = process.env["PATH"];
    const file = join(dir, "refused.tar");
    await writeFile(join(dir, "redis-server"), "#!/bin/sh\necho Redis server v=8.0.2 sha=00000000:0\n", {
      mode: 0o755,
    });
    process.env["PATH"] = dir;
    try {
      await assert.rejects(writeImageArchive(file), /Redis 8\.0\.2 has a licence .*: install valkey-server, or set/);
    } finally {
      process.env["PATH"] = path;
    }
    await assert.rejects(readFile(file), /ENOENT/);
  });

  it("is not written half", async () => {
    await assert.rejects(writeImageArchive(join(dir, "no-such-folder", "image.tar")), /ENOENT/);
  });
});
