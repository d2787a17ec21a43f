import { clockTime } from "./words.js";
/** @import { Held, State } from "../home-types.ts" */

/**
 * What runs in an instance, and that it came back empty when it did.
 * @param {Held} instance
 * @param {State["lastRestart"]} restart
 * @param {Date} now
 */
export function serverNote(instance, restart, now) {
  return [serverWords(instance), restartWords(restart, now)].filter((words) => words !== "").join(" ");
}

/**
 * What runs in an instance; nothing when that is not known.
 * @param {Pick<Held, "engine" | "version">} instance
 */
function serverWords({ engine, version }) {
  return engine && version ? `It runs ${engine === "valkey" ? "Valkey" : "Redis"} ${version}.` : "";
}

/** @type {Record<string, string>} */
const restartCauses = { "out-of-memory": "Its memory was full", crashed: "Its server crashed" };

/**
 * That an instance came back empty, and why; nothing when it did not.
 * @param {State["lastRestart"]} restart
 * @param {Date} now
 */
function restartWords(restart, now) {
  if (!restart) return "";
  const cause = restartCauses[restart.cause] ?? "Its server was restarted";
  return `${cause} at ${clockTime(new Date(restart.at), now)}: all its data is lost, and its address and password are the same.`;
}
