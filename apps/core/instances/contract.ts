import type { ContainerFacts } from "../fleet/contract.ts";
import type { EngineHost } from "../fleet/host.ts";
import type { ContainerSpec } from "../services/container.ts";
import type { Budgets } from "./budgets.ts";
import type { Draft, IdempotencyClaim, KnownClaim, TakeResult } from "./handout.ts";
import type { ContainerPlace, HeldInstance, Instance, Restart } from "./instance.ts";
import type { ServerVersion } from "../services/server-version.ts";
import type { EndCause } from "../events/names.ts";
import type { WarmOffer } from "../warm-pool/contract.ts";
import type { RowFacts } from "./repairs.ts";
import type { Exceeding, TransferDay } from "./transfer.ts";

/**
 * Hand-outs as they are kept: a slot and a quota place are taken, then the draft becomes a lease. Calls throw
 * `Unavailable` while the store does not answer.
 */
export type Handouts = {
  /**
   * Takes a quota place of the draft's address, places of its networks and a slot of host `hostName`, all or
   * none, in one transaction, and counts the start. Refusals: the idempotency key is known, the operator has
   * blocked the address or paused all hand-outs, the quota or another budget is used up, the host is full or
   * takes no more instances.
   * @param offer warm instances that the hand-out can use: the oldest of the host is claimed in place of a free slot
   */
  readonly takeSlot: (
    draft: Draft,
    hostName: string,
    budgets: Budgets,
    claim: IdempotencyClaim | undefined,
    offer?: WarmOffer,
  ) => Promise<TakeResult>;
  /**
   * Turns a starting instance into a lease that ends at `expiresAt`, and keeps its sealed answer for retries, and
   * what runs in it. False when its deadline is over, it has been undone, or its address has been blocked meanwhile:
   * it must not be handed out.
   */
  readonly complete: (
    id: string,
    expiresAt: Date,
    now: Date,
    sealedAnswer: Buffer | undefined,
    server?: ServerVersion,
  ) => Promise<boolean>;
  /**
   * The hand-out that an idempotency key of an address has led to, or undefined when the key is unknown or its
   * lease is over at `now`.
   */
  readonly readClaim: (address: string, keyHash: Buffer, now: Date) => Promise<KnownClaim | undefined>;
};

/** Instances from hand-out to end, as they are kept. Calls throw `Unavailable` while the store does not answer. */
export type Leases = {
  /** The instance with this id, or undefined; ended ones are found until history is pruned. */
  readonly find: (id: string) => Promise<Instance | undefined>;
  /**
   * The instance that has this address now, as its holder connects to it, whatever its state; undefined when none has.
   * Names are in small letters.
   */
  readonly findAt: (publicHost: string, port: number) => Promise<Instance | undefined>;
  /** Moves the end of a lease that is still running; false when it is over. */
  readonly setExpiry: (id: string, expiresAt: Date, now: Date) => Promise<boolean>;
  /**
   * Begins the end of an instance: from here on it is no lease, its quota place, its places of networks and its
   * idempotency key are free, its slot is not yet. One that failed does not count as started. Of several callers, only one begins it. "expired" begins only when the lease is over
   * at `now`, so that an extension made meanwhile counts; "failed" begins only before the hand-out, "lost" only
   * after it.
   * @returns whether this call began the end
   */
  readonly beginEnd: (id: string, cause: EndCause, now: Date) => Promise<boolean>;
  /**
   * Begins the end of all leases that are over at `now`, as `beginEnd` does for "expired".
   * @returns how many
   */
  readonly endOver: (now: Date) => Promise<number>;
  /**
   * Closes an ending instance whose container is gone, and frees its slot. Until `portTakenUntil` the slot is
   * passed over, because its port is taken by something that is not ours. A repeated call changes nothing. One that
   * nobody has held leaves no row.
   */
  readonly close: (id: string, now: Date, portTakenUntil?: Date) => Promise<void>;
  /** Where the container of an instance is, or undefined when the instance is unknown. */
  readonly findContainer: (id: string) => Promise<ContainerPlace | undefined>;
  /** Address and port at which the control plane reaches an instance; undefined when no instance has this id. */
  readonly findAddress: (id: string) => Promise<{ readonly host: string; readonly port: number } | undefined>;
  /**
   * Instances to be ended at `now`: leases past their end, and instances whose end has begun. One of the warm pool that
   * has never been ready is left to who starts it until its deadline: its container may yet come.
   */
  readonly listDue: (now: Date) => Promise<ContainerPlace[]>;
  /** Instances that start or run, of everybody. */
  readonly listHeld: () => Promise<HeldInstance[]>;
  /**
   * Keeps the last restart of a running instance's server.
   * @returns false when the instance does not run any more, has had this restart or a later one, or was nobody's then
   */
  readonly noteRestart: (id: string, restart: Restart) => Promise<boolean>;
  /** What runs in all running instances, each version once. */
  readonly listServers: () => Promise<ServerVersion[]>;
  /** Instances of a host that are not ended. */
  readonly listOpenOf: (hostName: string) => Promise<RowFacts[]>;
};

