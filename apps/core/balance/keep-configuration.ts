import type { Events } from "../events/contract.ts";
import { whileKnown } from "../../lib/unavailable.ts";
import type { ConfigurationPlane } from "./contract.ts";

/** What keeping a configuration in force needs. */
export type KeepConfigurationPorts = {
  readonly plane: ConfigurationPlane;
  readonly store: { readonly events: Pick<Events, "add"> };
  readonly clock: () => Date;
  /** Milliseconds on a clock that nobody sets. */
  readonly nowMs: () => number;
};

/** What came of a configuration: it was in force, it is from now on, or the last good one stays. */
export type Kept = "unchanged" | "loaded" | "refused";

/** A configuration that is kept as it should be. */
export type KeptConfiguration = {
  /** Has the program work by this configuration. Faults of the program itself are thrown. */
  readonly keep: (text: string) => Promise<Kept>;
  /** Why the last one was refused, in the program's words; undefined when it was not. */
  readonly refusal: () => string | undefined;
  /** The program may work by another one, or not at all: the next one is loaded in any case. */
  readonly forget: () => void;
};

/** What was refused is tried again after this time: it may be refused for something outside it. */
const TRY_AGAIN_MS = 60_000;
const LONGEST_FAULT = 300;

/**
 * Keeps a program's configuration as it should be. Each new one is tested before the program is told to read it; one
 * that does not pass is told as an alarm, and the last good one stays in force.
 * @param gateway whose program it is
 */
export function keepConfiguration(
  { plane, store, clock, nowMs }: KeepConfigurationPorts,
  gateway: string,
): KeptConfiguration {
  let inForce: string | undefined;
  let lastGood: string | undefined;
  let refused: { readonly text: string; readonly at: number; readonly fault: string } | undefined;

  async function keep(text: string): Promise<Kept> {
    if (text === inForce) {
      refused = undefined;
      return "unchanged";
    }
    const now = nowMs();
    if (refused?.text === text && now - refused.at < TRY_AGAIN_MS) {
      await bringBack();
      return "refused";
    }
    const fault = (await plane.test(text)) ?? (await plane.load(text));
    if (fault !== undefined) {
      refused = { text, at: now, fault };
      const reason =
        `${plane.name} refuses the configuration of services on gateway ${gateway}: ${fault.slice(0, LONGEST_FAULT)}. ` +
        `The last good one stays in force`;
      await bringBack();
      const event = { actor: "gateway", kind: "configuration-refused", alarm: true, reason } as const;
      // While it cannot be kept, it is told with the next try.
      await whileKnown(store.events.add(event, clock()), "mysql");
      return "refused";
    }
    inForce = text;
    lastGood = text;
    refused = undefined;
    return "loaded";
  }

  /** Has the program work by the last good one, if nobody knows whether it does. */
  async function bringBack(): Promise<void> {
    if (inForce !== undefined || lastGood === undefined) return;
    if ((await plane.load(lastGood)) === undefined) inForce = lastGood;
  }

  return {
    keep,
    refusal: () => refused?.fault,
    forget: () => {
      inForce = undefined;
    },
  };
}
