import type { LeaseRefusal } from "./instance.ts";

/** One request for an instance. `address` is the key that quotas count by; `signal` aborts when the caller has hung up. */
export type CreateRequest = {
  readonly address: string;
  readonly ttlSeconds: number | undefined;
  readonly idempotencyKey: string | undefined;
  readonly signal: AbortSignal;
};

/** What the holder gets, once: the password and the token are kept nowhere in the clear. */
export type Handout = {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly url: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly token: string;
};

/** How a hand-out came out. */
export type CreateResult =
  | {
      readonly kind: "created";
      readonly handout: Handout;
      readonly hostName: string | undefined;
      readonly replayed: boolean;
    }
  | LeaseRefusal
  | { readonly kind: "quota-exceeded"; readonly quota: number; readonly nextFreeAt: Date }
  /** By the operator: this address, or everybody for now. */
  | { readonly kind: "blocked" | "paused" }
  | { readonly kind: "no-capacity"; readonly reason: "fleet-unseen" | "no-open-host" | "hosts-failed" | "too-slow" }
  | { readonly kind: "idempotency-key-reused" }
  | { readonly kind: "idempotency-key-in-progress" }
  | { readonly kind: "abandoned" };

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

/** What an idempotency key has led to; there is no answer while its hand-out goes on. `expiresAt` is the lease's end now. */
export type KnownClaim = { readonly requestHash: Buffer; readonly instanceId: string } & (
  | { readonly sealedAnswer: null; readonly expiresAt: null }
  | { readonly sealedAnswer: Buffer; readonly expiresAt: Date }
);

/** How taking a slot and a quota place came out. */
export type TakeResult =
  | { readonly kind: "taken"; readonly port: number }
  | ({ readonly kind: "known" } & KnownClaim)
  /** By the operator: this address, or everybody for now. */
  | { readonly kind: "blocked" | "paused" }
  | { readonly kind: "quota-exceeded"; readonly nextFreeAt: Date }
  | { readonly kind: "host-full" }
  | { readonly kind: "host-closed" };
