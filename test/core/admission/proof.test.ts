import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { leadingZeroBits, makeChallenge, readProof } from "../../../apps/core/admission/proof.ts";
import { solve } from "./solve.ts";

const binding = { serverSecret: "sixteen characters", address: "198.51.100.1" };
const expiresAt = new Date("2026-01-01T00:02:00Z");
const challenge = makeChallenge(8, expiresAt, Buffer.alloc(12, 7), binding);
const proof = solve(challenge.text, 8);

describe("a proof of work", () => {
  it("is believed when it solves a challenge of ours for this caller", () => {
    assert.deepEqual(readProof(proof, binding), {
      id: Buffer.alloc(12, 7).toString("base64url"),
      bits: 8,
      expiresAt,
    });
  });

  it("fits with its challenge into one block of SHA-256", () => {
    assert.ok(makeChallenge(20, expiresAt, Buffer.alloc(12, 255), binding).text.length + ":9999999999".length <= 55);
  });

  it("is not believed without the work, for another caller, under another secret, or with any part changed", () => {
    const unsolved = Array.from({ length: 50 }, (_, number) => `${challenge.text}:x${number}`).filter(
      (text) => readProof(text, binding) !== undefined,
    );
    assert.ok(unsolved.length < 5, "one of 256 has the work by chance");
    assert.equal(readProof(proof, { ...binding, address: "198.51.100.2" }), undefined);
    assert.equal(readProof(proof, { ...binding, serverSecret: "another sixteen" }), undefined);
    const [bits, expiry, id, rest] = proof.split(".");
    for (const forged of [
      `0.${expiry}.${id}.${rest}`,
      `${bits}.zzzzzz.${id}.${rest}`,
      `${bits}.${expiry}.${"A".repeat(16)}.${rest}`,
      proof.replace(/:.*/, ":"),
      challenge.text,
      "",
      ":",
      `${proof} `,
      "x".repeat(100),
    ])
      assert.equal(readProof(forged, binding), undefined, forged);
  });
});

describe("leadingZeroBits", () => {
  for (const [bytes, bits] of [
    [[0x80], 0],
    [[0x01], 7],
    [[0, 0x40], 9],
    [[0, 0], 16],
  ] as const)
    it(`is ${bits} of ${JSON.stringify(bytes)}`, () => {
      assert.equal(leadingZeroBits(Uint8Array.from(bytes)), bits);
    });
});
