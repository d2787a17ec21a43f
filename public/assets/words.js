/**
 * Time left as people say it: "11 h 59 min 03 s", "4 min 09 s", "9 s".
 * @param {number} leftMs
 */
export function timeLeft(leftMs) {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  const [h, min, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h} h ${pad(min)} min ${pad(s)} s`;
  return min > 0 ? `${min} min ${pad(s)} s` : `${s} s`;
}

/**
 * The same where there is little room: "11 h", "4 min", "9 s".
 * @param {number} leftMs
 */
export function timeShort(leftMs) {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h`;
  return seconds >= 60 ? `${Math.floor(seconds / 60)} min` : `${seconds} s`;
}

/**
 * A length of time to the minute: "12 h", "1 h 30 min".
 * @param {number} lengthMs
 */
export function roughly(lengthMs) {
  const minutes = Math.round(lengthMs / 60_000);
  const [h, min] = [Math.floor(minutes / 60), minutes % 60];
  return [...(h > 0 ? [`${h} h`] : []), ...(min > 0 ? [`${min} min`] : [])].join(" ");
}

/**
 * A moment in the reader's own time zone, with its day when that is not today; leases last a day or so.
 * @param {Date} at
 * @param {Date} now
 */
export function clockTime(at, now) {
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return at.toDateString() === now.toDateString() ? time : `${at.toLocaleDateString([], { weekday: "short" })} ${time}`;
}

/**
 * States of a slip that are not the service's own words.
 * @type {Record<string, string>}
 */
export const stateWords = { blank: "not started", working: "starting" };

/**
 * Why an instance has ended, by the cause that the service names.
 * @type {Record<string, string>}
 */
const causeWords = {
  expired: "Its time was up.",
  owner: "You ended it.",
  operator: "The operator ended it.",
  misuse: "It was ended because it looked like misuse.",
  lost: "It stopped unexpectedly.",
  failed: "It did not start.",
  abandoned: "Its request was cancelled.",
};

/** @param {string | null | undefined} cause */
export function whyEnded(cause) {
  return causeWords[cause ?? ""] ?? "The service no longer knows it.";
}

/** When no answer came, or what came was not from the service. */
export const noAnswer = { title: "No answer", detail: "The connection was lost, or the service is restarting." };

/** What a missing answer means for each request, which may have been done all the same. */
export const unanswered = {
  create: "Try again. You won't get a second one.",
  extend: "If the time left is the same as before, extend it again.",
  end: "If it is still shown as running, end it again.",
  run: "The command may or may not have run.",
};

/** @param {number} number */
const pad = (number) => String(number).padStart(2, "0");
