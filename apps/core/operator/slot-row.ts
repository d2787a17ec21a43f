import type { TakenSlot } from "./contract.ts";

type SlotState = "leased" | "starting" | "warm" | "ending" | "port-taken" | "free";

/** Meanings of the letters of a {@link slotRow}. A reader that draws states as parts of one bar keeps this order. */
export const slotLegend = {
  l: "leased",
  s: "starting",
  w: "warm",
  e: "ending",
  r: "port-taken",
  ".": "free",
} as const satisfies Readonly<Record<string, SlotState>>;

type Letter = keyof typeof slotLegend;

const letterOf: Readonly<Record<TakenSlot["state"], Letter>> = {
  running: "l",
  starting: "s",
  // Nobody has it, and it is not ready yet: what it does is start.
  warming: "s",
  warm: "w",
  ending: "e",
  "port-taken": "r",
  ended: ".",
};

/** A host's slots in their order, one letter each: each reader gets thousands of them every second. */
export function slotRow(capacity: number, taken: readonly Pick<TakenSlot, "slot" | "state">[]): string {
  const row = Array.from({ length: capacity }, (): Letter => ".");
  for (const { slot, state } of taken) if (slot < row.length) row[slot] = letterOf[state];
  return row.join("");
}
