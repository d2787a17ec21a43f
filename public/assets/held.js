/** @import { Entry, HeldInstances, Unchecked } from "../home-types.ts" */
import { randomKey } from "./random-key.js";

const INSTANCES = "getaredis.held";
/** An instance that ended longer ago is not shown to somebody who comes back. */
const NEWS_MS = 60 * 60_000;
const PENDING_KEY = "getaredis.pending-key";

/**
 * The instances that this browser holds, shared by its tabs: a closed tab loses no password. Where
 * storage is refused, they live as long as the page.
 * @param {() => void} onChange  Called when another tab has changed them.
 * @returns {HeldInstances}
 */
export function createHeld(onChange) {
  /** @type {Entry[]} */
  let entries = [];
  let isShared = true;
  let pendingKey = read(sessionStorageOf, PENDING_KEY);

  change((kept) =>
    kept.filter(({ state, endedAt }) => state !== "ended" || Date.now() - Date.parse(endedAt ?? "") < NEWS_MS),
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

  /** @param {(kept: Entry[]) => Entry[]} update */
  function change(update) {
    load();
    entries = update(entries);
    isShared = write(localStorageOf, INSTANCES, JSON.stringify(entries));
  }

  return {
    list: () => entries,
    isKept: () => isShared,
    find: (id) => entries.find((entry) => entry.instance.id === id),

    add(instance) {
      change((kept) => [
        ...kept.filter(({ instance: { id }, state }) => id !== instance.id && state !== "ended"),
        { instance, state: "running" },
      ]);
    },

    update(id, { state, expiresAt, endedAt, endCause, lastRestart, transfer }) {
      change((kept) =>
        kept.map((entry) => {
          if (entry.instance.id !== id) return entry;
          const instance = { ...entry.instance, ...(expiresAt && { expiresAt }) };
          if (state === "ended") {
            delete instance.password;
            delete instance.url;
            delete instance.token;
          }
          // Not everything that tells a new state tells of restarts.
          return {
            ...entry,
            instance,
            state,
            endedAt,
            endCause,
            lastRestart: lastRestart ?? entry.lastRestart,
            transfer,
          };
        }),
      );
    },

    remove(id) {
      change((kept) => kept.filter((entry) => entry.instance.id !== id));
    },

    rename(id, name) {
      change((kept) => kept.map((entry) => (entry.instance.id === id ? { ...entry, name } : entry)));
    },

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

/**
 * The entries that storage holds, without what another version of this page, or the visitor, has written there.
 * @param {string | null} text
 * @returns {Entry[]}
 */
function parsed(text) {
  try {
    /** @type {unknown} */
    const kept = JSON.parse(text ?? "[]");
    return Array.isArray(kept) ? kept.filter(isEntry) : [];
  } catch {
    return [];
  }
}

/**
 * Whether it has what the page shows. An instance that has ended has no secrets.
 * @param {Unchecked} entry
 * @returns {entry is Entry}
 */
function isEntry(entry) {
  const { instance, state, name = "" } = entry ?? {};
  const { id, host, createdAt, expiresAt, url, password, token } = instance ?? {};
  return (
    [state, name, id, host].every(isText) &&
    [url, password, token].every((secret) => isText(secret) || (secret === undefined && state === "ended")) &&
    [createdAt, expiresAt].every((moment) => isText(moment) && !Number.isNaN(Date.parse(moment)))
  );
}

/**
 * @param {unknown} value
 * @returns {value is string}
 */
function isText(value) {
  return typeof value === "string";
}

/**
 * @param {() => Storage} storageOf
 * @param {string} name
 */
function read(storageOf, name) {
  try {
    return storageOf().getItem(name);
  } catch {
    return null;
  }
}

/**
 * Returns whether it was written: storage may be off or full.
 * @param {() => Storage} storageOf
 * @param {string} name
 * @param {string | null} text
 */
function write(storageOf, name, text) {
  try {
    if (text === null) storageOf().removeItem(name);
    else storageOf().setItem(name, text);
    return true;
  } catch {
    return false;
  }
}
