import { usage } from "../stopped.ts";

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
type Unit = keyof typeof SECONDS;

/** How times are written, for help. */
export const DURATION_FORM = "seconds, or as in 90s, 15m, 2h, 1h30m, 1d";

/** Seconds of a time such as `1h30m`, or of a plain number of seconds. @throws Stopped for anything else */
export function readSeconds(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  if (!/^(\d{1,9}[smhd])+$/.test(text)) throw usage(`${JSON.stringify(text)} is no time. Write ${DURATION_FORM}.`);
  return [...text.matchAll(/(\d+)([smhd])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * SECONDS[unit as Unit],
    0,
  );
}

/** How moments are written, for help. */
export const MOMENT_FORM = "a time from now such as 2h, or a moment such as 2027-01-31T12:00:00Z";

/** The moment that a text names: one of its own, or a time after `now`; as the API takes it. */
export function readMoment(text: string, now: Date): string {
  if (/^\d+[smhd]/.test(text)) return new Date(now.getTime() + readSeconds(text) * 1000).toISOString();
  const moment = /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (Number.isNaN(moment.getTime())) throw usage(`${JSON.stringify(text)} is no moment. Write ${MOMENT_FORM}.`);
  return moment.toISOString();
}
