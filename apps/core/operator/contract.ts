import type { Instance, InstanceState } from "../instances/instance.ts";
import type { InstanceSearch } from "./instance-search.ts";
import type { Block, DestroyRequestResult, Switch } from "./operator.ts";
import type { JobName, SwitchName } from "../events/names.ts";

/** What the operator has paused. Calls throw `Unavailable` while the store does not answer. */
export type Switches = {
  readonly list: () => Promise<Switch[]>;
  /** Pauses something, or lets it go on. False when it stood so already. */
  readonly set: (name: SwitchName, paused: boolean, now: Date) => Promise<boolean>;
};

/** Addresses that get no instances. Calls throw `Unavailable` while the store does not answer. */
export type Blocks = {
  /** The newest first. */
  readonly list: () => Promise<Block[]>;
  /** Gives an address no more instances. Again: the reason is the new one. */
  readonly add: (address: string, reason: string, now: Date) => Promise<void>;
  /** False when the address was not blocked. */
  readonly remove: (address: string) => Promise<boolean>;
};

/** Hosts that the operator wants destroyed. Calls throw `Unavailable` while the store does not answer. */
export type DestroyRequests = {
  /**
   * Notes that a host shall go, and closes it to hand-outs at once; the scaling's leader carries it out.
   * @param leases "none" is refused while the host has any
   */
  readonly add: (name: string, leases: "none" | "lost", now: Date) => Promise<DestroyRequestResult>;
  /** Hosts that shall go and have not begun to, by name: without leases, or with them lost. */
  readonly list: () => Promise<Map<string, "none" | "lost">>;
};

/** All instances, for the operator. Calls throw `Unavailable` while the store does not answer. */
export type InstanceDirectory = {
  /** One page of instances, `most` of them at most. */
  readonly find: (search: InstanceSearch, most: number) => Promise<Instance[]>;
  /** How many instances a search finds, on all pages. */
  readonly count: (search: InstanceSearch) => Promise<number>;
  /** The instance with this id, or undefined. */
  readonly findOne: (id: string) => Promise<Instance | undefined>;
};

/** A slot that is not free. */
export type TakenSlot = {
  readonly hostName: string;
  readonly slot: number;
  /** `port-taken`: it is free, and passed over because something else holds its port. */
  readonly state: InstanceState | "port-taken";
};

/** Slots of hosts. Calls throw `Unavailable` while the store does not answer. */
export type Slots = {
  /**
   * Slots in use of all hosts, by host and in their order; and those
   * passed over because something else holds their port.
   */
  readonly listTaken: (now: Date) => Promise<TakenSlot[]>;
};

/** The dashboard's logins, known by hashes alone. Calls throw `Unavailable` while the store does not answer. */
export type Logins = {
  /** Begins a login, and forgets those that are over. */
  readonly begin: (secretHash: Buffer, opsTokenHash: Buffer, now: Date, endsAt: Date) => Promise<void>;
  /** Whether a login goes on that was begun with this very token of the operator's. */
  readonly isOpen: (secretHash: Buffer, opsTokenHash: Buffer, now: Date) => Promise<boolean>;
  readonly end: (secretHash: Buffer) => Promise<void>;
};

/** The last run of a job; `fault` is null when it succeeded, or goes on. */
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
  /** Notes how a job's run came out; `fault` is undefined when it succeeded. */
  readonly finish: (job: JobName, now: Date, fault: string | undefined) => Promise<void>;
  /** The last run of each job; of names that are no job's, nothing. */
  readonly list: () => Promise<JobRun[]>;
};
