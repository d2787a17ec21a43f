/** A hand-out's first row. */
export type Draft = {
  readonly id: string;
  readonly address: string;
  readonly tokenHash: Buffer;
  readonly createdAt: Date;
  /** Time by which the hand-out must be finished. */
  readonly deadline: Date;
  /** Time that no extension can pass: the host itself ends the container then. */
  readonly latestEnd: Date;
};

/** A caller's idempotency key and the request that came with it, both as SHA-256. */
export type IdempotencyClaim = { readonly keyHash: Buffer; readonly requestHash: Buffer };

/**
 * What an idempotency key has led to; the answer is null while its
 * hand-out goes on. `expiresAt` is the lease's end now.
 */
export type KnownClaim = {
  readonly requestHash: Buffer;
  readonly instanceId: string;
  readonly sealedAnswer: Buffer | null;
  readonly expiresAt: Date;
};

/** How taking a slot and a quota place came out. */
export type TakeResult =
  | { readonly kind: "taken"; readonly port: number }
  | ({ readonly kind: "known" } & KnownClaim)
  /** By the operator: this address, or everybody for now. */
  | { readonly kind: "blocked" | "paused" }
  | { readonly kind: "quota-exceeded"; readonly nextFreeAt: Date }
  | { readonly kind: "host-full" }
  | { readonly kind: "host-closed" };
