const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * A length of time in the one or two units that matter: "4 s", "12 min", "3 h 20 min", "5 d 2 h".
 * @param {number} ms
 */
export function lasting(ms) {
  const length = Math.max(0, ms);
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`;
  if (length < HOUR) return `${Math.floor(length / MINUTE)} min`;
  if (length < DAY) return two(length, HOUR, "h", MINUTE, "min");
  return two(length, DAY, "d", HOUR, "h");
}

/**
 * @param {number} length
 * @param {number} large
 * @param {string} largeName
 * @param {number} small
 * @param {string} smallName
 */
function two(length, large, largeName, small, smallName) {
  const rest = Math.floor((length % large) / small);
  return `${Math.floor(length / large)} ${largeName}${rest > 0 ? ` ${rest} ${smallName}` : ""}`;
}

/**
 * Time of day, with the date when it is another day than `nowMs`.
 * @param {number} ms
 * @param {number} nowMs
 */
export function clock(ms, nowMs) {
  const moment = new Date(ms);
  const time = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  if (moment.toDateString() === new Date(nowMs).toDateString()) return time;
  return `${moment.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}

/**
 * Time of day to the minute, such as "09:57", with the date when it is another day than `nowMs`.
 * @param {number} ms
 * @param {number} nowMs
 */
export function hourAndMinute(ms, nowMs) {
  return clock(ms, nowMs).replace(/:\d\d$/, "");
}

/**
 * "1 host", "2 hosts".
 * @param {number} count
 * @param {string} word
 */
export function counted(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

/**
 * Seconds as hand-outs take them: "8 ms", "310 ms", "1.2 s"; "–" for none.
 * @param {number | null | undefined} seconds
 */
export function quick(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

/**
 * US dollars: with tenths and hundredths of cents while they matter.
 * @param {number} amount
 */
export function dollars(amount) {
  return amount === 0 || amount >= 0.995 ? `$${amount.toFixed(2)}` : `$${amount.toFixed(amount < 0.01 ? 4 : 3)}`;
}

/**
 * Address and port of an instance, IPv6 in brackets.
 * @param {{ readonly host: string, readonly port: number }} instance
 */
export function placeOf({ host, port }) {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * How hand-outs come out, in a few words.
 * @type {Readonly<Record<string, string>>}
 */
export const resultWords = {
  created: "handed out",
  "quota-exceeded": "address has its quota",
  "network-quota-exceeded": "network has its quota",
  "starts-exceeded": "daily limit",
  "work-needed": "proof of work needed",
  "rate-exceeded": "too many at once",
  "kept-for-newcomers": "kept for newcomers",
  "no-open-host": "no room",
  "hosts-failed": "hosts failed",
  "fleet-unseen": "no heartbeats",
  "too-slow": "too slow",
  "no-gateway": "no gateway",
  "not-carried": "not carried by all gateways",
  blocked: "blocked",
  paused: "paused",
  unavailable: "MySQL down",
  abandoned: "caller gone",
  fault: "fault",
  "lease-out-of-bounds": "bad lifetime",
  "idempotency-key-reused": "key reused",
  "idempotency-key-in-progress": "key in use",
};
