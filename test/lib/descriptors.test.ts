import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectionsWithin, openFilesLimit } from "../../apps/lib/http/descriptors.ts";

describe("connections within the limit of open files", () => {
  it("are those wanted where there is room, and leave descriptors for everything else where there is not", () => {
    for (const [wanted, openFiles, most] of [
      [4000, 65_536, 4000],
      [4000, undefined, 4000],
      [4000, 4096, 3072],
      [4000, 1024, 512],
      [4000, 1, 1],
    ] as const)
      assert.equal(connectionsWithin(wanted, openFiles), most, String(openFiles));
  });

  it("are read of this process", () => {
    assert.ok((openFilesLimit() ?? 0) > 0);
  });
});
