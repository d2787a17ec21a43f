import type { InstanceLimits } from "../services/container-spec.ts";
import type { Host } from "../fleet/host.ts";
import { leaseSeconds, type LeaseBounds, type LeaseRefusal } from "./instance.ts";
import type { Handouts, InstanceEngines, WaitForPong } from "./contract.ts";
import type { EndPorts } from "./end-instance.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { handOutOn } from "./hand-out-on.ts";
import { claimOf, replayAnswer } from "./replay-answer.ts";

/** What a hand-out needs. */
export type CreatePorts = EndPorts & {
  readonly fleet: Pick<FleetCache, "openHosts" | "isBlind" | "countTaken" | "countFull" | "backOff" | "countSuccess">;
  readonly store: { readonly handouts: Handouts };
  readonly engines: Pick<InstanceEngines, "startContainer">;
  readonly waitForPong: WaitForPong;
  readonly random: {
    readonly id: () => string;
    readonly password: () => string;
    readonly token: () => string;
    readonly nonce: () => Buffer;
  };
  readonly delay: (ms: number) => Promise<void>;
  /** A signal that aborts after so many milliseconds. */
  readonly after: (ms: number) => AbortSignal;
  /** Told of each host that failed, with the fault. */
  readonly onHostFailure: (hostName: string, instanceId: string, fault: unknown) => void;
  /** Told when an empty host gets its first instance: the fleet wants another one. */
  readonly onStandbyTaken: (hostName: string) => void;
  readonly rules: HandoutRules;
};

/** Settings of hand-outs. */
export type HandoutRules = {
  readonly limits: InstanceLimits;
  readonly lease: LeaseBounds;
  readonly quotaPerAddress: number;
  readonly timeoutMs: number;
  readonly readyTimeoutMs: number;
  /** How long a slot whose port something else holds is passed over. */
  readonly slotBackoffMs: number;
  readonly serverSecret: string;
};

/** One person's wish. `address` is the key that quotas count by; `signal` aborts when the caller has hung up. */
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
  readonly username: "default";
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

/**
 * Hands out one instance: takes a slot of the busiest open host and a quota place in one transaction,
 * starts the container, and sees its `PONG` before anything is promised. A failure undoes all that was
 * taken and goes on with the next host. A retry with a known idempotency key gets the first answer.
 * @throws Unavailable when MySQL does not answer
 */
export async function createInstance(ports: CreatePorts, request: CreateRequest): Promise<CreateResult> {
  const { rules, clock } = ports;
  const ttlSeconds = leaseSeconds(request.ttlSeconds, rules.lease);
  if (typeof ttlSeconds !== "number") return ttlSeconds;
  const deadline = new Date(clock().getTime() + rules.timeoutMs);
  const claim = claimOf(request);
  const known = claim && (await ports.store.handouts.readClaim(request.address, claim.keyHash, clock()));
  const replay = known && (await replayAnswer(ports, request, known, deadline));
  if (replay && replay !== "undone") return replay;

  let failures = 0;
  for (;;) {
    const host = nextHost(ports);
    if (!host) return { kind: "no-capacity", reason: whyNone(ports, failures) };
    const attempt = await handOutOn(ports, host, { ...request, ttlSeconds, claim, deadline });
    if (attempt.kind === "known") {
      // The same key came twice at once, and the other request was first.
      const answer = await replayAnswer(ports, request, attempt, deadline);
      if (answer !== "undone") return answer;
    } else if (attempt.kind === "host-full" || attempt.kind === "host-closed") {
      ports.fleet.countFull(host.name);
    } else if (attempt.kind === "host-failed") {
      failures++;
      ports.fleet.backOff(host.name, clock());
    } else {
      return attempt;
    }
    if (request.signal.aborted && !claim) return { kind: "abandoned" };
    if (clock() >= deadline) return { kind: "no-capacity", reason: "too-slow" };
  }
}

function nextHost(ports: CreatePorts): Host | undefined {
  return ports.fleet.openHosts(ports.clock()).next().value;
}

function whyNone(ports: CreatePorts, failures: number): "fleet-unseen" | "no-open-host" | "hosts-failed" {
  if (ports.fleet.isBlind(ports.clock())) return "fleet-unseen";
  return failures > 0 ? "hosts-failed" : "no-open-host";
}
