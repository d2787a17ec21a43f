import { lasting } from "./words.js";

const HOUR_S = 3600;
/** An answer that means the latest end, and comes some seconds after it was offered, is not refused. */
const TOLERANCE_S = 120;

/**
 * Reads hours as a person writes them: "2", "1.5", "1,5". Gives whole seconds, or what is wrong.
 * @param {string} text
 * @param {number} mostSeconds  The longest time that is possible.
 * @returns {{ seconds: number, fault?: undefined } | { seconds?: undefined, fault: string }}
 */
export function readHours(text, mostSeconds) {
  const number = text.trim().replace(",", ".");
  if (!/^\d{1,6}(\.\d{1,6})?$/.test(number)) return { fault: "Write a number of hours, such as 2 or 1.5." };
  const seconds = Math.round(Number(number) * HOUR_S);
  if (seconds === 0) return { fault: "That is less than a second. To end it now, use End." };
  if (seconds <= mostSeconds) return { seconds };
  if (seconds <= mostSeconds + TOLERANCE_S) return { seconds: mostSeconds };
  return { fault: `It can end in ${hoursOf(mostSeconds)} hours (${lasting(mostSeconds * 1000)}) at the latest.` };
}

/**
 * Seconds in hours, with a digit after the point where it matters; never more than there are.
 * @param {number} seconds
 */
export function hoursOf(seconds) {
  return String(Math.floor((seconds / HOUR_S) * 10) / 10);
}

/**
 * What is wrong with a time that the service refused, in hours: it tells its bounds in seconds.
 * @param {{ readonly leastSeconds?: unknown, readonly mostSeconds?: unknown, readonly detail: string }} problem
 */
export function refusedHours({ leastSeconds, mostSeconds, detail }) {
  if (typeof leastSeconds !== "number" || typeof mostSeconds !== "number") return detail;
  return `It can end in ${lasting(leastSeconds * 1000)} at the earliest, and in ${lasting(mostSeconds * 1000)} at the latest.`;
}
