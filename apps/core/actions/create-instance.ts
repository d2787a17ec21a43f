import { hashSecret, openAnswer, sealAnswer } from "../domain/credentials.ts";
import { containerSpec, type ContainerSpec, type InstanceLimits } from "../domain/container-spec.ts";
import { EngineFault } from "../domain/engine-fault.ts";
import type { Draft, IdempotencyClaim, KnownClaim, TakeResult } from "../domain/handout.ts";
import type { EngineHost, Host } from "../domain/host.ts";
import { leaseSeconds, redisUrl, type LeaseBounds, type LeaseRefusal } from "../domain/instance.ts";
import { Unavailable } from "../domain/unavailable.ts";
import { removeAndClose, type EndPorts } from "./end-instance.ts";
import type { FleetView } from "./fleet-view.ts";

/** What a hand-out needs. */
export type CreatePorts = EndPorts & {
  readonly fleet: Pick<FleetView, "openHosts" | "isBlind" | "countTaken" | "countFull" | "rest" | "countSuccess">;
  readonly store: {
    readonly takeSlot: (draft: Draft, hostName: string, quota: number, claim: IdempotencyClaim | undefined) => Promise<TakeResult>;
    readonly handOut: (id: string, expiresAt: Date, now: Date, sealedAnswer: Buffer | undefined) => Promise<boolean>;
    readonly readClaim: (address: string, keyHash: Buffer, now: Date) => Promise<KnownClaim | undefined>;
  };
  readonly engines: { readonly startContainer: (host: EngineHost, spec: ContainerSpec, signal: AbortSignal) => Promise<void> };
  /** Waits until the instance answers `PONG` to the password; throws when the signal aborts first. */
  readonly waitForPong: (host: string, port: number, password: string, signal: AbortSignal) => Promise<void>;
  readonly random: { readonly id: () => string; readonly password: () => string; readonly token: () => string; readonly nonce: () => Buffer };
  readonly delay: (ms: number) => Promise<void>;
  /** Told of each host that failed, with the fault. */
  readonly onHostFailure: (hostName: string, instanceId: string, fault: unknown) => void;
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
  readonly slotRestMs: number;
  readonly serverSecret: string;
};

/** One person's wish. `address` is the key that quotas count by; `signal` aborts when the caller has hung up. */
export type CreateRequest = { readonly address: string; readonly ttlSeconds: number | undefined; readonly idempotencyKey: string | undefined; readonly signal: AbortSignal };

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
  | { readonly kind: "created"; readonly handout: Handout; readonly hostName: string | undefined; readonly replayed: boolean }
  | LeaseRefusal
  | { readonly kind: "quota-exceeded"; readonly quota: number; readonly nextFreeAt: Date }
  | { readonly kind: "no-capacity"; readonly reason: "fleet-unseen" | "no-open-host" | "hosts-failed" | "too-slow" }
  | { readonly kind: "idempotency-key-reused" }
  | { readonly kind: "idempotency-key-in-progress" }
  | { readonly kind: "abandoned" };

const REPLAY_POLL_MS = 50;
const PORT_TRIES = 5;

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
  const known = claim && (await ports.store.readClaim(request.address, claim.keyHash, clock()));
  const replay = known && (await replayAnswer(ports, request, known, deadline));
  if (replay && replay !== "undone") return replay;

  let failures = 0;
  for (;;) {
    const host = nextHost(ports);
    if (!host) return { kind: "no-capacity", reason: whyNone(ports, failures) };
    const attempt = await tryHost(ports, host, { ...request, ttlSeconds, claim, deadline });
    if (attempt.kind === "known") {
      // The same key came twice at once, and the other request was first.
      const answer = await replayAnswer(ports, request, attempt, deadline);
      if (answer !== "undone") return answer;
    } else if (attempt.kind === "host-full" || attempt.kind === "host-closed") {
      ports.fleet.countFull(host.name);
    } else if (attempt.kind === "host-failed") {
      failures++;
      ports.fleet.rest(host.name, clock());
    } else {
      return attempt;
    }
    if (request.signal.aborted && !claim) return { kind: "abandoned" };
    if (clock() >= deadline) return { kind: "no-capacity", reason: "too-slow" };
  }
}

