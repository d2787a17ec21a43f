import { noAnswer, unanswered } from "./words.js";

/** A cold start takes seconds; whoever waits longer than this is told so. */
const PATIENCE_MS = 60_000;
/** The Date header has whole seconds: smaller differences are not the clock's. */
const CLOCK_TOLERANCE_MS = 2_000;

/**
 * The service's HTTP calls. Each gives `{value}`, or `{problem}` with status (0: no answer came), title,
 * detail and retryAfterSeconds. None throws: every failure can be shown.
 */
export function createApi() {
  let skewMs = 0;

  async function call(method, path, { token, body, headers = {}, ifUnanswered = "" } = {}) {
    const silence = { ...noAnswer, detail: `${noAnswer.detail} ${ifUnanswered}`.trim() };
    try {
      const response = await fetch(path, {
        method,
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: {
          accept: "application/json",
          ...(token && { authorization: `Bearer ${token}` }),
          ...(body && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      readClock(response);
      if (response.status === 202 || response.status === 204) return { value: null };
      const content = await response.json();
      if (response.ok) return { value: content };
      return { problem: { ...silence, ...content, retryAfterSeconds: Number(response.headers.get("retry-after")) } };
    } catch {
      return { problem: { status: 0, retryAfterSeconds: 0, ...silence } };
    }
  }

  /** Countdowns follow the service's clock, for a visitor's may be wrong by hours. */
  function readClock(response) {
    const difference = Date.parse(response.headers.get("date") ?? "") - Date.now();
    if (!Number.isNaN(difference)) skewMs = Math.abs(difference) > CLOCK_TOLERANCE_MS ? difference : 0;
  }

  return {
    /** Asks for an instance; the same key gives the same instance, however often it is sent. */
    create: (idempotencyKey) =>
      call("POST", "/instances", { headers: { "idempotency-key": idempotencyKey }, ifUnanswered: unanswered.create }),
    status: ({ id, token }) => call("GET", `/instances/${id}`, { token }),
    /** Makes the lease end `ttlSeconds` from now. */
    extend: ({ id, token }, ttlSeconds) =>
      call("PATCH", `/instances/${id}`, { token, body: { ttlSeconds }, ifUnanswered: unanswered.extend }),
    end: ({ id, token }) => call("DELETE", `/instances/${id}`, { token, ifUnanswered: unanswered.end }),
    /** Runs a typed line; what the console knows of its connection goes with it. */
    run: ({ id, token, password }, command) =>
      call("POST", `/instances/${id}/console`, { token, body: { password, ...command }, ifUnanswered: unanswered.run }),
    figures: ({ id, token, password }) => call("POST", `/instances/${id}/figures`, { token, body: { password } }),
    stats: () => call("GET", "/stats"),
    /** The service's time, in milliseconds since 1970. */
    now: () => Date.now() + skewMs,
  };
}
