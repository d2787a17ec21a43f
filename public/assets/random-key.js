/** 128 random bits. Not crypto.randomUUID, which browsers withhold from pages that came by plain http. */
export function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
