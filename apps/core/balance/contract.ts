import type { OwnerChange, Owners } from "./applications.ts";
import type { DeclaredService } from "./desired.ts";
import type { PoolChange } from "./pool.ts";
import type { SeenBackends } from "./servers.ts";
import type { Member, Policy, Probe } from "./service.ts";

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

/** What is announced at one moment. */
export type SeenAnnouncements = {
  readonly kept: readonly KeptAnnouncement[];
  readonly owners: Owners;
  /** Another one each time that the server starts, when it has lost what it knew. */
  readonly serverRun: string;
};

/** What hosts announce, in Redis. Calls throw `Unavailable` while it does not answer: what is announced is unknown then. */
export type AnnouncementBoard = {
  /** Announcements of these hosts, as far as there are any. */
  readonly read: (hosts: readonly string[]) => Promise<SeenAnnouncements>;
  /** Changes owners, each claim only while its owner is still the former one. Resolves to all owners afterwards. */
  readonly changeOwners: (changes: readonly OwnerChange[]) => Promise<Owners>;
};

/** Permission to announce, in Redis. Calls throw `Unavailable` while it does not answer. */
export type AnnouncerUsers = {
  /** The password that an announcer logs in with. */
  readonly passwordOf: (announcer: Announcer) => string;
  readonly grant: (announcer: Announcer) => Promise<void>;
  readonly revoke: (name: string) => Promise<void>;
  /** Makes sure that exactly these may announce: Redis loses its users when it restarts. */
  readonly keep: (announcers: readonly Announcer[]) => Promise<void>;
};

/** What came of declaring a service. */
export type DeclareResult =
  | { readonly kind: "declared" }
  | { readonly kind: "name-taken" }
  /** It cannot stand beside another one. */
  | { readonly kind: "conflict"; readonly reason: string };

/** Services that operators declare. Calls throw `Unavailable` while the store does not answer. */
export type Services = {
  /** All, by name, with their members by address. */
  readonly list: () => Promise<DeclaredService[]>;
  /** Declares a service without members. */
  readonly add: (service: Omit<DeclaredService, "members">, now: Date) => Promise<DeclareResult>;
  /** Changes how members are chosen and probed; what is not given stays. False when there is no such service. */
  readonly change: (name: string, change: ServiceChange) => Promise<boolean>;
  /** False when there is none of this name. */
  readonly remove: (name: string) => Promise<boolean>;
  /** Adds a member, or changes the one of this address. */
  readonly putMember: (service: string, member: Member, mostMembers: number) => Promise<PutMemberResult>;
  /** False when the service has no such member. */
  readonly removeMember: (service: string, address: string) => Promise<boolean>;
};

/** What may be changed of a service. */
export type ServiceChange = { readonly policy?: Policy; readonly probe?: Probe };

/** What came of a member: `full` when the service has as many as it may have. */
export type PutMemberResult = "added" | "changed" | "unknown" | "full";

/** A host that may announce applications. */
export type Announcer = {
  readonly name: string;
  /** Names of the applications that it may announce; null for any. */
  readonly applications: readonly string[] | null;
  /** What its password is derived from, with the service's secret. */
  readonly nonce: Buffer;
  readonly createdAt: Date;
  /** Name of the operator. */
  readonly createdBy: string;
};

/** Hosts that may announce applications. Calls throw `Unavailable` while the store does not answer. */
export type Announcers = {
  /** All, by name. */
  readonly list: () => Promise<Announcer[]>;
  /** False when the name is taken. */
  readonly add: (announcer: Announcer) => Promise<boolean>;
  /** False when there is none of this name. */
  readonly remove: (name: string) => Promise<boolean>;
};

/** A program that carries services by a configuration. Calls throw `PlaneFault` when it does not do as it should. */
export type ConfigurationPlane = {
  /** As people know it: nginx, HAProxy. */
  readonly name: string;
  /** What the program finds wrong with a configuration, in its words; undefined when nothing. Changes nothing. */
  readonly test: (text: string) => Promise<string | undefined>;
  /**
   * Puts a tested configuration in force: open connections go on, and from now on a start begins with it. Resolves to
   * why the program has not taken it on, in its words, undefined when it has: a test does not find everything. What was
   * in force before stays then, and a start begins with that.
   */
  readonly load: (text: string) => Promise<string | undefined>;
};

/** HAProxy as it carries services: its members change while it runs. */
export type ServicePlane = ConfigurationPlane & {
  /** Keeps a tested configuration for the next start, without putting it in force: its members are there already. */
  readonly write: (text: string) => Promise<void>;
  readonly readServers: () => Promise<SeenBackends>;
  /** Tells it requests of its runtime API one by one, and resolves to what it did not do as told, in its words. */
  readonly tell: (requests: readonly string[]) => Promise<readonly string[]>;
};
