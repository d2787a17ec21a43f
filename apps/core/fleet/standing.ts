import { isUnused, type HeartbeatReading, type HostUse } from "./host.ts";

/** What is known of a host at one moment. */
export type HostFacts = HostUse & {
  /** Its last heartbeat, a refused one, or undefined when its key does not exist. */
  readonly heartbeat: HeartbeatReading | undefined;
};

/**
 * What a host is to hand-outs: open, or the reason why it gets no instance now. `unreachable`: its heartbeat
 * arrives, and its engine does not answer the control plane. `backing-off`: hand-outs failed on it a moment ago.
 */
export type Standing =
  | "open"
  | "full"
  | "backing-off"
  | "cordoned"
  | "draining"
  | "silent"
  | "heartbeat-refused"
  | "engine-silent"
  | "unreachable";

/**
 * Standing of a host: the one definition that placement, scaling, the dashboard and the lab share. What the
 * operator has decided comes first, then what is wrong with the host, then how full it is.
 * @param isBackingOff whether this process passes over the host because hand-outs have just failed on it
 */
export function standingOf(facts: HostFacts, isBackingOff: boolean): Standing {
  if (facts.host.state !== "active") return facts.host.state;
  const symptom = symptomOf(facts);
  if (symptom) return symptom;
  if (isBackingOff) return "backing-off";
  return facts.occupied - facts.warm < facts.host.capacity ? "open" : "full";
}

/** Whether a host is healthy: its heartbeat arrives, and its engine answers the host itself and the control plane. */
export function isHealthy(facts: HostFacts): boolean {
  return symptomOf(facts) === undefined;
}

/**
 * Whether a host is kept ready: open to hand-outs, and needed by nobody. Back-off does not count: it is a
 * process's own, and over within seconds.
 */
export function isStandby(facts: HostFacts): boolean {
  return isUnused(facts) && standingOf(facts, false) === "open";
}

/** What is wrong with a host, whether or not it is open to hand-outs; undefined when nothing is. */
export function symptomOf({
  heartbeat,
  unreachableSince,
}: Pick<HostFacts, "heartbeat" | "unreachableSince">):
  Extract<Standing, "silent" | "heartbeat-refused" | "engine-silent" | "unreachable"> | undefined {
  if (heartbeat === undefined) return "silent";
  if (heartbeat.kind === "refused") return "heartbeat-refused";
  if (heartbeat.beat.containers === null) return "engine-silent";
  return unreachableSince === null ? undefined : "unreachable";
}
