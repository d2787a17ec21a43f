import { createHash } from "node:crypto";
import { leadingZeroBits } from "../../core/admission/proof.ts";
import type { StopProblem } from "../stopped.ts";

/** Proofs tried before the program looks whether it has been interrupted. */
const BATCH = 20_000;

/** The proof that a refusal asks for; undefined when it asks for none. @throws when the signal is aborted */
export async function findProof({ type, challenge, bits }: StopProblem, interrupted: AbortSignal) {
  if (type !== "urn:getaredis:proof-of-work-needed" || challenge === undefined || bits === undefined) return undefined;
  for (let number = 0; ; number++) {
    const proof = `${challenge}:${number}`;
    if (leadingZeroBits(createHash("sha256").update(proof).digest()) >= bits) return proof;
    if (number % BATCH === BATCH - 1) {
      await new Promise(setImmediate);
      interrupted.throwIfAborted();
    }
  }
}
