import { randomBytes } from "node:crypto";
import { customAlphabet, nanoid } from "nanoid";

const LOWERCASE = "0123456789abcdefghijklmnopqrstuvwxyz";
const ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Everything of an instance that nobody may guess, and its id, from the system's source of randomness. */
export const realRandom = {
  id: customAlphabet(LOWERCASE, 16),
  /** 190 bits. */
  password: customAlphabet(ALPHANUMERIC, 32),
  token: () => nanoid(32),
  nonce: () => randomBytes(12),
  /** What the password of a warm instance is derived from. */
  seed: () => randomBytes(32),
};
