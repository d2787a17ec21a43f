import type { KeptEvent } from "../events/event.ts";
import type { OperatorRole } from "./operators.ts";

/**
 * Whether a role may see addresses of visitors. A viewer sees how the service fares; who its visitors are is for
 * those who act on it.
 */
export function seesVisitors(role: OperatorRole): boolean {
  return role !== "viewer";
}

/** An event without addresses of visitors: those stand in blocks, and in ends that come with a block. */
export function withoutVisitors(event: KeptEvent): KeptEvent {
  const { kind } = event;
  if (kind === "block") return { ...event, reason: "an address or a network was blocked", data: null };
  if (kind === "unblock") return { ...event, reason: "an address or a network was unblocked", data: null };
  if (kind === "end" && event.actor === "operator") return { ...event, reason: "ended by an operator" };
  return event;
}
