import type { EventKind, FleetEvent, KeptEvent } from "./event.ts";

/** Which events to read; each part narrows. `before` and `after` are ids. */
export type EventFilter = {
  readonly host?: string;
  readonly instance?: string;
  readonly kind?: EventKind;
  readonly before?: number;
  readonly after?: number;
};

/** The journal of decisions and acts. Calls throw `Unavailable` while the store does not answer. */
export type Events = {
  /**
   * Keeps an event. When it equals the last event that its actor reported about the same host, the count of
   * that event goes up instead: a hold that lasts a night is one line. Acts of two operators are never the same.
   */
  readonly add: (event: FleetEvent, now: Date) => Promise<void>;
  /**
   * Events, newest first, `most` of them at most. Those of owners only when an instance or a kind is asked for: there
   * are as many as visitors like, and between them nobody would find anything else.
   */
  readonly list: (filter: EventFilter, most: number) => Promise<KeptEvent[]>;
  /**
   * Alarms reported since a moment, the latest report first, `most`
   * of them at most: also those that began long before.
   */
  readonly listAlarms: (since: Date, most: number) => Promise<KeptEvent[]>;
};
