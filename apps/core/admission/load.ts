/** All hosts there are, the slots of those that may take instances, and which of these are not free. */
export type Room = { readonly hosts: number; readonly capacity: number; readonly occupied: number };

/** How a fleet grows: its most hosts, the slots of each, and how many empty ones it keeps. */
export type Growth = { readonly cap: number; readonly slotsPerHost: number; readonly standbys: number };

/**
 * How much of the room is used, from 0 to 1. A fleet's room has two ends, and the worse one counts: all that it
 * may grow to, and what is free at this moment out of what its empty hosts should offer, since a new host takes
 * minutes. A fleet that keeps its empty hosts has load only as it comes near its cap.
 */
export function loadOf({ hosts, capacity, occupied }: Room, growth: Growth | undefined): number {
  const keptFree = growth ? growth.standbys * growth.slotsPerHost : 0;
  const toCome = growth && keptFree > 0 ? Math.max(0, growth.cap - hosts) * growth.slotsPerHost : 0;
  const ofAll = capacity + toCome === 0 ? 0 : occupied / (capacity + toCome);
  const ofReady = toCome === 0 ? 0 : 1 - (capacity - occupied) / keptFree;
  return Math.min(1, Math.max(0, ofAll, ofReady));
}
