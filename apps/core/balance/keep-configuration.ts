import type { Events } from "../events/contract.ts";
import type { ConfigurationPlane } from "./contract.ts";

/** What keeping a configuration in force needs. */
export type KeepConfigurationPorts = {
  readonly plane: ConfigurationPlane;
  readonly store: { readonly events: Pick<Events, "add"> };
  readonly clock: () => Date;
};

/** What came of a configuration: it was in force, it is from now on, or the last good one stays. */
export type Kept = "unchanged" | "loaded" | "refused";

/** What was refused is tried again after this time: it may be refused for something outside it. */
const TRY_AGAIN_MS = 60_000;
const LONGEST_FAULT = 300;

/**
 * Keeps a program's configuration as it should be. Each new one is tested before the program is told to read it; one
 * that does not pass is told as an alarm, and the last good one stays in force. Called again and again; faults of the
 * program itself are thrown.
 * @param gateway whose program it is
 */
export function keepConfiguration(
  { plane, store, clock }: KeepConfigurationPorts,
  gateway: string,
): (text: string) => Promise<Kept> {
  let inForce: string | undefined;
  let refused: { readonly text: string; readonly at: number } | undefined;

  return async (text) => {
    if (text === inForce) {
      refused = undefined;
      return "unchanged";
    }
    const now = clock().getTime();
    if (refused?.text === text && now - refused.at < TRY_AGAIN_MS) return "refused";
    const fault = await plane.test(text);
    if (fault !== undefined) {
      refused = { text, at: now };
      const reason =
        `${plane.name} refuses the configuration of services on gateway ${gateway}: ${fault.slice(0, LONGEST_FAULT)}. ` +
        `The last good one stays in force`;
      await store.events.add({ actor: "gateway", kind: "configuration-refused", alarm: true, reason }, clock());
      return "refused";
    }
    await plane.load(text);
    inForce = text;
    refused = undefined;
    return "loaded";
  };
}
