import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { it } from "node:test";
import { API_TYPES, apiTypes } from "./api-types.ts";

it("the command line knows the calls as the API documents them (`npm run api-types` writes them anew)", async () => {
  assert.equal(await readFile(API_TYPES, "utf8"), await apiTypes());
});
