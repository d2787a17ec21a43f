import type { EndCause, JobName, MisuseRule, RestartCause, SwitchName } from "./names.ts";

/** Who decides and acts: jobs, operators, and owners of instances. */
export const eventActors = [
  "scale",
  "admit",
  "health",
  "reap",
  "reconcile",
  "warm",
  "transfer",
  "ports",
  "workloads",
  "block-list",
  "misuse",
  "notify",
  "edge-dns",
  "gateway",
  "operator",
  "owner",
] as const;

/** Everything that happens, in a word. */
export const eventKinds = [
  // Droplets, from order to end.
  "order",
  "order-refused",
  "order-unanswered",
  "adopt",
  "give-up",
  "join",
  "join-failed",
  "drain",
  "destroy",
  "destroy-failed",
  "delete",
  "delete-failed",
  "close",
  "sweep",
  "sweep-failed",
  // A step that must wait; settings that the cloud does not agree with.
  "hold",
  "settings",
  // The list of blocked networks was taken on, or is wrong.
  "block-list",
  // What looks like misuse of an instance.
  "misuse",
  // Instances.
  "end",
  "extend",
  // Its server had ended by itself, and runs again.
  "restart",
  "remove-container",
  // Of the warm pool: from now on instances are kept ready on a host; one was ended for a reason that needs a look.
  "warm",
  "end-warm",
  // What instances send: one that has sent all it may, and a day on which all together send too much.
  "transfer-exceeded",
  "transfer-alarm",
  // Gateways: one carries all routes from now on, or does not any more, or gets no new clients; its HAProxy was started
  // again; routes were not as it had left them; it cannot lead to a host, which has no IP address; its certificate was
  // taken on, is about to expire, or cannot be served.
  "gateway-join",
  "gateway-leave",
  "gateway-drain",
  "plane-start",
  "routes-repaired",
  "host-unroutable",
  "certificate",
  "certificate-expiring",
  "certificate-refused",
  // Address records of the edge follow its gateways; what about them must wait.
  "add-address",
  "remove-address",
  "edge-dns",
  // Balanced ports: what they are balanced over now; a host that does not carry what it should.
  "port-on",
  "port-off",
  "member-in",
  "member-out",
  "member-rests",
  "member-weight",
  "port-map-failed",
  // Workloads: one is as it should be, or cannot be.
  "workload",
  "workload-failed",
  // A message to the operators could not be delivered.
  "notify-failed",
  // What gateways carry besides leases: a configuration that its program does not take, members that go out of use and
  // come back, pools and announcements that are not followed as they stand.
  "configuration-refused",
  "member-retired",
  "member-back",
  "pool-refused",
  "pool-changed",
  "announcement-refused",
  // What only operators do.
  "cordon",
  "uncordon",
  "block",
  "unblock",
  "pause",
  "resume",
  "run",
  "map-port",
  "change-workload",
  "add-operator",
  "change-operator",
  "revoke-operator",
  "add-service",
  "change-service",
  "remove-service",
  "add-announcer",
  "remove-announcer",
] as const;

export type EventActor = (typeof eventActors)[number];
export type EventKind = (typeof eventKinds)[number];

/** Data of an event for programs, by its kind; people read its reason. Kinds that are not here have no data. */
export type EventData = {
  /** The droplet's size, as the cloud names it. */
  readonly order: { readonly size: string };
  readonly adopt: { readonly dropletId: number };
  readonly sweep: { readonly dropletId: number };
  readonly join: { readonly secondsAfterOrder: number };
  readonly end: { readonly cause: EndCause };
  /** When the server had ended, ISO 8601 by its host's clock, and why. */
  readonly restart: { readonly at: string; readonly cause: RestartCause };
  /** How much there was of what a rule bounds, in the rule's unit. */
  readonly misuse: { readonly rule: MisuseRule; readonly value: number; readonly bound: number };
  /** The gateway's IPv4 address. */
  readonly "add-address": { readonly address: string };
  readonly "remove-address": { readonly address: string };
  readonly "notify-failed": { readonly channel: "webhook" | "mail" };
  /** Ends of the lease before and now, ISO 8601. */
  readonly extend: { readonly from: string; readonly to: string };
  /** The network, see `readNetwork`; when the block ends, ISO 8601; how many instances were ended with it. */
  readonly block: { readonly address: string; readonly until?: string; readonly ended?: number };
  readonly unblock: { readonly address: string };
  readonly pause: { readonly switch: SwitchName };
  readonly resume: { readonly switch: SwitchName };
  readonly run: { readonly job: JobName };
  /** Role and expiry (ISO 8601, null for none) as they are from then on. */
  readonly "add-operator": { readonly operator: string; readonly role: string; readonly expiresAt: string | null };
  readonly "change-operator": { readonly operator: string; readonly role: string; readonly expiresAt: string | null };
  readonly "revoke-operator": { readonly operator: string };
  readonly "member-retired": { readonly service: string; readonly member: string };
  readonly "member-back": { readonly service: string; readonly member: string };
  readonly "add-service": { readonly service: string };
  readonly "change-service": { readonly service: string };
  readonly "remove-service": { readonly service: string };
  readonly "transfer-exceeded": { readonly sentBytes: number; readonly boundBytes: number };
  readonly "transfer-alarm": { readonly sentBytes: number; readonly alarmBytes: number };
};

type Subject = {
  readonly host?: string | undefined;
  readonly instance?: string | undefined;
  /** Whether a person has to act. */
  readonly alarm?: boolean;
  /** A sentence for people. */
  readonly reason: string;
};

/** What happened, without the actor that reports it. */
export type Happening = {
  [Kind in EventKind]: Subject & { readonly kind: Kind } & (Kind extends keyof EventData
      ? { readonly data: EventData[Kind] }
      : { readonly data?: undefined });
}[EventKind];

/** A decision or an act of a job or a person, as the operator reads it. */
export type FleetEvent = {
  readonly actor: EventActor;
  /** Name of the operator, when it is an act of one. */
  readonly by?: string | undefined;
} & Happening;

/**
 * An event as it is kept. When it happens again unchanged, and no other event of its host came between, it
 * counts up; `data` is that of the last time. It is null for kinds that have none, and for events older than
 * the data.
 */
export type KeptEvent = {
  [Kind in EventKind]: Subject & {
    readonly kind: Kind;
    readonly data: Kind extends keyof EventData ? EventData[Kind] | null : null;
  };
}[EventKind] & {
  readonly id: number;
  readonly at: Date;
  readonly lastAt: Date;
  readonly times: number;
  readonly actor: EventActor;
  /** Name of the operator, when it is an act of one; acts older than named operators have none. */
  readonly by?: string | undefined;
};
