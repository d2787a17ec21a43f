import type { SlotRow } from "./tables.ts";

/**
 * The slot that has been free for longest. After a change of the host's ports an instance may still use one that now
 * belongs to another slot.
 */
export function longestFree(slots: readonly SlotRow[], capacity: number, now: Date): SlotRow | undefined {
  const takenPorts = new Set(slots.filter(({ instanceId }) => instanceId !== null).map(({ port }) => port));
  return slots
    .filter(
      ({ instanceId, portTakenUntil, slot, port }) =>
        instanceId === null && (portTakenUntil ?? now) <= now && slot < capacity && !takenPorts.has(port),
    )
    .sort((a, b) => a.freeSince.getTime() - b.freeSince.getTime() || a.slot - b.slot)[0];
}
