import type { Claim, Owners } from "./applications.ts";
import type { PoolChange } from "./pool.ts";
import type { SeenServers } from "./servers.ts";

/** Pools that are kept in Redis. Calls throw `Unavailable` while it does not answer: members are unknown then. */
export type Pools = {
  /** Text of a pool's key, cut off where it is too long to be one; undefined when there is no such key. */
  readonly read: (key: string) => Promise<string | undefined>;
  /**
   * Changes a pool's key by a rule, which is asked again when somebody else has changed it meanwhile.
   * @returns what the rule said last
   */
  readonly change: (key: string, rule: (text: string | undefined) => PoolChange) => Promise<PoolChange>;
};

/** An announcement as it is kept. */
export type KeptAnnouncement = {
  readonly host: string;
  /** Cut off where it is too long to be one. */
  readonly text: string;
  /** Time until it ends; null when it never does. */
  readonly lifeMs: number | null;
};

/** All that is announced at one moment. */
export type SeenAnnouncements = {
  readonly kept: readonly KeptAnnouncement[];
  /** Whether there are more than are read: those that are not are left out. */
  readonly isCut: boolean;
  readonly owners: Owners;
  /** Another one each time that the server starts, when it has lost what it knew. */
  readonly serverRun: string;
};

/** What hosts announce, in Redis. Calls throw `Unavailable` while it does not answer. */
export type AnnouncementBoard = {
  readonly read: () => Promise<SeenAnnouncements>;
  /** Changes owners: each claim only while its owner is still the former one. Resolves to all owners afterwards. */
  readonly changeOwners: (changes: readonly OwnerChange[]) => Promise<Owners>;
};

/** A new owner of a claim; null for none. */
export type OwnerChange = { readonly claim: Claim; readonly from: string | null; readonly to: string | null };

/** A program that carries services by a configuration. Calls throw `PlaneFault` when it does not do as it should. */
export type ConfigurationPlane = {
  /** As people know it: nginx, HAProxy. */
  readonly name: string;
  /** What the program finds wrong with a configuration, in its words; undefined when nothing. Changes nothing. */
  readonly test: (text: string) => Promise<string | undefined>;
  /** Puts a tested configuration in force. Open connections go on, and from now on a start begins with it. */
  readonly load: (text: string) => Promise<void>;
};

/** HAProxy as it carries services: its members change while it runs. */
export type ServicePlane = ConfigurationPlane & {
  readonly readServers: () => Promise<{ readonly backends: ReadonlySet<string>; readonly servers: SeenServers }>;
  /** Tells it requests of its runtime API one by one, and resolves to what it did not do as told, in its words. */
  readonly tell: (requests: readonly string[]) => Promise<readonly string[]>;
};
