/** Most slots that a host gets by its memory: no more were measured on one engine. */
export const MOST_SLOTS = 300;
/** A host of one slot is hardly a host; with less memory than for two, the operator decides. */
const LEAST_SLOTS = 2;

/**
 * Megabytes that a machine needs for itself before the first instance: system, Docker and heartbeat on a droplet, and
 * on a single box the service with its databases as well.
 */
export const OWN_MB = { droplet: 400, box: 700 } as const;

/** Megabytes of an instance besides its data: the server itself, its shim, the engine's and the kernel's share. */
const BESIDES_DATA_MB = 10;

/**
 * Slots of a host: as many instances as its memory holds when all of them are full, from 2 to 300. Most are nearly
 * empty at any time, and whoever knows theirs to be may set more.
 * @param memoryMb all of the machine's memory
 * @param ownMb one of {@link OWN_MB}
 * @param dataMb what an instance may hold
 */
export function capacityByMemory(memoryMb: number, ownMb: number, dataMb: number): number {
  const slots = Math.floor((memoryMb - ownMb) / (dataMb + BESIDES_DATA_MB));
  return Math.max(LEAST_SLOTS, Math.min(MOST_SLOTS, slots));
}

/**
 * Megabytes of memory that the name of a droplet's size tells, as of "s-1vcpu-2gb"; of "c-4" alone the number of
 * processors, with 2 GB each. Undefined when it tells neither. A droplet itself tells its memory for sure.
 */
export function memoryOfSize(size: string): number | undefined {
  const [, amount, unit] = /-(\d+)(gb|mb)(?:-|$)/.exec(size) ?? [];
  if (amount !== undefined) return Number(amount) * (unit === "gb" ? 1024 : 1);
  const [, processors] = /^c-(\d+)(?:-|$)/.exec(size) ?? [];
  return processors === undefined ? undefined : Number(processors) * 2048;
}
