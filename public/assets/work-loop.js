/** Tries between two reports: some tens of milliseconds. */
const BATCH = 10_000;

addEventListener("message", (event) => {
  /** @type {unknown} */
  const asked = event.data;
  const { challenge, bits } = /** @type {{ challenge: string, bits: number }} */ (asked);
  void work(challenge, bits);
});

/**
 * Counts up until the SHA-256 of `<challenge>:<number>` begins with so many zero bits. Not by crypto.subtle, which
 * browsers withhold from pages that came by plain http, and which is slower for so little at a time.
 * @param {string} challenge
 * @param {number} bits
 */
async function work(challenge, bits) {
  const library = new URL("noble/sha2.js", import.meta.url).href;
  /** @type {unknown} */
  const loaded = await import(library);
  const { sha256 } = /** @type {typeof import("@noble/hashes/sha2.js")} */ (loaded);
  const text = new TextEncoder();
  for (let number = 0; ; number++) {
    const proof = `${challenge}:${number}`;
    if (zeroBits(sha256(text.encode(proof))) >= bits) {
      postMessage({ proof, tried: number });
      return;
    }
    if (number % BATCH === BATCH - 1) postMessage({ tried: number });
  }
}

/** @param {Uint8Array} hash */
function zeroBits(hash) {
  const first = hash.findIndex((byte) => byte !== 0);
  return 8 * first + Math.clz32(hash[first] ?? 0) - 24;
}
