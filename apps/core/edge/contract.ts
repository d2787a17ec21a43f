import type { Gateway } from "./gateway.ts";
import type { Route, RouteChange, RouteTable } from "./routes.ts";
import type { ServicesReport } from "./service-reports.ts";

/** A moment of the store's own clock, up to which changes have been read. */
export type RoutesMark = { readonly at: number };

/** What was read of the routes. `gone` are instances that have none any more. */
export type RoutesRead = {
  /** Whether these are all routes there are; else those that have changed. */
  readonly isAll: boolean;
  readonly routes: readonly Route[];
  readonly gone: readonly string[];
  readonly mark: RoutesMark;
};

/** Routes as they follow from the instances that are kept. Calls throw `Unavailable` while the store does not answer. */
export type Routes = {
  /**
   * Routes of instances that have a slot and are not ending. With a mark, those that may have changed since, and those
   * that are named, whether they have changed or not.
   */
  readonly read: (mark: RoutesMark | undefined, named: readonly string[]) => Promise<RoutesRead>;
};

/** Who carries routes now. Calls throw `Unavailable` while the system does not answer: who lives is unknown then. */
export type Membership = {
  /** Begins the life of a gateway, for so long. */
  readonly join: (gateway: Gateway, lifeMs: number) => Promise<void>;
  /**
   * Says that a gateway lives on, for so long. False when its life had ended: nobody has waited for it since, and it has
   * to join again.
   */
  readonly renew: (gateway: Gateway, lifeMs: number) => Promise<boolean>;
  /** Says that it carries nothing any more. */
  readonly withdraw: (name: string) => Promise<void>;
  /** All that live, in the order of their names; also those that cannot be read, by their names alone. */
  readonly list: () => Promise<readonly (Gateway | { readonly name: string; readonly state: "unreadable" })[]>;
};

/** How gateways carry services besides instances. Calls throw `Unavailable` while the system does not answer. */
export type ServiceReports = {
  /** Tells how a gateway carries them, for so long. */
  readonly tell: (report: ServicesReport, lifeMs: number) => Promise<void>;
  /** Tells nothing any more. */
  readonly withdraw: (gateway: string) => Promise<void>;
  /** What is told now, in the order of the gateways' names; what cannot be read is not there. */
  readonly list: () => Promise<readonly ServicesReport[]>;
};

/** What gateways and those who start and end instances tell each other. What is lost is told again. */
export type RouteNews = {
  /** Asks all gateways to look at these instances now. @throws Unavailable when it cannot be told */
  readonly nudge: (ids: readonly string[]) => Promise<void>;
  /** Calls `listener` with the instances that gateways are asked to look at, until the returned function is called. */
  readonly onNudge: (listener: (ids: readonly string[]) => void) => () => void;
  /** Says what a gateway carries for instances: their targets, null for none. */
  readonly acknowledge: (gateway: string, carried: readonly CarriedRoute[]) => Promise<void>;
  /** Calls `listener` for what gateways say of one instance, until the returned function is called. */
  readonly onAcknowledged: (id: string, listener: (gateway: string, target: string | null) => void) => () => void;
};

/** What a gateway carries for one instance. */
export type CarriedRoute = { readonly id: string; readonly target: string | null };

/** What a plane does at this moment, out of its own mouth. */
export type PlaneFacts = {
  readonly connections: number;
  /** Connections and bytes since it was started; bytes as clients see them. */
  readonly accepted: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** TLS handshakes since it was started, that came to their end and that did not. */
  readonly handshakes: number;
  readonly failedHandshakes: number;
  /** Connections that it takes at most. */
  readonly mostConnections: number;
  /** How often it has read its configuration anew. */
  readonly reloads: number;
};

/**
 * What moves the bytes of leases. Calls throw `PlaneFault` when it does not answer in time, or refuses.
 */
export type LeasePlane = {
  /** The routes that it carries. */
  readonly readRoutes: () => Promise<RouteTable>;
  /** Changes some of them, in this order. */
  readonly changeRoutes: (changes: readonly RouteChange[]) => Promise<void>;
  /** Puts a whole table in the place of what it carries, at once. */
  readonly swapRoutes: (table: RouteTable) => Promise<void>;
  /** Ends all connections to instances at these targets, established or on their way; returns how many. */
  readonly endSessions: (ended: readonly { readonly id: string; readonly target: string }[]) => Promise<number>;
  /**
   * To be called when it was started anew: clients who had come before and have not logged in are led by the routes of
   * then no more.
   */
  readonly forgetOlder: () => Promise<void>;
  readonly readFacts: () => Promise<PlaneFacts>;
};
