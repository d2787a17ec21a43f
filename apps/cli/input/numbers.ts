import { usage } from "../stopped.ts";

/** A whole number within bounds. @param name of what it is, as its user knows it. @throws Stopped for anything else */
export function readWhole(text: string, name: string, least: number, most: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw usage(`${name} must be a whole number from ${least} to ${most}.`);
}

/** The number of a TCP port. */
export function readPort(text: string): number {
  return readWhole(text, "A port", 1, 65_535);
}
