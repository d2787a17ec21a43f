import { hashSecret, matchesHash } from "../../lib/secrets.ts";
import { sealAnswer } from "./sealed-answer.ts";
import type { ServerVersion } from "../services/server-version.ts";
import { sealedPassword } from "../warm-pool/recipe.ts";
import type { LoginCheck, Probe, Service } from "../services/service.ts";
import type { EdgeRoutes } from "../edge/edge-routes.ts";
import { RouteFault } from "../edge/route-fault.ts";
import { EngineFault } from "../fleet/engine-fault.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { budgetsOf, type BudgetRefusal, type BudgetRules } from "./budgets.ts";
import type { CreateRequest, CreateResult, Draft, Handout, IdempotencyClaim, TakeResult } from "./handout.ts";
import type { Host } from "../fleet/host.ts";
import type { LeaseBounds } from "./instance.ts";
import { Unavailable } from "../../lib/unavailable.ts";
import type { Handouts, InstanceEngines, Leases } from "./contract.ts";
import { removeAndClose, type EndPorts } from "./end-instance.ts";
import { startServer } from "./start-server.ts";

/** What a hand-out on one host needs. */
export type HandOutPorts = EndPorts & {
  readonly fleet: Pick<FleetCache, "countTaken" | "countSuccess">;
  readonly store: {
    readonly handouts: Pick<Handouts, "takeSlot" | "complete">;
    readonly leases: Pick<Leases, "findAddress">;
  };
  readonly engines: Pick<InstanceEngines, "startContainer" | "readExit">;
  readonly probe: Probe;
  readonly checkLogin: LoginCheck;
  /** Routes at the edge; undefined without one. */
  readonly edge?: Pick<EdgeRoutes, "untilCarried" | "untilGone"> | undefined;
  readonly delay: (ms: number) => Promise<void>;
  /** A signal that aborts after so many milliseconds. */
  readonly after: (ms: number) => AbortSignal;
  readonly random: {
    readonly id: () => string;
    readonly password: () => string;
    readonly token: () => string;
    readonly nonce: () => Buffer;
  };
  /** Called for each host that failed, with the fault. */
  readonly onHostFailure: (hostName: string, instanceId: string, fault: unknown) => void;
  /** Called for each warm instance that was claimed and cannot be handed out, with the fault. */
  readonly onWarmFailure: (hostName: string, instanceId: string, fault: unknown) => void;
  /** Called when an empty host gets its first instance: the fleet needs another empty one. */
  readonly onStandbyTaken: (hostName: string) => void;
  readonly rules: BudgetRules & {
    /** What is run for a lease. */
    readonly service: Service;
    readonly lease: Pick<LeaseBounds, "most">;
    readonly timeoutMs: number;
    readonly readyTimeoutMs: number;
    /** How long a slot is passed over whose port is taken by something else. */
    readonly slotBackoffMs: number;
    readonly serverSecret: string;
    /** Which instances of the warm pool can be handed out; undefined when there is no pool. */
    readonly warm: { readonly recipe: Buffer; readonly maxAgeMs: number } | undefined;
  };
};

/** A request that is tried on one host after the other; it is given up at `deadline`. */
export type Attempt = CreateRequest & {
  readonly ttlSeconds: number;
  readonly claim: IdempotencyClaim | undefined;
  readonly deadline: Date;
  readonly newcomersOnly: boolean;
};

/** The outcome of trying one host. */
export type AttemptResult =
  | Extract<CreateResult, { kind: "created" | "quota-exceeded" | "blocked" | "paused" | "abandoned" | "no-capacity" }>
  | BudgetRefusal
  | Extract<TakeResult, { kind: "known" | "host-full" | "host-closed" }>
  | { readonly kind: "host-failed" }
  /** The operator has ended it, or blocked its address, before it was handed out. */
  | { readonly kind: "withdrawn" };

const SLOT_TRIES = 5;
/** A warm instance answers within milliseconds; what does not is given up, and the host with it. */
const WARM_ANSWER_MS = 1_000;
/** Who starts an instance of the pool finds out that it has been ended when it answers, or when it cannot be started. */
const GIVEN_UP_MS = 3_000;
const POLL_MS = 20;

