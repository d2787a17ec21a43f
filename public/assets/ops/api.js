/** @import { Answer, CallProblem, OpsApi, Query } from "../../ops-types.ts" */

/** A call that takes longer counts as unanswered. */
const PATIENCE_MS = 30_000;

const unanswered = {
  status: 0,
  title: "No answer came",
  detail:
    "The connection broke, or the service is restarting. Whether the request took effect is unknown; " +
    "see what the page shows in a moment.",
};

/**
 * @param {(why: CallProblem) => void} onSessionOver  Called when the service no longer knows the session.
 * @returns {OpsApi}
 */
export function createApi(onSessionOver) {
  /**
   * @template T
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<Answer<T>>}
   */
  async function call(method, path, body) {
    try {
      const response = await fetch(path, {
        method,
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: { accept: "application/json", ...(body && { "content-type": "application/json" }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      const isLater = response.status === 202;
      /** @type {unknown} */
      const content = isLater || response.status === 204 ? null : await response.json();
      if (response.ok)
        return {
          value: /** @type {T} */ (content),
          total: Number(response.headers.get("total-count")),
          isLater,
        };
      const problem = { ...unanswered, .../** @type {Partial<CallProblem>} */ (content) };
      if (response.status === 401) onSessionOver(problem);
      return { problem };
    } catch {
      return { problem: unanswered };
    }
  }

  /** @param {Query} fields */
  const query = (fields) =>
    String(
      new URLSearchParams(
        Object.entries(fields)
          .map(([name, value]) => [name, String(value ?? "")])
          .filter(([, value]) => value !== ""),
      ),
    );
  const of = encodeURIComponent;

  return {
    logIn: (token) => call("POST", "/ops/api/session", { token }),
    logOut: () => call("DELETE", "/ops/api/session"),
    session: () => call("GET", "/ops/api/session"),
    setHostState: (name, state) => call("PATCH", `/ops/api/hosts/${of(name)}`, { state }),
    destroyHost: (name, confirm) => call("DELETE", `/ops/api/hosts/${of(name)}?${query({ confirm })}`),
    events: (filter) => call("GET", `/ops/api/events?${query(filter)}`),
    instances: (search) => call("GET", `/ops/api/instances?${query(search)}`),
    instance: (id) => call("GET", `/ops/api/instances/${of(id)}`),
    extend: (id, ttlSeconds) => call("PATCH", `/ops/api/instances/${of(id)}`, { ttlSeconds }),
    end: (id) => call("DELETE", `/ops/api/instances/${of(id)}`),
    figures: (span) => call("GET", `/ops/api/figures?${query({ span })}`),
    setSwitch: (name, paused) => call("PATCH", `/ops/api/switches/${of(name)}`, { paused }),
    runJob: (job) => call("POST", `/ops/api/jobs/${of(job)}/run`),
    blocks: () => call("GET", "/ops/api/blocks"),
    holdings: (address) => call("GET", `/ops/api/blocks/preview?${query({ address })}`),
    block: (block) => call("POST", "/ops/api/blocks", block),
    unblock: (address) => call("DELETE", `/ops/api/blocks?${query({ address })}`),
    notifications: () => call("GET", "/ops/api/notifications"),
    testNotification: (channel) => call("POST", "/ops/api/notifications/test", { channel }),
    operators: () => call("GET", "/ops/api/operators"),
    createOperator: (operator) => call("POST", "/ops/api/operators", operator),
    changeOperator: (name, change) => call("PATCH", `/ops/api/operators/${of(name)}`, change),
    revokeOperator: (name) => call("DELETE", `/ops/api/operators/${of(name)}`),
  };
}
