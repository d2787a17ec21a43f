import { createHash } from "node:crypto";
import { leadingZeroBits } from "../../../apps/core/admission/proof.ts";

/** The proof for a challenge, as any client finds it. */
export function solve(challenge: string, bits: number): string {
  for (let number = 0; ; number++) {
    const proof = `${challenge}:${number}`;
    if (leadingZeroBits(createHash("sha256").update(proof).digest()) >= bits) return proof;
  }
}
