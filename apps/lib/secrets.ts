import { createHash, timingSafeEqual } from "node:crypto";

/** SHA-256 of a secret: what is kept of passwords and tokens. They carry 128 bits or more, so no salt is needed. */
export function hashSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** Whether `secret` is the one that `hash` was made of, compared in constant time. */
export function matchesHash(secret: string, hash: Buffer): boolean {
  return timingSafeEqual(hashSecret(secret), hash);
}
