/** What the operator can pause: hand-outs to everybody, and steps of the fleet's scaling. */
export type SwitchName = "handouts" | "scaling";

/** A switch as it stands; `changedAt` is null while nobody has ever touched it. */
export type Switch = { readonly name: SwitchName; readonly paused: boolean; readonly changedAt: Date | null };

/** An address that gets no instances. `address` is the key that quotas count by, see `addressKey`. */
export type Block = { readonly address: string; readonly reason: string; readonly blockedAt: Date };

/** What the operator wants of the fleet: no steps by itself, and the end of hosts, by name: without leases, or with them lost. */
export type OperatorWishes = { readonly isPaused: boolean; readonly doomed: ReadonlyMap<string, "none" | "lost"> };

/** How asking for the end of a host came out. */
export type DoomResult =
  | { readonly kind: "doomed" }
  | { readonly kind: "unknown" }
  /** No droplet: a machine that we have not ordered is not ours to destroy. */
  | { readonly kind: "not-ours" }
  /** The cloud has not yet said which droplet it is. */
  | { readonly kind: "still-ordered" }
  | { readonly kind: "leased"; readonly leases: number };
