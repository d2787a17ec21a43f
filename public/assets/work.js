/**
 * Finds the proof of work for a challenge, in a worker of its own so that the page stays alive.
 * @param {string} challenge
 * @param {number} bits
 * @param {AbortSignal} stop
 * @param {(share: number) => void} onProgress  Called now and then with the chance, 0 to 1, to be done by now.
 * @returns {Promise<string | undefined>} undefined when it was stopped
 */
export function findProof(challenge, bits, stop, onProgress) {
  const worker = new Worker(new URL("work-loop.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    stop.addEventListener("abort", () => resolve(undefined));
    worker.addEventListener("error", () => reject(new Error("the worker failed")));
    worker.addEventListener("message", (event) => {
      /** @type {unknown} */
      const told = event.data;
      const { proof, tried } = /** @type {{ proof?: string, tried: number }} */ (told);
      if (proof === undefined) onProgress(1 - Math.exp(-tried / 2 ** bits));
      else resolve(proof);
    });
    worker.postMessage({ challenge, bits });
  }).finally(() => worker.terminate());
}
