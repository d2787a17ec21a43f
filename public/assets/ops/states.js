/** @import { HostOverview } from "../../api-types.ts" */

/**
 * How a state is shown: a word and a sign of its own, beside a colour of its own in states.css, so that nobody needs
 * to tell colours apart.
 * @typedef {{ readonly word: string, readonly sign: string }} Shown
 */

/** @satisfies {Record<HostOverview["standing"] | "destroy-requested" | "unknown", Shown>} */
const known = {
  open: { word: "open", sign: "●" },
  full: { word: "full", sign: "■" },
  "backing-off": { word: "backing off", sign: "↻" },
  cordoned: { word: "cordoned", sign: "⊘" },
  draining: { word: "draining", sign: "↓" },
  silent: { word: "silent", sign: "∅" },
  "heartbeat-refused": { word: "heartbeat refused", sign: "!" },
  "engine-silent": { word: "engine silent", sign: "⊖" },
  unreachable: { word: "out of reach", sign: "≠" },
  ordered: { word: "ordered", sign: "○" },
  booting: { word: "booting", sign: "↑" },
  joined: { word: "joined", sign: "◎" },
  destroying: { word: "being destroyed", sign: "⊗" },
  "destroy-requested": { word: "to be destroyed", sign: "×" },
  gone: { word: "gone", sign: "–" },
  unknown: { word: "unknown", sign: "?" },
};

/**
 * States of hosts, and of droplets on their way to become one or to their end.
 * @type {Readonly<Record<string, Shown>>}
 */
export const hostStates = known;

/**
 * States of instances.
 * @type {Readonly<Record<string, Shown>>}
 */
export const instanceStates = {
  starting: { word: "starting", sign: "↑" },
  running: { word: "running", sign: "●" },
  ending: { word: "ending", sign: "↓" },
  ended: { word: "ended", sign: "○" },
};

/**
 * How the fleet is, as a whole.
 * @type {Readonly<Record<string, Shown>>}
 */
export const verdictStates = {
  waiting: { word: "loading", sign: "…" },
  well: { word: "well", sign: "●" },
  watch: { word: "needs attention", sign: "▲" },
  trouble: { word: "trouble", sign: "■" },
  unknown: { word: "unknown", sign: "?" },
};

/**
 * States of slots, in the order of the legend; their shapes are in fleet.css.
 * @type {Readonly<Record<string, string>>}
 */
export const slotStates = {
  leased: "leased",
  starting: "starting",
  warm: "ready for the next",
  ending: "ending",
  "port-taken": "port in use",
  free: "free",
};

/**
 * How a host's state is shown. A page may be older than the service: what it does not know is shown as it is.
 * @param {string} state
 * @returns {Shown}
 */
export function hostState(state) {
  return hostStates[state] ?? { word: state, sign: "·" };
}

/**
 * The state that a host's tile shows.
 * @param {Pick<HostOverview, "standing" | "destroyRequest">} host
 */
export function stateShown({ standing, destroyRequest }) {
  return destroyRequest !== null && standing !== "destroying" ? "destroy-requested" : standing;
}
