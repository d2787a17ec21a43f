import type { Host, HeartbeatReading } from "./host.ts";

/** What is known of a host at one moment. */
export type HostFacts = {
  readonly host: Host;
  /** Its last heartbeat, a refused one, or undefined when its key does not exist. */
  readonly heartbeat: HeartbeatReading | undefined;
  /** Instances that count as use: running or starting. */
  readonly inUse: number;
  /** Slots that are not free: those in use, and those whose container is not yet seen gone. */
  readonly occupied: number;
};

/** Why a host gets no instance now, or "open". */
export type Standing =
  "open" | "full" | "resting" | "cordoned" | "draining" | "silent" | "heartbeat-refused" | "engine-silent";

/** Standing of a host; `backoffUntil` is the end of the rest it got for failing a hand-out. */
export function standingOf(facts: HostFacts, backoffUntil: Date | undefined, now: Date): Standing {
  if (facts.host.state !== "active") return facts.host.state;
  if (facts.heartbeat === undefined) return "silent";
  if (facts.heartbeat.kind === "refused") return "heartbeat-refused";
  if (facts.heartbeat.beat.containers === null) return "engine-silent";
  if (backoffUntil !== undefined && backoffUntil > now) return "resting";
  return facts.occupied < facts.host.capacity ? "open" : "full";
}

/** Whether a host is kept ready: alive, open to hand-outs, and without any lease. */
export function isStandby({ host, heartbeat, inUse }: HostFacts): boolean {
  return host.state === "active" && inUse === 0 && heartbeat?.kind === "beat" && heartbeat.beat.containers !== null;
}

/**
 * Bin-packing order: the busiest host first, so that the others empty and can go; ties by name, so
 * that every replica fills the same host. Best fit by instances in use, as Get A Redis did (its
 * scheduler took the highest count strictly below the limit).
 */
export function busiestFirst(a: HostFacts, b: HostFacts): number {
  return b.inUse - a.inUse || (a.host.name < b.host.name ? -1 : a.host.name > b.host.name ? 1 : 0);
}