/**
 * Hands out an instance on one host: a warm one, else one that is started for it; when a warm one does not answer as
 * it should, or the port of a slot is taken by something else, on another slot. Slots and quota places that were
 * taken for nothing are given back.
 * @throws Unavailable when MySQL does not answer
 */
export async function handOutOn(ports: HandOutPorts, host: Host, attempt: Attempt): Promise<AttemptResult> {
  let mayBeWarm = true;
  let wasFull = false;
  for (let tries = 0; tries < SLOT_TRIES; tries++) {
    const result = await trySlot(ports, host, attempt, mayBeWarm);
    if (result.kind !== "port-taken" && result.kind !== "slot-held" && result.kind !== "warm-failed") return result;
    wasFull = result.kind === "slot-held";
    if (result.kind === "warm-failed") mayBeWarm = false;
  }
  return { kind: wasFull ? "host-full" : "host-failed" };
}

type Secrets = { readonly password: string; readonly token: string };
type SlotResult =
  AttemptResult | { readonly kind: "port-taken" } | { readonly kind: "slot-held" } | { readonly kind: "warm-failed" };
/** An instance with its slot: one that has to be started, or a warm one that runs already. */
type Taken = Extract<TakeResult, { kind: "taken" | "taken-warm" }>;

async function trySlot(ports: HandOutPorts, host: Host, attempt: Attempt, mayBeWarm: boolean): Promise<SlotResult> {
  const { rules, clock, random, store } = ports;
  const newId = random.id();
  const fresh: Secrets = { password: rules.service.passwordOf(newId, random.password()), token: random.token() };
  const createdAt = clock();
  const newDraft: Draft = {
    id: newId,
    address: attempt.address,
    tokenHash: hashSecret(fresh.token),
    passwordHash: hashSecret(fresh.password),
    createdAt,
    deadline: attempt.deadline,
    latestEnd: new Date(createdAt.getTime() + rules.lease.most * 1000),
  };
  const taken = await store.handouts.takeSlot(
    newDraft,
    host.name,
    budgetsOf(attempt.address, rules, attempt.newcomersOnly),
    attempt.claim,
    mayBeWarm && rules.warm
      ? { recipe: rules.warm.recipe, readySince: new Date(createdAt.getTime() - rules.warm.maxAgeMs) }
      : undefined,
  );
  if (taken.kind === "quota-exceeded") return { ...taken, quota: rules.quotaPerAddress };
  if (taken.kind === "slot-held") return makeRoom(ports, host, taken, attempt);
  if (taken.kind !== "taken" && taken.kind !== "taken-warm") return taken;
  const expiresAt = new Date(createdAt.getTime() + attempt.ttlSeconds * 1000);
  if (ports.fleet.countTaken(host.name, taken.kind === "taken-warm", expiresAt)) ports.onStandbyTaken(host.name);
  const draft =
    taken.kind === "taken-warm" ? { ...newDraft, id: taken.id, passwordHash: taken.passwordHash } : newDraft;
  const secrets =
    taken.kind === "taken-warm"
      ? {
          ...fresh,
          password: rules.service.passwordOf(taken.id, sealedPassword(rules.serverSecret, taken.nonce, taken.id)),
        }
      : fresh;

  // A caller that hung up cannot use it, unless it has an idempotency key to ask for the answer again.
  const isLeft = () => attempt.signal.aborted && !attempt.claim;
  // A warm one is carried since it was ready.
  const carried = taken.kind === "taken" ? untilCarried(ports, host, draft.id, taken.port) : Promise.resolve();
  const tooLate = ports.after(Math.max(0, attempt.deadline.getTime() - createdAt.getTime()));
  const unwanted = attempt.claim ? tooLate : AbortSignal.any([tooLate, attempt.signal]);
  try {
    const server = await bringUp(ports, host, draft, taken, secrets.password, unwanted);
    await carried;
    const handout = isLeft()
      ? undefined
      : await completeHandout(ports, host, draft, taken.port, secrets, server, attempt);
    if (handout === "withdrawn") {
      await undo(ports, host, draft.id, "failed");
      return { kind: "withdrawn" };
    }
    if (!handout || isLeft()) {
      await undo(ports, host, draft.id, "abandoned");
      return { kind: "abandoned" };
    }
    ports.fleet.countSuccess(host.name);
    return {
      kind: "created",
      handout,
      hostName: host.name,
      replayed: false,
      wasWarm: taken.kind === "taken-warm",
    };
  } catch (fault) {
    if (unwanted.aborted && fault === unwanted.reason) {
      // Its turn in the host's queue never came: the host is busy, not broken.
      await undo(ports, host, draft.id, isLeft() ? "abandoned" : "failed");
      return isLeft() ? { kind: "abandoned" } : { kind: "no-capacity", reason: "too-slow" };
    }
    if (fault instanceof Unavailable) {
      // The hand-out may be written and only the answer lost. A key's retry gets it then; without a key
      // nobody can ask for it again.
      if (attempt.claim) await undoUnwritten(ports, host, draft.id);
      else await undo(ports, host, draft.id, "abandoned");
      throw fault;
    }
    if (fault instanceof RouteFault) {
      await undo(ports, host, draft.id, "failed");
      return { kind: "no-capacity", reason: "not-carried" };
    }
    if (fault instanceof WarmFault) {
      ports.onWarmFailure(host.name, draft.id, fault.cause);
      await undo(ports, host, draft.id, "failed", fault);
      return { kind: fault.isSilence ? "host-failed" : "warm-failed" };
    }
    ports.onHostFailure(host.name, draft.id, fault);
    await undo(ports, host, draft.id, "failed", fault);
    return { kind: fault instanceof EngineFault && fault.reason === "port-taken" ? "port-taken" : "host-failed" };
  }
}

