import { hashSecret } from "../../lib/secrets.ts";
import { openAnswer } from "./sealed-answer.ts";
import type { Handouts } from "./contract.ts";
import type { CreateRequest, CreateResult, Handout, IdempotencyClaim, KnownClaim } from "./handout.ts";

/** What replaying the answer to a known idempotency key needs. */
export type ReplayPorts = {
  readonly store: { readonly handouts: Pick<Handouts, "readClaim"> };
  readonly clock: () => Date;
  readonly delay: (ms: number) => Promise<void>;
  readonly rules: { readonly serverSecret: string };
};

const POLL_MS = 50;

/** A request's idempotency key and its content, hashed; undefined when it has no key. */
export function claimOf(request: CreateRequest): IdempotencyClaim | undefined {
  if (request.idempotencyKey === undefined) return undefined;
  return {
    keyHash: hashSecret(request.idempotencyKey),
    requestHash: hashSecret(JSON.stringify({ ttlSeconds: request.ttlSeconds ?? null })),
  };
}

/**
 * The answer that the key's first request got, waited for while that request is still under way; "undone" when
 * it failed and left nothing, so that this request is now the first.
 */
export async function replayAnswer(
  ports: ReplayPorts,
  request: CreateRequest,
  known: KnownClaim,
  deadline: Date,
): Promise<CreateResult | "undone"> {
  const { rules, clock } = ports;
  const claim = claimOf(request);
  if (request.idempotencyKey === undefined || !claim) throw new Error("a claim without a key was found");
  for (
    let current: KnownClaim | undefined = known;
    current;
    current = await ports.store.handouts.readClaim(request.address, claim.keyHash, clock())
  ) {
    if (!current.requestHash.equals(claim.requestHash)) return { kind: "idempotency-key-reused" };
    if (current.sealedAnswer) {
      const answer = openAnswer(current.sealedAnswer, {
        serverSecret: rules.serverSecret,
        idempotencyKey: request.idempotencyKey,
        instanceId: current.instanceId,
      });
      // Its end may have been moved since.
      const handout = { ...(JSON.parse(answer) as Handout), expiresAt: current.expiresAt.toISOString() };
      return { kind: "created", handout, hostName: undefined, replayed: true };
    }
    if (clock() >= deadline) return { kind: "idempotency-key-in-progress" };
    await ports.delay(POLL_MS);
  }
  return "undone";
}
