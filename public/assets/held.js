const INSTANCES = "getaredis.held";
const PENDING_KEY = "getaredis.pending-key";

/**
 * What this tab holds. It lives in the tab's session storage, so that a reload loses no password and
 * closing the tab forgets it; where storage is refused, it lives as long as the page.
 */
export function createHeld() {
  /** @type {{instance: object, state: string, endedAt?: string, endCause?: string}[]} As the service words them. */
  let entries = JSON.parse(read(INSTANCES) ?? "[]");
  let pendingKey = read(PENDING_KEY);
  const save = () => write(INSTANCES, JSON.stringify(entries));

  return {
    list: () => entries,
    find: (id) => entries.find((entry) => entry.instance.id === id),

    /** Keeps a new instance, in place of those that have ended; the same one twice is kept once. */
    add(instance) {
      entries = [...entries.filter(({ instance: { id }, state }) => id !== instance.id && state !== "ended"), { instance, state: "running" }];
      save();
    },

    /** Takes over what the service says of an instance; of one that has ended the secrets are forgotten. */
    update(id, { state, expiresAt, endedAt, endCause }) {
      const entry = this.find(id);
      if (!entry) return;
      Object.assign(entry, { state, endedAt, endCause });
      if (expiresAt) entry.instance.expiresAt = expiresAt;
      if (state === "ended") for (const secret of ["password", "url", "token"]) delete entry.instance[secret];
      save();
    },

    remove(id) {
      entries = entries.filter((entry) => entry.instance.id !== id);
      save();
    },

    /** Idempotency key of the hand-out under way: the same until an answer has settled it, reloads included. */
    pendingKey() {
      pendingKey ??= randomKey();
      write(PENDING_KEY, pendingKey);
      return pendingKey;
    },

    settle() {
      pendingKey = null;
      write(PENDING_KEY, null);
    },
  };
}

// Not crypto.randomUUID, which browsers withhold from pages that came by plain http.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function read(name) {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name, text) {
  try {
    if (text === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, text);
  } catch {
    // Storage is off or full: the page itself still remembers.
  }
}