type Attempt = CreateRequest & { readonly ttlSeconds: number; readonly claim: IdempotencyClaim | undefined; readonly deadline: Date };
type AttemptResult =
  | Extract<CreateResult, { kind: "created" | "quota-exceeded" | "abandoned" | "no-capacity" }>
  | Extract<TakeResult, { kind: "known" | "host-full" | "host-closed" }>
  | { readonly kind: "host-failed" };

/** One host: several slots of it when something else holds a slot's port. */
async function tryHost(ports: CreatePorts, host: Host, attempt: Attempt): Promise<AttemptResult> {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const result = await trySlot(ports, host, attempt);
    if (result.kind !== "port-taken") return result;
  }
  return { kind: "host-failed" };
}

async function trySlot(ports: CreatePorts, host: Host, attempt: Attempt): Promise<AttemptResult | { readonly kind: "port-taken" }> {
  const { rules, clock, random, store } = ports;
  const [id, password, token] = [random.id(), random.password(), random.token()];
  const createdAt = clock();
  const taken = await store.takeSlot({ id, address: attempt.address, tokenHash: hashSecret(token), createdAt, deadline: attempt.deadline }, host.name, rules.quotaPerAddress, attempt.claim);
  if (taken.kind === "quota-exceeded") return { ...taken, quota: rules.quotaPerAddress };
  if (taken.kind !== "taken") return taken;
  ports.fleet.countTaken(host.name);

  const tooLate = AbortSignal.timeout(Math.max(0, attempt.deadline.getTime() - createdAt.getTime()));
  const unwanted = attempt.claim ? tooLate : AbortSignal.any([tooLate, attempt.signal]);
  try {
    const notAfter = new Date(createdAt.getTime() + rules.timeoutMs + rules.lease.most * 1000);
    const spec = containerSpec({ id, deployment: host.deployment, bindAddress: host.bindAddress, port: taken.port, passwordHash: hashSecret(password), notAfter }, rules.limits);
    await ports.engines.startContainer(host, spec, unwanted);
    await ports.waitForPong(host.checkHost, taken.port, password, AbortSignal.timeout(rules.readyTimeoutMs));

    // A caller that hung up has no use for it, unless its key lets it come back for the answer.
    if (attempt.signal.aborted && !attempt.claim) {
      await undo(ports, host, id, "abandoned");
      return { kind: "abandoned" };
    }
    const now = clock();
    const expiresAt = new Date(now.getTime() + attempt.ttlSeconds * 1000);
    const handout: Handout = {
      id,
      host: host.publicHost,
      port: taken.port,
      username: "default",
      password,
      url: redisUrl(host.publicHost, taken.port, password),
      createdAt: createdAt.toISOString(),
      expiresAt: expiresAt.toISOString(),
      token,
    };
    const sealed = attempt.idempotencyKey === undefined ? undefined : sealAnswer(JSON.stringify(handout), { serverSecret: rules.serverSecret, idempotencyKey: attempt.idempotencyKey, instanceId: id }, random.nonce());
    if (await store.handOut(id, expiresAt, now, sealed)) {
      if (attempt.signal.aborted && !attempt.claim) {
        await undo(ports, host, id, "abandoned");
        return { kind: "abandoned" };
      }
      ports.fleet.countSuccess(host.name);
      return { kind: "created", handout, hostName: host.name, replayed: false };
    }
    throw new Error("the hand-out took so long that it was undone");
  } catch (fault) {
    if (unwanted.aborted && fault === unwanted.reason) {
      // Its turn to start never came: the host is busy, not broken.
      await undo(ports, host, id, attempt.signal.aborted ? "abandoned" : "failed");
      return attempt.signal.aborted ? { kind: "abandoned" } : { kind: "no-capacity", reason: "too-slow" };
    }
    if (fault instanceof Unavailable) {
      // The hand-out may be written and only the answer lost. A key's retry gets it then; without a key
      // nobody can ask for it again.
      if (attempt.claim) await undoUnwritten(ports, host, id);
      else await undo(ports, host, id, "abandoned");
      throw fault;
    }
    ports.onHostFailure(host.name, id, fault);
    await undo(ports, host, id, "failed", fault);
    return { kind: fault instanceof EngineFault && fault.reason === "port-taken" ? "port-taken" : "host-failed" };
  }
}

