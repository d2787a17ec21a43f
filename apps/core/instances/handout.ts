import type { AdmissionRefusal } from "../admission/admit.ts";
import type { BudgetRefusal } from "./budgets.ts";
import type { ServerVersion } from "../services/server-version.ts";
import type { LeaseRefusal } from "./instance.ts";

/** A request for an instance. `address` is the key that quotas count by; `signal` aborts when the caller hangs up. */
export type CreateRequest = {
  readonly address: string;
  readonly ttlSeconds: number | undefined;
  readonly idempotencyKey: string | undefined;
  /** A solved challenge as it came, see `readProof`. */
  readonly proof?: string | undefined;
  readonly signal: AbortSignal;
};

/** The answer that the holder gets once: password and token are kept nowhere in the clear. */
export type Handout = {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly url: string;
  /** What runs in it: redis or valkey, and its version. */
  readonly engine: ServerVersion["engine"];
  readonly version: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly token: string;
};

/** The outcome of a hand-out. */
export type CreateResult =
  | {
      readonly kind: "created";
      readonly handout: Handout;
      readonly hostName: string | undefined;
      readonly replayed: boolean;
      /** Whether it had been started ahead. */
      readonly wasWarm?: boolean;
    }
  | LeaseRefusal
  | { readonly kind: "quota-exceeded"; readonly quota: number; readonly nextFreeAt: Date }
  | BudgetRefusal
  | AdmissionRefusal
  /** By the operator: this address, or everybody for now. */
  | { readonly kind: "blocked" | "paused" }
  | {
      readonly kind: "no-capacity";
      readonly reason: "fleet-unseen" | "no-open-host" | "hosts-failed" | "too-slow" | "no-gateway" | "not-carried";
    }
  | { readonly kind: "idempotency-key-reused" }
  | { readonly kind: "idempotency-key-in-progress" }
  | { readonly kind: "abandoned" };

/** An instance's row when its hand-out begins. */
export type Draft = {
  readonly id: string;
  readonly address: string;
  readonly tokenHash: Buffer;
  readonly passwordHash: Buffer;
  readonly createdAt: Date;
  /** Time by which the hand-out must be finished. */
  readonly deadline: Date;
  /** Latest time that an extension can reach: the host itself ends the container then. */
  readonly latestEnd: Date;
};

/** A caller's idempotency key and the request that came with it, both as SHA-256. */
export type IdempotencyClaim = { readonly keyHash: Buffer; readonly requestHash: Buffer };

/**
 * The hand-out that an idempotency key has led to; it has no answer yet while it is under way. `expiresAt` is
 * the lease's end now.
 */
export type KnownClaim = { readonly requestHash: Buffer; readonly instanceId: string } & (
  | { readonly sealedAnswer: null; readonly expiresAt: null }
  | { readonly sealedAnswer: Buffer; readonly expiresAt: Date }
);

/** The outcome of taking a slot and a quota place. */
export type TakeResult =
  | { readonly kind: "taken"; readonly port: number }
  /**
   * A warm instance: the hand-out's id is its own, and `nonce`, which its password is derived from, is erased in the
   * row.
   */
  | {
      readonly kind: "taken-warm";
      readonly id: string;
      readonly port: number;
      readonly nonce: Buffer;
      readonly passwordHash: Buffer;
      readonly server: ServerVersion;
    }
  /**
   * The last slot is held by an instance of the pool that this hand-out cannot use. Its end has begun. One that is still
   * starting is closed by who starts it: its container may yet come.
   */
  | { readonly kind: "slot-held"; readonly instanceId: string; readonly isStarting: boolean }
  | ({ readonly kind: "known" } & KnownClaim)
  /** By the operator: this address, or everybody for now. */
  | { readonly kind: "blocked" | "paused" }
  | { readonly kind: "quota-exceeded"; readonly nextFreeAt: Date }
  | BudgetRefusal
  | { readonly kind: "host-full" }
  | { readonly kind: "host-closed" };
