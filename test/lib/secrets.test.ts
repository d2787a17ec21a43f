import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hashSecret, matchesHash } from "../../apps/lib/secrets.ts";

describe("hashSecret", () => {
  it("is the SHA-256 that Redis's ACL takes", () => {
    assert.equal(hashSecret("abc").toString("hex"), createHash("sha256").update("abc").digest("hex"));
  });

  it("is matched by the same secret and by no other", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (secret, other) => {
        assert.equal(matchesHash(secret, hashSecret(secret)), true);
        assert.equal(matchesHash(other, hashSecret(secret)), other === secret);
      }),
    );
  });
});
