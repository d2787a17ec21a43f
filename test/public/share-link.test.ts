import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { generate } from "lean-qr";
import { qrPath, readShareLink, shareLink } from "../../public/assets/share-link.js";

const instance = {
  id: "5sq9fsfr26iw58ze",
  token: "I3vJ77DJzM951wdOR2_1ydJ4MQeq40-R",
  password: "83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84",
};
const place = { host: "host", port: 1, username: "default" as const, createdAt: "", expiresAt: "" };

describe("a link that shares an instance", () => {
  it("has the secrets in its fragment alone, and brings them back", () => {
    const link = new URL(shareLink("https://redis.example.org", { ...instance, ...place }));
    assert.equal(link.origin + link.pathname + link.search, "https://redis.example.org/");
    assert.deepEqual(readShareLink(link.hash), instance);
  });

  it("brings nothing where it is not complete, or more than that", () => {
    const { hash } = new URL(shareLink("https://redis.example.org", { ...instance, ...place }));
    for (const other of [
      "",
      "#",
      "#take=",
      hash.slice(0, -20),
      `${hash}/x`,
      `${hash}.x`,
      hash.replace("#take", "#take2"),
    ])
      assert.equal(readShareLink(other), undefined, other);
  });

  it("is drawn square by square, with light around", () => {
    const code = generate("a text");
    const { side, path } = qrPath(code);
    assert.equal(side, code.size + 8);
    const squares = new Set(path.match(/M\d+ \d+h1v1h-1z/g));
    assert.equal([...squares].join(""), path);
    for (let y = 0; y < code.size; y++)
      for (let x = 0; x < code.size; x++) assert.equal(squares.has(`M${x + 4} ${y + 4}h1v1h-1z`), code.get(x, y));
  });
});
