/** @import { Entry } from "../home-types.ts" */
import { timeShort, whyEnded } from "./words.js";

const MINUTE_MS = 60_000;
/** The end is told when this much is left. */
const MOMENTS_MS = [10 * MINUTE_MS, MINUTE_MS];
/** What is left of an instance whose end has been told, and whose reason may come yet. */
const OVER = -Infinity;

/**
 * What an instance is called: by the name that its holder gave it, where there is one.
 * @param {Pick<Entry, "name">} entry
 */
export function nameOf({ name }) {
  return name || "Your Redis";
}

/** Follows the instances held, from look to look, and says what is new about their ends: for screen readers. */
export function createLeaseNews() {
  /**
   * How much was left of each running instance at the last look, by its id.
   * @type {Map<string, number>}
   */
  const known = new Map();

  /** @param {Entry} entry  @param {number} nowMs */
  function newsOf(entry, nowMs) {
    const { id, expiresAt } = entry.instance;
    const beforeMs = known.get(id);
    if (entry.state === "running") {
      const leftMs = Date.parse(expiresAt) - nowMs;
      known.set(id, leftMs);
      const isMoment = MOMENTS_MS.some((ms) => leftMs <= ms && (beforeMs ?? Infinity) > ms);
      return isMoment && leftMs > 0 ? `${nameOf(entry)} ends in ${inWords(leftMs)}.` : "";
    }
    if (entry.state === "ended") known.delete(id);
    else known.set(id, OVER);
    // Whoever ended it knows.
    if (beforeMs === undefined || entry.endCause === "owner") return "";
    if (entry.state === "ended") return `${nameOf(entry)} has ended. ${whyEnded(entry.endCause)}`;
    return beforeMs === OVER ? "" : `${nameOf(entry)} is ending.`;
  }

  return {
    /**
     * @param {readonly Entry[]} entries
     * @param {number} nowMs
     * @returns {string} Empty when nothing is new.
     */
    look: (entries, nowMs) =>
      entries
        .map((entry) => newsOf(entry, nowMs))
        .filter((words) => words !== "")
        .join(" "),
  };
}

/**
 * Of the running instances, the one that ends first, once it has ten minutes left or less.
 * @param {readonly Entry[]} entries
 * @param {number} nowMs
 */
export function soonOver(entries, nowMs) {
  return entries
    .filter(({ state }) => state === "running")
    .map((entry) => ({ entry, leftMs: Date.parse(entry.instance.expiresAt) - nowMs }))
    .filter(({ leftMs }) => leftMs > 0 && leftMs <= Math.max(...MOMENTS_MS))
    .sort((one, other) => one.leftMs - other.leftMs)[0];
}

/**
 * The page's title: what is about to end, else the instance shown, else undefined.
 * @param {readonly Entry[]} entries
 * @param {Entry | undefined} selected
 * @param {number} nowMs
 */
export function titleOf(entries, selected, nowMs) {
  const soon = soonOver(entries, nowMs);
  if (soon) return `${timeShort(Math.ceil(soon.leftMs / MINUTE_MS) * MINUTE_MS)} left: ${nameOf(soon.entry)}`;
  if (!selected) return undefined;
  const name = nameOf(selected);
  if (selected.state === "running") return name;
  return `${selected.state === "ending" ? "Ending" : "Ended"}: ${name}`;
}

/** @param {number} leftMs */
function inWords(leftMs) {
  if (leftMs < MINUTE_MS - 5_000) return "less than a minute";
  const minutes = Math.ceil(leftMs / MINUTE_MS);
  return minutes === 1 ? "1 minute" : `${minutes} minutes`;
}
