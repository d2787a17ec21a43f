const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A length of time in the one or two units that matter: "4 s", "12 min", "3 h 20 min", "5 d 2 h". */
export function lasting(ms) {
  const length = Math.max(0, ms);
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`;
  if (length < HOUR) return `${Math.floor(length / MINUTE)} min`;
  if (length < DAY) return two(length, HOUR, "h", MINUTE, "min");
  return two(length, DAY, "d", HOUR, "h");
}

function two(length, large, largeName, small, smallName) {
  const rest = Math.floor((length % large) / small);
  return `${Math.floor(length / large)} ${largeName}${rest > 0 ? ` ${rest} ${smallName}` : ""}`;
}

/** Time of day, with the date when it is another day than `nowMs`. */
export function clock(ms, nowMs) {
  const moment = new Date(ms);
  const time = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  if (moment.toDateString() === new Date(nowMs).toDateString()) return time;
  return `${moment.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}

/** "1 host", "2 hosts". */
export function counted(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

/** Seconds as hand-outs take them: "8 ms", "310 ms", "1.2 s"; "–" for none. */
export function quick(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

/** US dollars: cents as long as they count. */
export function dollars(amount) {
  return amount === 0 || amount >= 0.995 ? `$${amount.toFixed(2)}` : `$${amount.toFixed(amount < 0.01 ? 4 : 3)}`;
}

/** What keeps a host from taking instances, in a few words. */
export const standingWords = {
  open: "open",
  full: "full",
  "backing-off": "backing off",
  cordoned: "cordoned",
  draining: "draining",
  silent: "silent",
  "heartbeat-refused": "heartbeat refused",
  "engine-silent": "engine silent",
  unreachable: "out of reach",
  ordered: "ordered",
  booting: "booting",
  destroying: "going",
};

/** How hand-outs come out, in a few words. */
export const resultWords = {
  created: "handed out",
  "quota-exceeded": "quota used up",
  "no-open-host": "no room",
  "hosts-failed": "hosts failed",
  "fleet-unseen": "fleet unseen",
  "too-slow": "too slow",
  blocked: "blocked",
  paused: "paused",
  unavailable: "MySQL away",
  abandoned: "hung up",
  fault: "fault",
  "lease-out-of-bounds": "bad lifetime",
  "idempotency-key-reused": "key reused",
  "idempotency-key-in-progress": "key at work",
};
