/** @import { ConsoleEntry, Session, Transcript } from "../home-types.ts" */

/** Transcripts of consoles by their instance's id, for as long as the tab is open. */
const KEY = "getaredis.consoles";
/** Characters that are kept of each: older lines are dropped, and longer ones cut. */
const MOST_CHARACTERS = 64 * 1024;
const MOST_OF_AN_ENTRY = 8 * 1024;

/**
 * What the console has shown of an instance before the page was loaded again.
 * @param {string} id
 * @returns {Transcript | undefined}
 */
export function keptTranscript(id) {
  return read()[id];
}

/** @param {Session} session */
export function keepTranscript({ instance: { id }, entries, lines, database, transaction }) {
  /** @type {ConsoleEntry[]} */
  const kept = [];
  let room = MOST_CHARACTERS;
  for (const entry of entries.toReversed()) {
    const text = entry.text.length > MOST_OF_AN_ENTRY ? `${entry.text.slice(0, MOST_OF_AN_ENTRY)}…` : entry.text;
    room -= text.length;
    if (room < 0) break;
    kept.unshift({ ...entry, text });
  }
  write({ ...read(), [id]: { entries: kept, lines: fitting(lines), database, transaction } });
}

/**
 * Those of instances that have ended.
 * @param {(id: string) => boolean} isRunning
 */
export function forgetTranscripts(isRunning) {
  const all = Object.entries(read());
  const left = all.filter(([id]) => isRunning(id));
  if (left.length < all.length) write(Object.fromEntries(left));
}

/** @param {string[]} lines */
function fitting(lines) {
  let room = MOST_CHARACTERS;
  return lines.filter((line) => (room -= line.length) >= 0);
}

/**
 * What is there may be of another version of this page, or the visitor's own.
 * @returns {Record<string, Transcript>}
 */
function read() {
  try {
    /** @type {unknown} */
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    if (!kept || typeof kept !== "object") return {};
    const entries = Object.entries(/** @type {Record<string, Transcript | null>} */ (kept));
    return Object.fromEntries(
      entries.filter(/** @returns {entry is [string, Transcript]} */ (entry) => isTranscript(entry[1])),
    );
  } catch {
    return {};
  }
}

/**
 * @param {Partial<Record<keyof Transcript, unknown>> | null} kept
 * @returns {kept is Transcript}
 */
function isTranscript(kept) {
  return (
    Array.isArray(kept?.entries) &&
    kept.entries.every(isEntry) &&
    Array.isArray(kept.lines) &&
    kept.lines.every((line) => typeof line === "string") &&
    Number.isInteger(kept.database) &&
    ["none", "watched", "begun"].includes(String(kept.transaction))
  );
}

/** @param {Partial<Record<keyof ConsoleEntry, unknown>> | null} entry */
function isEntry(entry) {
  return (
    ["typed", "reply"].includes(String(entry?.kind)) &&
    typeof entry?.text === "string" &&
    typeof entry.tone === "string" &&
    ["string", "undefined"].includes(typeof entry.prompt)
  );
}

/**
 * Where storage is off or full, nothing is kept.
 * @param {Record<string, Transcript>} all
 */
function write(all) {
  try {
    if (Object.keys(all).length === 0) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    // A reload begins anew then.
  }
}
