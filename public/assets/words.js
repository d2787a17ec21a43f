/** Time left as people say it: "11 h 59 min 03 s", "4 min 09 s", "9 s". */
export function timeLeft(leftMs) {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  const [h, min, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h} h ${pad(min)} min ${pad(s)} s`;
  return min > 0 ? `${min} min ${pad(s)} s` : `${s} s`;
}

/** A length of time to the minute: "12 h", "1 h 30 min". */
export function roughly(lengthMs) {
  const minutes = Math.round(lengthMs / 60_000);
  return [[Math.floor(minutes / 60), "h"], [minutes % 60, "min"]].filter(([count]) => count > 0).map((part) => part.join(" ")).join(" ");
}

/** A moment (a Date) in the reader's own time zone, with its day when that is not today. */
export function clockTime(at, now) {
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.toLocaleDateString([], { weekday: "long", day: "numeric", month: "short" })}, ${time}`;
}

/** States of a slip that are not the service's own words. */
export const stateWords = { blank: "not yet started", working: "starting" };

/** Why a Redis is no more, by the cause that the service names. */
export const causeWords = {
  expired: "Its time was up.",
  owner: "You ended it.",
  operator: "The operator ended it.",
  lost: "It stopped by itself.",
  failed: "It did not start.",
  abandoned: "It was never picked up.",
  unknown: "The service no longer knows it.",
};

/** When the service was not heard, or what came was not from it. */
export const noAnswer = {
  title: "No answer came back",
  detail: "The connection broke, or the service is restarting. Press again: a Redis that was already started for you is the one you get, not a second.",
};

const pad = (number) => String(number).padStart(2, "0");
