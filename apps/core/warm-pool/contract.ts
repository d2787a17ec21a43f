import type { EngineHost } from "../fleet/host.ts";
import type { ServerVersion } from "../services/server-version.ts";

/** A warm instance's row when its start begins. */
export type WarmDraft = {
  readonly id: string;
  /** SHA-256 of the password that {@link sealedPassword} derives from the nonce. */
  readonly passwordHash: Buffer;
  readonly nonce: Buffer;
  /** What it is made by, see `recipeOf`. */
  readonly recipe: Buffer;
  readonly createdAt: Date;
  /** Time by which it must be ready. */
  readonly deadline: Date;
  /** The host itself ends its container then. */
  readonly latestEnd: Date;
};

/** An instance of the pool: `warming` while its container is on its way, `warm` once it is ready for a hand-out. */
export type WarmInstance = {
  readonly instanceId: string;
  readonly state: "warming" | "warm";
  readonly host: EngineHost;
  readonly recipe: Buffer;
  readonly createdAt: Date;
  readonly deadline: Date;
};

/** What a hand-out takes of the pool: instances of this recipe that have been ready since then at the earliest. */
export type WarmOffer = { readonly recipe: Buffer; readonly readySince: Date };

/**
 * Instances that are nobody's yet, as they are kept: each holds a slot of its host, and counts as no use. Calls throw
 * `Unavailable` while the store does not answer.
 */
export type WarmPool = {
  /** Takes a slot for an instance that is to be warmed. */
  readonly begin: (
    draft: WarmDraft,
    hostName: string,
  ) => Promise<{ readonly kind: "taken"; readonly port: number } | { readonly kind: "host-full" | "host-closed" }>;
  /**
   * From here on a hand-out may claim it. False when its deadline is over, when its end has begun, or when its host
   * takes no instances any more: it must be ended then.
   */
  readonly ready: (id: string, server: ServerVersion, now: Date) => Promise<boolean>;
  /**
   * Begins the end of an instance that nobody has claimed: no hand-out gets it any more, and the reaper removes its
   * container. Once that is gone, `leases.close` frees its slot and leaves no row.
   * @returns whether this call began the end
   */
  readonly end: (id: string) => Promise<boolean>;
  /** All that are warming or warm, the oldest first. */
  readonly list: () => Promise<WarmInstance[]>;
  /** How many instances a hand-out is starting at this moment, by host; hosts without any are left out. */
  readonly countColdStarts: () => Promise<ReadonlyMap<string, number>>;
  /** Instances that were handed out since then, and how many of these were warm. */
  readonly countHandedOut: (since: Date) => Promise<{ readonly all: number; readonly warm: number }>;
};
