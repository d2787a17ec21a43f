import type { MisuseRule } from "../events/names.ts";

/** A count that grows while a server runs, read at a moment in milliseconds. */
export type Reading = { readonly atMs: number; readonly count: number };

/** How an instance is used, as far as it could be read. */
export type Usage = {
  readonly sentBytes?: Reading;
  readonly logins?: Reading;
  /** Addresses that have subscribed to its channels now. */
  readonly subscribers?: number;
};

/** Bounds beyond which use looks like misuse; what is undefined is not looked at. */
export type MisuseBounds = {
  readonly egressMbPerMinute: number | undefined;
  readonly loginsPerMinute: number | undefined;
  readonly subscribers: number | undefined;
};

/** What was found beyond a bound, in the unit of its rule: megabytes or log-ins a minute, or addresses. */
export type MisuseFinding = { readonly rule: MisuseRule; readonly value: number; readonly bound: number };

/** The bounds, and what is done about a finding: reported only, or ended when it has lasted `graceMs`. */
export type MisuseRules = {
  readonly bounds: MisuseBounds;
  readonly mode: "report" | "end";
  readonly graceMs: number;
  /** What instances' own passwords for this are derived from, see `watchPassword`. */
  readonly serverSecret: string;
};

const MINUTE_MS = 60_000;
/** Findings further apart are two, and the later one is reported before anything is done about it. */
export const LONGEST_GAP_MS = 3 * MINUTE_MS;
const MEGABYTE = 1_000_000;
/** Usage over a shorter time says little about a minute. */
const SHORTEST_SPAN_MS = MINUTE_MS / 4;

/** What looks like misuse of an instance now, and between two readings of its usage. */
export function findMisuse(before: Usage | undefined, now: Usage, bounds: MisuseBounds): MisuseFinding[] {
  const sentBytes = perMinute(before?.sentBytes, now.sentBytes);
  const logins = perMinute(before?.logins, now.logins);
  return [
    ...beyond("egress", sentBytes === undefined ? undefined : sentBytes / MEGABYTE, bounds.egressMbPerMinute),
    ...beyond("logins", logins, bounds.loginsPerMinute),
    ...beyond("subscribers", now.subscribers, bounds.subscribers),
  ];
}

function perMinute(before: Reading | undefined, now: Reading | undefined): number | undefined {
  if (!before || !now) return undefined;
  const spanMs = now.atMs - before.atMs;
  if (spanMs < SHORTEST_SPAN_MS) return undefined;
  // Less than before: its server was started again in between.
  const grown = now.count < before.count ? now.count : now.count - before.count;
  return (grown / spanMs) * MINUTE_MS;
}

function beyond(rule: MisuseRule, exact: number | undefined, bound: number | undefined): MisuseFinding[] {
  if (exact === undefined || bound === undefined) return [];
  const value = Math.round(exact);
  return value > bound ? [{ rule, value, bound }] : [];
}
