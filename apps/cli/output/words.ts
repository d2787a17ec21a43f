const UNITS = [
  ["day", 86_400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
] as const;

/** A span in its largest unit that fits, such as "12 h"; two of them below ten of the larger one. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const index = UNITS.findIndex(([, size]) => whole >= size);
  const [unit, size] = UNITS[index] ?? UNITS[3];
  const count = Math.floor(whole / size);
  const next = UNITS[index + 1];
  const rest = next === undefined || count >= 10 ? 0 : Math.floor((whole - count * size) / next[1]);
  return `${counted(count, unit)}${next === undefined || rest === 0 ? "" : ` ${counted(rest, next[0])}`}`;
}

function counted(count: number, unit: (typeof UNITS)[number][0]): string {
  return `${count} ${unit === "day" && count !== 1 ? "days" : unit}`;
}

/** How far a moment is from now: "in 12 h", "5 min ago"; "-" for none. */
export function fromNow(moment: string | null | undefined, now: Date): string {
  if (moment === null || moment === undefined) return "-";
  const seconds = (Date.parse(moment) - now.getTime()) / 1000;
  return seconds > 0 ? `in ${span(seconds)}` : `${span(-seconds)} ago`;
}

/** A moment in UTC to the second, and how far it is: "2026-11-26 12:00:00 UTC (in 12 h)". */
export function moment(text: string | null | undefined, now: Date): string {
  return text === null || text === undefined ? "-" : `${plain(text)} UTC (${fromNow(text, now)})`;
}

/** A moment in UTC to the second. */
export function plain(text: string): string {
  return new Date(text).toISOString().slice(0, 19).replace("T", " ");
}

/** A size in bytes, in the unit of 1000 that fits. */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = count < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : Number(value.toFixed(1))} ${units[power] ?? ""}`;
}
