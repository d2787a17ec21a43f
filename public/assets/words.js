const KB = 1024;

/** Time left as people say it: "11 h 59 min 03 s", "4 min 09 s", "9 s". */
export function timeLeft(leftMs) {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  const [h, min, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h} h ${pad(min)} min ${pad(s)} s`;
  return min > 0 ? `${min} min ${pad(s)} s` : `${s} s`;
}

/** The same where there is little room: "11 h", "4 min", "9 s". */
export function timeShort(leftMs) {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h`;
  return seconds >= 60 ? `${Math.floor(seconds / 60)} min` : `${seconds} s`;
}

/** A length of time to the minute: "12 h", "1 h 30 min". */
export function roughly(lengthMs) {
  const minutes = Math.round(lengthMs / 60_000);
  return [
    [Math.floor(minutes / 60), "h"],
    [minutes % 60, "min"],
  ]
    .filter(([count]) => count > 0)
    .map((part) => part.join(" "))
    .join(" ");
}

/** A moment (a Date) in the reader's own time zone, with its day when that is not today; leases last a day or so. */
export function clockTime(at, now) {
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return at.toDateString() === now.toDateString() ? time : `${at.toLocaleDateString([], { weekday: "short" })} ${time}`;
}

/** Bytes as people say them: "512 B", "1.2 MB". */
export function bytesInWords(bytes) {
  if (bytes < KB) return `${bytes} B`;
  const [size, unit] = bytes < KB * KB ? [bytes / KB, "KB"] : [bytes / KB / KB, "MB"];
  return `${size < 10 ? Number(size.toFixed(1)) : Math.round(size)} ${unit}`;
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
export const noAnswer = { title: "No answer came back", detail: "The connection broke, or the service is restarting." };

/** What that means for what was asked: it may have been done all the same. */
export const unanswered = {
  create: "Press again: a Redis that was already started for you is the one you get, not a second.",
  extend: "If the time left has not grown, extend it again.",
  end: "If it is still shown as running, end it again.",
  run: "Whether the command had an effect is unknown.",
};

const pad = (number) => String(number).padStart(2, "0");
