/** @import { Answer, Api, CallOptions, CallProblem } from "../home-types.ts" */
import { noAnswer, unanswered } from "./words.js";

/** A cold start takes seconds; a call that takes longer than this counts as unanswered. */
const PATIENCE_MS = 60_000;
/** The Date header has whole seconds: smaller differences are not the clock's. */
const CLOCK_TOLERANCE_MS = 2_000;

/** @returns {Api} */
export function createApi() {
  let skewMs = 0;

  /**
   * @template T
   * @param {string} method
   * @param {string} path
   * @param {CallOptions} [options]
   * @returns {Promise<Answer<T>>}
   */
  async function call(method, path, { token, body, headers, signal, ifUnanswered = "" } = {}) {
    const silence = {
      status: 0,
      retryAfterSeconds: 0,
      ...noAnswer,
      detail: `${noAnswer.detail} ${ifUnanswered}`.trim(),
    };
    try {
      const response = await fetch(path, {
        method,
        cache: "no-store",
        signal: signal ?? AbortSignal.timeout(PATIENCE_MS),
        headers: {
          accept: "application/json",
          ...(token && { authorization: `Bearer ${token}` }),
          ...(body && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      readClock(response);
      /** @type {unknown} */
      const content = response.status === 202 || response.status === 204 ? null : await response.json();
      if (response.ok) return { value: /** @type {T} */ (content) };
      const retryAfterSeconds = Number(response.headers.get("retry-after")) || 0;
      return { problem: { ...silence, .../** @type {Partial<CallProblem>} */ (content), retryAfterSeconds } };
    } catch {
      return { problem: silence };
    }
  }

  /**
   * Countdowns follow the service's clock, for a visitor's may be wrong by hours.
   * @param {Response} response
   */
  function readClock(response) {
    const difference = Date.parse(response.headers.get("date") ?? "") - Date.now();
    if (!Number.isNaN(difference)) skewMs = Math.abs(difference) > CLOCK_TOLERANCE_MS ? difference : 0;
  }

  return {
    create: (idempotencyKey, proof) =>
      call("POST", "/instances", {
        headers: { "idempotency-key": idempotencyKey, ...(proof && { "proof-of-work": proof }) },
        ifUnanswered: unanswered.create,
      }),
    status: ({ id, token }) => call("GET", `/instances/${id}`, { token }),
    extend: ({ id, token }, ttlSeconds) =>
      call("PATCH", `/instances/${id}`, { token, body: { ttlSeconds }, ifUnanswered: unanswered.extend }),
    end: ({ id, token }) => call("DELETE", `/instances/${id}`, { token, ifUnanswered: unanswered.end }),
    run: ({ id, token, password }, command, signal) =>
      call("POST", `/instances/${id}/console`, {
        token,
        body: { password, ...command },
        signal,
        ifUnanswered: unanswered.run,
      }),
    figures: ({ id, token, password }) => call("POST", `/instances/${id}/figures`, { token, body: { password } }),
    stats: () => call("GET", "/stats"),
    now: () => Date.now() + skewMs,
  };
}
