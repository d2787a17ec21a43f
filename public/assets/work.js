/** @import { Answer } from "../home-types.ts" */

/** When each of several proofs in a row came too late, the service is too busy for this browser. */
const MOST_PROOFS = 3;

/**
 * Works for what a refusal with a challenge wants, and asks again with the proof.
 * @template T
 * @param {Answer<T>} refusal
 * @param {(proof: string) => Promise<Answer<T>>} ask
 * @param {AbortSignal} stop
 * @param {(share: number | undefined) => void} onProgress  Called now and then with the chance, 0 to 1, to be done by
 *   now; with undefined when it is done and only the answer is waited for.
 * @returns {Promise<Answer<T> | undefined>} undefined when it was stopped
 */
export async function workFor(refusal, ask, stop, onProgress) {
  let answer = refusal;
  for (let proofs = 0; proofs < MOST_PROOFS; proofs++) {
    const { challenge, bits } = answer.problem ?? {};
    if (challenge === undefined || bits === undefined) break;
    onProgress(0);
    const proof = await findProof(challenge, bits, stop, onProgress);
    if (proof === undefined) return undefined;
    onProgress(undefined);
    answer = await ask(proof);
  }
  return answer;
}

/**
 * Finds the proof of work for a challenge, in a worker of its own so that the page stays alive.
 * @param {string} challenge
 * @param {number} bits
 * @param {AbortSignal} stop
 * @param {(share: number) => void} onProgress
 * @returns {Promise<string | undefined>} undefined when it was stopped
 */
function findProof(challenge, bits, stop, onProgress) {
  const worker = new Worker(new URL("work-loop.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    if (stop.aborted) resolve(undefined);
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
