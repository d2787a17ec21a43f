import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** A challenge as its caller gets it: the proof is `<text>:<number>` with a SHA-256 that begins with `bits` zeros. */
export type Challenge = { readonly text: string; readonly bits: number };

/** A proof that solves a challenge of ours for its caller. */
export type Proof = { readonly id: string; readonly bits: number; readonly expiresAt: Date };

/** What a challenge is bound to: the server's secret, and the key of the caller's address. */
export type Binding = { readonly serverSecret: string; readonly address: string };

const SECOND = 1000;
const MAC_BYTES = 12;
/** As the base64url of 12 bytes. */
const proofPattern = /^(\d{1,2})\.([0-9a-z]{1,8})\.([\w-]{16})\.([\w-]{16}):\w{1,20}$/;

/**
 * A challenge that only this caller can use, and that the server need not remember. With its proof it is so short
 * that a SHA-256 takes one block.
 * @param nonce 12 random bytes, fresh for each call
 */
export function makeChallenge(bits: number, expiresAt: Date, nonce: Buffer, binding: Binding): Challenge {
  const stem = `${bits}.${Math.floor(expiresAt.getTime() / SECOND).toString(36)}.${nonce.toString("base64url")}`;
  return { text: `${stem}.${signatureOf(stem, binding)}`, bits };
}

/**
 * Reads a proof as a caller sends it; undefined when it is no challenge of ours for this caller, or does not have
 * the work that it claims. Whether it has expired is not looked at.
 */
export function readProof(text: string, binding: Binding): Proof | undefined {
  const [, bits = "", expiry = "", id = "", signature = ""] = proofPattern.exec(text) ?? [];
  const expected = Buffer.from(signatureOf(`${bits}.${expiry}.${id}`, binding));
  const given = Buffer.from(signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  if (leadingZeroBits(createHash("sha256").update(text).digest()) < Number(bits)) return undefined;
  return { id, bits: Number(bits), expiresAt: new Date(Number.parseInt(expiry, 36) * SECOND) };
}

/** Zero bits that bytes begin with. */
export function leadingZeroBits(bytes: Uint8Array): number {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? 8 * bytes.length : 8 * first + Math.clz32(bytes[first] ?? 0) - 24;
}

function signatureOf(stem: string, { serverSecret, address }: Binding): string {
  return createHmac("sha256", serverSecret)
    .update(`proof of work ${address} ${stem}`)
    .digest()
    .subarray(0, MAC_BYTES)
    .toString("base64url");
}
