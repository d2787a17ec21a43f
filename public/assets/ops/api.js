/** A call that takes longer is told as unanswered. */
const PATIENCE_MS = 30_000;

const unanswered = {
  status: 0,
  title: "No answer came",
  detail:
    "The connection broke, or the service is restarting. Nothing is known of what came of it; see what the page shows in a moment.",
};

/**
 * The operator's calls. Each gives `{value, total}`, or `{problem}` with status (0: no answer), title and
 * detail. None throws.
 * @param {() => void} onSessionOver  Told when the service does not know the session any more.
 */
export function createApi(onSessionOver) {
  async function call(method, path, body) {
    try {
      const response = await fetch(path, {
        method,
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: { accept: "application/json", ...(body && { "content-type": "application/json" }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      if (response.status === 202 || response.status === 204) return { value: null, isLater: response.status === 202 };
      const content = await response.json();
      if (response.ok) return { value: content, total: Number(response.headers.get("total-count")) };
      if (response.status === 401) onSessionOver();
      return { problem: { ...unanswered, ...content } };
    } catch {
      return { problem: unanswered };
    }
  }

  const query = (fields) =>
    new URLSearchParams(
      Object.entries(fields).filter(([, value]) => value !== "" && value !== undefined && value !== null),
    );
  const of = (name) => encodeURIComponent(name);

  return {
    logIn: (token) => call("POST", "/ops/api/session", { token }),
    logOut: () => call("DELETE", "/ops/api/session"),
    /** A problem of status 401 when the session is not open. */
    session: () => call("GET", "/ops/api/session"),
    setHostState: (name, state) => call("PATCH", `/ops/api/hosts/${of(name)}`, { state }),
    /** @param {string} [confirm]  The host's name again: its leases may be lost. */
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
    block: (address, reason) => call("POST", "/ops/api/blocks", { address, reason }),
    unblock: (address) => call("DELETE", `/ops/api/blocks?${query({ address })}`),
  };
}
