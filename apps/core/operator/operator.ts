import type { SwitchName } from "../events/names.ts";

/** A switch as it stands; `changedAt` is null while nobody has ever touched it. */
export type Switch = { readonly name: SwitchName; readonly paused: boolean; readonly changedAt: Date | null };

/** A network whose addresses get no instances. */
export type Block = {
  /** As `readNetwork` gives it; of one address, the key that quotas count by. */
  readonly address: string;
  readonly reason: string;
  readonly blockedAt: Date;
  /** When it ends by itself; null when it does not. */
  readonly until: Date | null;
  /** Key of the address that the operator called from; null in rows of earlier versions. */
  readonly by: string | null;
};

/** A block to be made. */
export type NewBlock = Omit<Block, "blockedAt">;

/** The outcome of a destroy request. */
export type DestroyRequestResult =
  | { readonly kind: "requested" }
  | { readonly kind: "unknown" }
  /** No droplet: a machine that this service has not ordered is not its own to destroy. */
  | { readonly kind: "not-ours" }
  /** The cloud has not yet reported which droplet it is. */
  | { readonly kind: "still-ordered" }
  | { readonly kind: "leased"; readonly leases: number }
  /** It balances ports or runs workloads. */
  | { readonly kind: "for-operators" };
