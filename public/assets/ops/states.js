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
 * States of gateways, and of what is carried besides instances. Each has the colour of a host's state, `as`, and its
 * sign where both mean the same.
 * @satisfies {Readonly<Record<string, Shown & { readonly as: keyof typeof known }>>}
 */
const knownAtEdge = {
  live: { word: "live", sign: "●", as: "open" },
  joining: { word: "joining", sign: "↑", as: "booting" },
  draining: { word: "draining", sign: "↓", as: "draining" },
  unreadable: { word: "unreadable", sign: "!", as: "heartbeat-refused" },
  ordered: { word: "ordered", sign: "↑", as: "booting" },
  booting: { word: "booting", sign: "↑", as: "booting" },
  silent: { word: "silent", sign: "∅", as: "silent" },
  destroying: { word: "going", sign: "↓", as: "destroying" },
  up: { word: "up", sign: "●", as: "open" },
  degraded: { word: "members down", sign: "▲", as: "backing-off" },
  down: { word: "down", sign: "∅", as: "silent" },
  empty: { word: "no members", sign: "⊘", as: "cordoned" },
  "not-carried": { word: "not carried", sign: "⊖", as: "engine-silent" },
  untold: { word: "carried", sign: "●", as: "open" },
  retired: { word: "not answering", sign: "∅", as: "silent" },
  followed: { word: "followed", sign: "●", as: "open" },
  partly: { word: "not all followed", sign: "▲", as: "backing-off" },
  on: { word: "on", sign: "●", as: "open" },
  running: { word: "running", sign: "●", as: "open" },
  paused: { word: "paused", sign: "⊘", as: "cordoned" },
  stopped: { word: "stopped", sign: "⊘", as: "cordoned" },
  waiting: { word: "on its way", sign: "↑", as: "booting" },
  refused: { word: "refused", sign: "!", as: "heartbeat-refused" },
  failed: { word: "failed", sign: "!", as: "heartbeat-refused" },
  unknown: { word: "unknown", sign: "?", as: "unknown" },
};

/**
 * States of gateways, services, balanced ports and workloads.
 * @type {Readonly<Record<string, Shown & { readonly as: string }>>}
 */
export const edgeStates = knownAtEdge;

/**
 * How a state at the edge is shown; one that a newer service tells, as it is.
 * @param {string} state
 */
export function edgeState(state) {
  return edgeStates[state] ?? { word: state, sign: "·", as: "gone" };
}

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