/**
 * Waits until all gateways carry an instance, while its container starts.
 * @returns a promise whose rejection may be looked at later
 */
function untilCarried({ edge }: HandOutPorts, host: Host, id: string, port: number): Promise<void> {
  const carried = edge?.untilCarried(id, { address: host.checkHost, port }) ?? Promise.resolve();
  carried.catch(() => undefined);
  return carried;
}

/** Frees a slot whose instance of the pool is no use to this hand-out, for the next try. */
async function makeRoom(
  ports: HandOutPorts,
  host: Host,
  { instanceId, isStarting }: Extract<TakeResult, { kind: "slot-held" }>,
  attempt: Attempt,
): Promise<SlotResult> {
  if (isStarting) return { kind: (await isClosed(ports, instanceId, attempt)) ? "slot-held" : "host-full" };
  try {
    await removeAndClose(ports, { instanceId, host });
    return { kind: "slot-held" };
  } catch (fault) {
    if (!(fault instanceof EngineFault)) throw fault;
    ports.onHostFailure(host.name, instanceId, fault);
    return { kind: "host-failed" };
  }
}

/**
 * Waits until an ended instance of the pool has given its slot back. A slot that was freed ahead of a container that is
 * still to come would lose its port to that container.
 */
async function isClosed(ports: HandOutPorts, instanceId: string, attempt: Attempt): Promise<boolean> {
  const until = Math.min(ports.clock().getTime() + GIVEN_UP_MS, attempt.deadline.getTime());
  while (await ports.store.leases.findAddress(instanceId)) {
    if (ports.clock().getTime() >= until || (attempt.signal.aborted && !attempt.claim)) return false;
    await ports.delay(POLL_MS);
  }
  return true;
}

/** A claimed warm instance is not what the hand-out needs: refused, or nothing answered in time. */
class WarmFault extends Error {
  readonly isSilence: boolean;

  constructor(isSilence: boolean, cause: unknown) {
    super("the warm instance cannot be handed out", { cause });
    this.isSilence = isSilence;
  }
}

/** What runs in the instance, once it has answered the issued password. */
function bringUp(
  ports: HandOutPorts,
  host: Host,
  draft: Draft,
  taken: Taken,
  password: string,
  unwanted: AbortSignal,
): Promise<ServerVersion> {
  const { rules, after } = ports;
  if (taken.kind === "taken-warm") return checkWarm(ports, host, taken, password);
  // The lease begins when it is handed out, not when it was asked for.
  const notAfter = new Date(draft.latestEnd.getTime() + rules.timeoutMs);
  const server = { id: draft.id, port: taken.port, password, notAfter };
  return startServer(ports, host, server, { turn: unwanted, answer: () => after(rules.readyTimeoutMs) });
}

