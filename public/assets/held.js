import { randomKey } from "./random-key.js";

const INSTANCES = "getaredis.held";
/** An end that long ago is no news to somebody who comes back. */
const NEWS_MS = 60 * 60_000;
const PENDING_KEY = "getaredis.pending-key";

/**
 * The instances that this browser holds, shared by its tabs: a closed tab loses no password. Where
 * storage is refused, they live as long as the page.
 * @param {() => void} onChange  Told when another tab has changed them.
 */
export function createHeld(onChange) {
  /** @type {{instance: object, state: string, endedAt?: string, endCause?: string}[]} As the service words them. */
  let entries = [];
  let isShared = true;
  let pendingKey = read(sessionStorageOf, PENDING_KEY);

  change((kept) =>
    kept.filter(({ state, endedAt }) => state !== "ended" || Date.now() - Date.parse(endedAt) < NEWS_MS),
  );
  addEventListener("storage", ({ key }) => {
    if (key !== INSTANCES && key !== null) return;
    load();
    onChange();
  });

  /** Other tabs may have written since: what they wrote stays. */
  function load() {
    if (isShared) entries = parsed(read(localStorageOf, INSTANCES));
  }

  function change(deed) {
    load();
    entries = deed(entries);
    isShared = write(localStorageOf, INSTANCES, JSON.stringify(entries));
  }

  return {
    list: () => entries,
    /** Whether a reload finds them again. */
    isKept: () => isShared,
    find: (id) => entries.find((entry) => entry.instance.id === id),

    /** Keeps a new instance, in place of those that have ended; the same one twice is kept once. */
    add(instance) {
      change((kept) => [
        ...kept.filter(({ instance: { id }, state }) => id !== instance.id && state !== "ended"),
        { instance, state: "running" },
      ]);
    },

    /** Takes over what the service says of an instance; of one that has ended the secrets are forgotten. */
    update(id, { state, expiresAt, endedAt, endCause }) {
      change((kept) => {
        const entry = kept.find(({ instance }) => instance.id === id);
        if (!entry) return kept;
        Object.assign(entry, { state, endedAt, endCause });
        if (expiresAt) entry.instance.expiresAt = expiresAt;
        if (state === "ended") for (const secret of ["password", "url", "token"]) delete entry.instance[secret];
        return kept;
      });
    },

    remove(id) {
      change((kept) => kept.filter((entry) => entry.instance.id !== id));
    },

    /** Idempotency key of this tab's hand-out under way: the same until an answer has settled it, reloads included. */
    pendingKey() {
      pendingKey ??= randomKey();
      write(sessionStorageOf, PENDING_KEY, pendingKey);
      return pendingKey;
    },

    settle() {
      pendingKey = null;
      write(sessionStorageOf, PENDING_KEY, null);
    },
  };
}

const localStorageOf = () => localStorage;
const sessionStorageOf = () => sessionStorage;

/** What another version of this page or a visitor's own hand has written there is not worth a broken page. */
function parsed(text) {
  try {
    const kept = JSON.parse(text ?? "[]");
    return Array.isArray(kept) ? kept.filter(isEntry) : [];
  } catch {
    return [];
  }
}

/** Whether it has what the page shows; of an instance that has ended the secrets are forgotten. */
function isEntry(entry) {
  const { instance, state } = entry ?? {};
  const { id, host, createdAt, expiresAt, url, password, token } = instance ?? {};
  const areTexts =
    [state, id, host].every(isText) &&
    [url, password, token].every((secret) => isText(secret) || (secret === undefined && state === "ended"));
  return areTexts && [createdAt, expiresAt].every((moment) => !Number.isNaN(Date.parse(moment)));
}

const isText = (value) => typeof value === "string";

function read(storageOf, name) {
  try {
    return storageOf().getItem(name);
  } catch {
    return null;
  }
}

/** Returns whether it is kept: storage may be off or full, and then the page itself still remembers. */
function write(storageOf, name, text) {
  try {
    if (text === null) storageOf().removeItem(name);
    else storageOf().setItem(name, text);
    return true;
  } catch {
    return false;
  }
}
