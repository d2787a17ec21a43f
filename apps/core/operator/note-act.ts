import type { Events } from "../events/contract.ts";
import type { Happening } from "../events/event.ts";

/** What keeping an act needs. */
export type NotePorts = { readonly store: { readonly events: Pick<Events, "add"> }; readonly clock: () => Date };

/** Keeps an act as an event, with the name of the operator whose it is. */
export function noteAct({ store, clock }: NotePorts, by: string, event: Happening): Promise<void> {
  return store.events.add({ actor: "operator", by, ...event }, clock());
}
