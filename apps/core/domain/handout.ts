/** A hand-out's first row; `deadline` is the time by which it must be finished. */
export type Draft = { readonly id: string; readonly address: string; readonly tokenHash: Buffer; readonly createdAt: Date; readonly deadline: Date };

/** A caller's idempotency key and the request that came with it, both as SHA-256. */
export type IdempotencyClaim = { readonly keyHash: Buffer; readonly requestHash: Buffer };

/** What an idempotency key has led to; the answer is null while its hand-out goes on. */
export type KnownClaim = { readonly requestHash: Buffer; readonly instanceId: string; readonly sealedAnswer: Buffer | null };

/** How taking a slot and a quota place came out. */
export type TakeResult =
  | { readonly kind: "taken"; readonly port: number }
  | ({ readonly kind: "known" } & KnownClaim)
  | { readonly kind: "quota-exceeded"; readonly nextFreeAt: Date }
  | { readonly kind: "host-full" }
  | { readonly kind: "host-closed" };
