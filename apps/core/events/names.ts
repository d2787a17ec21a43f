/** All jobs, in the order of their names. */
export const jobNames = [
  "admit",
  "announcers",
  "block-list",
  "edge-dns",
  "figures",
  "gateways",
  "health",
  "heartbeats",
  "images",
  "misuse",
  "notify",
  "prune",
  "reap",
  "reconcile",
  "scale",
  "transfer",
  "warm",
  "workloads",
] as const;

export type JobName = (typeof jobNames)[number];

/** A rule of what looks like misuse, see `findMisuse`. */
export type MisuseRule = "egress" | "logins" | "subscribers";

/** What the operator can pause: hand-outs to everybody, and steps of the fleet's scaling. */
export type SwitchName = "handouts" | "scaling";

/**
 * Why a lease ended: its time was over, its owner or an operator ended it, its hand-out failed, its
 * caller hung up before the answer, its container stopped by itself, or a rule about misuse ended it.
 */
export type EndCause = "expired" | "owner" | "operator" | "failed" | "abandoned" | "lost" | "misuse";

/**
 * Why the server of an instance ended by itself and was started again, empty: its container's memory was full, it
 * exited otherwise, or its host does not tell.
 */
export type RestartCause = "out-of-memory" | "crashed" | "unknown";