/**
 * Logs in with the password that was sealed when the instance was warmed.
 * @throws WarmFault when it does not answer, or not to this password
 */
async function checkWarm(
  { checkLogin, after }: HandOutPorts,
  host: Host,
  { port, passwordHash, server }: Extract<Taken, { kind: "taken-warm" }>,
  password: string,
): Promise<ServerVersion> {
  const inTime = after(WARM_ANSWER_MS);
  try {
    if (!matchesHash(password, passwordHash)) throw new Error("its password was sealed with another secret");
    await checkLogin(host.checkHost, port, password, inTime);
    return server;
  } catch (cause) {
    throw new WarmFault(inTime.aborted, cause);
  }
}

/**
 * Turns the draft into a lease and returns the answer; "withdrawn" when the operator has come before.
 * @throws Unavailable when MySQL does not answer
 */
async function completeHandout(
  { store, clock, random, rules }: HandOutPorts,
  host: Host,
  draft: Draft,
  port: number,
  { password, token }: Secrets,
  server: ServerVersion,
  attempt: Attempt,
): Promise<Handout | "withdrawn"> {
  const now = clock();
  const expiresAt = new Date(now.getTime() + attempt.ttlSeconds * 1000);
  const address = rules.service.addressOf({ id: draft.id, publicHost: host.publicHost, port });
  const handout: Handout = {
    id: draft.id,
    host: address.host,
    port: address.port,
    username: rules.service.username,
    password,
    url: rules.service.urlOf(address, password),
    ...server,
    createdAt: draft.createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    token,
  };
  const { idempotencyKey } = attempt;
  const sealed =
    idempotencyKey === undefined
      ? undefined
      : sealAnswer(
          JSON.stringify(handout),
          { serverSecret: rules.serverSecret, idempotencyKey, instanceId: draft.id },
          random.nonce(),
        );
  if (await store.handouts.complete(draft.id, expiresAt, now, sealed, server)) return handout;
  if (now < draft.deadline) return "withdrawn";
  throw new Error("the hand-out took so long that it was undone");
}

/**
 * Gives back what a failed hand-out took: quota place and key at once, the slot when its container is gone. A
 * container that cannot be removed now stays `ending` for the reaper, and its slot stays taken.
 */
async function undo(
  ports: HandOutPorts,
  host: Host,
  instanceId: string,
  cause: "failed" | "abandoned",
  fault?: unknown,
): Promise<void> {
  const reason = fault instanceof EngineFault ? fault.reason : undefined;
  const portTakenUntil =
    reason === "port-taken" ? new Date(ports.clock().getTime() + ports.rules.slotBackoffMs) : undefined;
  const [begun] = await Promise.allSettled([ports.store.leases.beginEnd(instanceId, cause, ports.clock())]);
  try {
    // An engine that hangs would hang again, with the caller waiting.
    const isSilent = reason === "timeout" || (fault instanceof WarmFault && fault.isSilence);
    if (begun.status === "fulfilled" && !isSilent)
      await removeAndClose(ports, { instanceId, host }, { portTakenUntil });
    // Without a container, reconcile ends the row once MySQL is back.
    if (begun.status === "rejected") await ports.engines.removeContainer(host, instanceId);
  } catch (removal) {
    ports.onHostFailure(host.name, instanceId, removal);
  }
  if (begun.status === "rejected") throw begun.reason;
}

/**
 * Undoes a hand-out unless it has been written as a lease. `beginEnd` waits for a write still under way, so its
 * answer is final. When it does not answer, reconcile ends the row after its deadline, or a retry finds it.
 */
async function undoUnwritten(ports: HandOutPorts, host: Host, instanceId: string): Promise<void> {
  if (!(await ports.store.leases.beginEnd(instanceId, "failed", ports.clock()))) return;
  try {
    await removeAndClose(ports, { instanceId, host });
  } catch (removal) {
    ports.onHostFailure(host.name, instanceId, removal);
  }
}
