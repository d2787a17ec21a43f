import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { assetsFolder } from "../../apps/api/public-folder.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

describe("the files that pages load", () => {
  let api: TwinApi;
  /** Path below which they are. */
  let path: string;
  before(async () => {
    api = await createTwinApi();
    path = /\/assets\/\w+\//.exec(await (await api.call("/")).text())?.[0] ?? assert.fail("no path of assets");
  });
  after(() => api.close());

  const get = (name: string, encoding = "identity") =>
    api.call(`${path}${name}`, { headers: { "accept-encoding": encoding } });

  it("are all there, each with its type, and kept by browsers for as long as they like", async () => {
    const types: Record<string, string> = {
      css: "text/css; charset=utf-8",
      js: "text/javascript; charset=utf-8",
      json: "application/json; charset=utf-8",
      mjs: "text/javascript; charset=utf-8",
      png: "image/png",
      svg: "image/svg+xml",
      txt: "text/plain; charset=utf-8",
    };
    const files = (await readdir(assetsFolder, { recursive: true })).filter((file) => file.includes("."));
    assert.ok(files.length > 30);
    for (const file of [...files, "noble/sha2.js", "noble/utils.js", "lean-qr/nano.mjs"]) {
      const answer = await get(file);
      assert.equal(answer.status, 200, file);
      assert.equal(answer.headers.get("content-type"), types[file.split(".").at(-1) ?? ""]);
      assert.equal(answer.headers.get("cache-control"), "public, max-age=31536000, immutable");
    }
  });

  it("come without comments and blanks, and import the same files and names as they are written", async () => {
    const written = await readFile(`${assetsFolder}/slip.js`, "utf8");
    const served = await (await get("slip.js")).text();
    assert.ok(served.length < written.length / 2, `${served.length} of ${written.length} characters`);
    assert.doesNotMatch(served, /\/\*|\n./);
    const imports = (text: string) => [...text.matchAll(/from *"([^"]*\.js)"/g)].map(([, file]) => file);
    assert.deepEqual(imports(served), imports(written));
    assert.match(served, /export function createSlip\(/);
    assert.doesNotMatch(await (await get("home.css")).text(), /\/\*|\n./);
  });

  it("come in the smallest encoding that the caller takes, and say so to caches", async () => {
    const plain = await (await get("home.js")).text();
    for (const [accepted, encoding, decode] of [
      ["gzip, deflate, br, zstd", "br", brotliDecompressSync],
      ["gzip", "gzip", gunzipSync],
      ["br;q=0, gzip;q=0.5", "gzip", gunzipSync],
      ["zstd", null, (body: Buffer) => body],
    ] as const) {
      const answer = await get("home.js", accepted);
      assert.equal(answer.headers.get("content-encoding"), encoding, accepted);
      assert.equal(answer.headers.get("vary"), "accept-encoding");
      assert.equal(decode(Buffer.from(await answer.arrayBuffer())).toString(), plain);
    }
  });

  it("are nothing but those files", async () => {
    for (const name of ["nothing.js", "", "ops", "../index.eta", "..%2findex.eta", "%2e%2e/ops.eta", "home.js/"])
      await assertProblem(await get(name), 404, "not-found");
    await assertProblem(await api.call("/assets/0123456789/home.js"), 404, "not-found");
  });
});