/**
 * Gives back what a failed hand-out took: quota place and key at once, the slot when its container is
 * gone. What cannot be removed now stays `ending` for the reaper, the slot with it.
 */
async function undo(ports: CreatePorts, host: Host, instanceId: string, cause: "failed" | "abandoned", fault?: unknown): Promise<void> {
  const reason = fault instanceof EngineFault ? fault.reason : undefined;
  const slotFreeFrom = reason === "port-taken" ? new Date(ports.clock().getTime() + ports.rules.slotRestMs) : undefined;
  const [begun] = await Promise.allSettled([ports.store.beginEnd(instanceId, cause, ports.clock())]);
  try {
    // An engine that hangs would hang again, with the caller waiting.
    if (begun.status === "fulfilled" && reason !== "timeout") await removeAndClose(ports, { instanceId, host }, slotFreeFrom);
    // Without a container, reconcile sees that the row is nobody's lease once MySQL is back.
    if (begun.status === "rejected") await ports.engines.removeContainer(host, instanceId);
  } catch (removal) {
    ports.onHostFailure(host.name, instanceId, removal);
  }
  if (begun.status === "rejected") throw begun.reason;
}

/**
 * Undoes a hand-out unless it is written. The end waits for a writing still under way, so what it says
 * holds; when it says nothing, the row tells reconcile, by its deadline, or a retry.
 */
async function undoUnwritten(ports: CreatePorts, host: Host, instanceId: string): Promise<void> {
  if (!(await ports.store.beginEnd(instanceId, "failed", ports.clock()))) return;
  try {
    await removeAndClose(ports, { instanceId, host });
  } catch (removal) {
    ports.onHostFailure(host.name, instanceId, removal);
  }
}

function nextHost(ports: CreatePorts): Host | undefined {
  return ports.fleet.openHosts(ports.clock()).next().value;
}

function whyNone(ports: CreatePorts, failures: number): "fleet-unseen" | "no-open-host" | "hosts-failed" {
  if (ports.fleet.isBlind(ports.clock())) return "fleet-unseen";
  return failures > 0 ? "hosts-failed" : "no-open-host";
}

function claimOf(request: CreateRequest): IdempotencyClaim | undefined {
  if (request.idempotencyKey === undefined) return undefined;
  return { keyHash: hashSecret(request.idempotencyKey), requestHash: hashSecret(JSON.stringify({ ttlSeconds: request.ttlSeconds ?? null })) };
}

/**
 * The answer that the key's first request got, waited for while that request is still at work; "undone"
 * when it failed and left nothing, so that this request is the first now.
 */
async function replayAnswer(ports: CreatePorts, request: CreateRequest, known: KnownClaim, deadline: Date): Promise<CreateResult | "undone"> {
  const { rules, clock } = ports;
  const claim = claimOf(request);
  if (request.idempotencyKey === undefined || !claim) throw new Error("a claim without a key was found");
  for (let current: KnownClaim | undefined = known; current; current = await ports.store.readClaim(request.address, claim.keyHash, clock())) {
    if (!current.requestHash.equals(claim.requestHash)) return { kind: "idempotency-key-reused" };
    if (current.sealedAnswer) {
      const answer = openAnswer(current.sealedAnswer, { serverSecret: rules.serverSecret, idempotencyKey: request.idempotencyKey, instanceId: current.instanceId });
      return { kind: "created", handout: JSON.parse(answer) as Handout, hostName: undefined, replayed: true };
    }
    if (clock() >= deadline) return { kind: "idempotency-key-in-progress" };
    await ports.delay(REPLAY_POLL_MS);
  }
  return "undone";
}
