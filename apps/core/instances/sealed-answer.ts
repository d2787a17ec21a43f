import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals the answer of a hand-out so that only a retry with the same idempotency key opens it:
 * AES-256-GCM under a key derived (HKDF-SHA-256) from the server's secret and the idempotency key,
 * bound to the instance's id. The store alone cannot reveal the password inside.
 * @param nonce 12 random bytes, fresh for each call
 */
export function sealAnswer(
  answer: string,
  sealing: { readonly serverSecret: string; readonly idempotencyKey: string; readonly instanceId: string },
  nonce: Buffer,
): Buffer {
  const cipher = createCipheriv("aes-256-gcm", sealingKey(sealing), nonce);
  const sealed = Buffer.concat([cipher.update(answer, "utf8"), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

/**
 * Opens what {@link sealAnswer} made.
 * @throws when the secret, the idempotency key or the instance's id is another, or the bytes were changed
 */
export function openAnswer(
  sealed: Buffer,
  sealing: { readonly serverSecret: string; readonly idempotencyKey: string; readonly instanceId: string },
): string {
  const decipher = createDecipheriv("aes-256-gcm", sealingKey(sealing), sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString("utf8");
}

function sealingKey({
  serverSecret,
  idempotencyKey,
  instanceId,
}: {
  readonly serverSecret: string;
  readonly idempotencyKey: string;
  readonly instanceId: string;
}): Buffer {
  return Buffer.from(hkdfSync("sha256", serverSecret, instanceId, `idempotent answer ${idempotencyKey}`, 32));
}
