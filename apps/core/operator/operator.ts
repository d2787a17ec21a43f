import type { SwitchName } from "../events/names.ts";

/** A switch as it stands; `changedAt` is null while nobody has ever touched it. */
export type Switch = { readonly name: SwitchName; readonly paused: boolean; readonly changedAt: Date | null };

/** An address that gets no instances. `address` is the key that quotas count by, see `addressKey`. */
export type Block = { readonly address: string; readonly reason: string; readonly blockedAt: Date };

/** The outcome of a destroy request. */
export type DestroyRequestResult =
  | { readonly kind: "requested" }
  | { readonly kind: "unknown" }
  /** No droplet: a machine that this service has not ordered is not its own to destroy. */
  | { readonly kind: "not-ours" }
  /** The cloud has not yet reported which droplet it is. */
  | { readonly kind: "still-ordered" }
  | { readonly kind: "leased"; readonly leases: number };
