import type { Instance, InstanceState } from "../instances/instance.ts";
import type { MisuseFinding } from "./misuse.ts";
import type { WarmInstance } from "../warm-pool/contract.ts";
import type { InstanceSearch } from "./instance-search.ts";
import type { Block, DestroyRequestResult, NewBlock, Switch } from "./operator.ts";
import type { Login, NewOperator, Operator, OperatorChange } from "./operators.ts";
import type { JobName, MisuseRule, SwitchName } from "../events/names.ts";

/** Switches of the operator: what is paused. Calls throw `Unavailable` while the store does not answer. */
export type Switches = {
  readonly list: () => Promise<Switch[]>;
  /** Pauses something, or resumes it. False when nothing changed. */
  readonly set: (name: SwitchName, paused: boolean, now: Date) => Promise<boolean>;
};

/**
 * Networks whose addresses get no instances: those that the operator has blocked, and those of a list. Calls throw
 * `Unavailable` while the store does not answer.
 */
export type Blocks = {
  /** The operator's blocks in force, the newest first. */
  readonly list: (now: Date) => Promise<Block[]>;
  /**
   * Blocks a network: from when this resolves, no hand-out to its addresses is completed. A repeated call replaces
   * reason and end.
   */
  readonly add: (block: NewBlock, now: Date) => Promise<void>;
  /** False when the network was not blocked. */
  readonly remove: (address: string, now: Date) => Promise<boolean>;
  /** Replaces the networks of the list by these, all at once. */
  readonly replaceListed: (
    networks: readonly string[],
  ) => Promise<{ readonly added: number; readonly removed: number }>;
  /** How many networks the list has. */
  readonly countListed: () => Promise<number>;
  /** Networks of the list among these. */
  readonly findListed: (networks: readonly string[]) => Promise<string[]>;
};

/** Instances that a rule about misuse has found. */
export type MisuseCount = { readonly rule: MisuseRule; readonly instances: number };

/** What looked like misuse of instances. Calls throw `Unavailable` while the store does not answer. */
export type Misuse = {
  /**
   * Keeps a finding about an instance. Resolves to when it was found first; a finding that was not made again within
   * `longestGapMs` begins anew.
   */
  readonly keep: (instanceId: string, finding: MisuseFinding, now: Date, longestGapMs: number) => Promise<Date>;
  /** How many running instances each rule has found at `since` or later; rules that have found none are left out. */
  readonly count: (since: Date) => Promise<MisuseCount[]>;
};

/** The operator's destroy requests. Calls throw `Unavailable` while the store does not answer. */
export type DestroyRequests = {
  /**
   * Notes a destroy request, and closes the host to hand-outs at once; the scaling's leader carries it out.
   * @param leases "none" is refused while the host has any
   */
  readonly add: (name: string, leases: "none" | "lost", now: Date) => Promise<DestroyRequestResult>;
  /** Hosts with a destroy request whose end has not begun, by name: without leases, or with their leases lost. */
  readonly list: () => Promise<Map<string, "none" | "lost">>;
};

/** All instances, for the operator. Calls throw `Unavailable` while the store does not answer. */
export type InstanceDirectory = {
  /** One page of instances, `most` of them at most. */
  readonly find: (search: InstanceSearch, most: number) => Promise<Instance[]>;
  /** How many instances a search finds, on all pages. */
  readonly count: (search: InstanceSearch) => Promise<number>;
};

/** A slot that is not free. */
export type TakenSlot = {
  readonly hostName: string;
  readonly slot: number;
  /**
   * `warming` and `warm`: an instance that nobody holds yet. `port-taken`: it is free, and passed over because its port
   * is taken by something else.
   */
  readonly state: InstanceState | WarmInstance["state"] | "port-taken";
};

/** Slots of hosts. Calls throw `Unavailable` while the store does not answer. */
export type Slots = {
  /**
   * Slots in use of all hosts, by host and in their order; and those passed over because their port is taken by
   * something else.
   */
  readonly listTaken: (now: Date) => Promise<TakenSlot[]>;
};

/** Operators with a token of their own. Calls throw `Unavailable` while the store does not answer. */
export type Operators = {
  /** All, by name. */
  readonly list: () => Promise<Operator[]>;
  /** The one whose token has this hash, also when it has expired. */
  readonly find: (tokenHash: Buffer) => Promise<Operator | undefined>;
  /** False when the name is taken. */
  readonly add: (operator: NewOperator, now: Date) => Promise<boolean>;
  /**
   * Changes role or expiry. With another role, the operator's logins end. Resolves to the operator as it is now;
   * to undefined when there is none of this name.
   */
  readonly change: (name: string, change: OperatorChange) => Promise<Operator | undefined>;
  /** Removes the operator, and ends the logins. False when there is none of this name. */
  readonly remove: (name: string) => Promise<boolean>;
  /** Notes that a token was used; an earlier moment than the one that is known changes nothing. */
  readonly noteUse: (tokenHash: Buffer, now: Date) => Promise<void>;
};

/**
 * The dashboard's logins, of which only hashes are kept. Calls throw `Unavailable` while the store does not
 * answer.
 */
export type Logins = {
  /** Begins a login with an operator's token, and deletes those that are over. */
  readonly begin: (secretHash: Buffer, tokenHash: Buffer, now: Date, endsAt: Date) => Promise<void>;
  /** A login that is not over. Whether its token is still good is for the caller to decide. */
  readonly find: (secretHash: Buffer, now: Date) => Promise<Login | undefined>;
  readonly end: (secretHash: Buffer) => Promise<void>;
};

/** The last run of a job; `fault` is null when it succeeded, or is still running. */
export type JobRun = {
  readonly job: JobName;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
  readonly succeededAt: Date | null;
  readonly fault: string | null;
};

/** Runs of jobs. Calls throw `Unavailable` while the store does not answer. */
export type JobRuns = {
  /** Notes that a job has begun. */
  readonly begin: (job: JobName, now: Date) => Promise<void>;
  /** Notes the outcome of a job's run; `fault` is undefined when it succeeded. */
  readonly finish: (job: JobName, now: Date, fault: string | undefined) => Promise<void>;
  /** The last run of each job; runs of names that are no jobs are left out. */
  readonly list: () => Promise<JobRun[]>;
};