/** What instances send, as it is kept. Calls throw `Unavailable` while the store does not answer. */
export type Transfers = {
  /**
   * Keeps how many bytes instances have sent since they began, by their ids. What is more than was known counts for
   * the day of `now` as well; what is less changes nothing.
   */
  readonly keep: (readings: ReadonlyMap<string, number>, now: Date) => Promise<void>;
  /** Running instances that have sent `boundBytes` or more, and were not noted yet; in the order of their ids. */
  readonly listExceeding: (boundBytes: number) => Promise<Exceeding[]>;
  /** Notes that the operator was told of an instance that has sent too much. */
  readonly noteExceeding: (instanceId: string, now: Date) => Promise<void>;
  /** How many running instances have sent `boundBytes` or more. */
  readonly countExceeding: (boundBytes: number) => Promise<number>;
  /** What all together have sent on the day of `now`. */
  readonly readDay: (now: Date) => Promise<TransferDay>;
  /** Notes that the alarm of the day of `now` was given. */
  readonly noteAlarm: (now: Date) => Promise<void>;
};

/** Docker Engines as instances need them. Calls throw `EngineFault` when they fail. */
export type InstanceEngines = {
  /**
   * Creates and starts a container, behind those that the engine is starting already.
   * @throws `signal.reason` when the signal aborts before its turn has come: nothing was done then.
   *   EngineFault when it failed: whether the container exists or runs is unknown then.
   */
  readonly startContainer: (host: EngineHost, spec: ContainerSpec, signal: AbortSignal) => Promise<void>;
  /**
   * Removes an instance's container, running or not, and resolves when it is gone, within `withinMs` when given.
   * A container that was gone already is a success.
   */
  readonly removeContainer: (host: EngineHost, instanceId: string, withinMs?: number) => Promise<void>;
  /** All containers of this deployment on the host, stopped ones included, within `withinMs` when given. */
  readonly listContainers: (host: EngineHost, withinMs?: number) => Promise<ContainerFacts[]>;
  /** Bytes that instances have sent since their containers began; those without a running container are left out. */
  readonly readSent: (
    host: EngineHost,
    instanceIds: readonly string[],
    withinMs?: number,
  ) => Promise<{ readonly instanceId: string; readonly sentBytes: number }[]>;
  /**
   * Of these instances, those whose servers have ended by themselves and run again, each with its last restart;
   * within `withinMs` when given.
   */
  readonly listRestarts: (
    host: EngineHost,
    instanceIds: readonly string[],
    withinMs?: number,
  ) => Promise<(Restart & { readonly instanceId: string })[]>;
  /** How the server of an instance ended, in words; undefined when it has not, or there is no such container. */
  readonly readExit: (host: EngineHost, instanceId: string, withinMs?: number) => Promise<string | undefined>;
};
