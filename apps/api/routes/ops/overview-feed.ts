import { isDeepStrictEqual } from "node:util";
import type { FleetOverview, HostOverview } from "../../../core/operator/fleet-overview.ts";
import type { KeptEvent } from "../../../core/events/event.ts";
import type { OpsEvent } from "./events.ts";

/** What a watcher receives: the whole overview first, and then what has changed. */
export type FeedMessage =
  | { readonly kind: "picture"; readonly data: FleetOverview }
  /** The changed parts of the overview; always with its time. `gone`: names of hosts that do not exist any more. */
  | {
      readonly kind: "change";
      readonly data: Partial<FleetOverview> & {
        readonly at: string;
        readonly hosts: readonly HostOverview[];
        readonly gone: readonly string[];
      };
    }
  /** At first the newest, also when there are none; then those that are new or happened again. The oldest first. */
  | { readonly kind: "events"; readonly data: readonly KeptEvent[] }
  /** All current alarms: at first, and whenever they change or one was reported again. The newest first. */
  | { readonly kind: "alarms"; readonly data: readonly KeptEvent[] }
  /** Nothing is known now: MySQL does not answer. */
  | { readonly kind: "silence"; readonly data: null };

/** One server-sent event: its name, and its data before they become JSON. */
export type StreamNews =
  | Exclude<FeedMessage, { readonly kind: "events" | "alarms" }>
  | { readonly kind: "events" | "alarms"; readonly data: readonly OpsEvent[] };

/** What the feed reads, and where it reports faults. */
export type FeedPorts = {
  readonly draw: () => Promise<FleetOverview>;
  readonly listEvents: () => Promise<readonly KeptEvent[]>;
  readonly listAlarms: () => Promise<readonly KeptEvent[]>;
  readonly onFault: (fault: unknown) => void;
};

/** A feed that reads the fleet every `everyMs` while it has watchers, and not at all otherwise. */
export function createOverviewFeed({ draw, listEvents, listAlarms, onFault }: FeedPorts, everyMs: number) {
  const watchers = new Map<(news: FeedMessage) => void, { isNew: boolean }>();
  let timer: NodeJS.Timeout | undefined;
  let picture: FleetOverview | undefined;
  let events: readonly KeptEvent[] = [];
  let alarms: readonly KeptEvent[] = [];

  /**
   * Sends `watcher` the whole overview at the next reading, and changes from then on. Returns a function that
   * ends this.
   */
  function follow(watcher: (news: FeedMessage) => void): () => void {
    watchers.set(watcher, { isNew: true });
    // At once, also between two readings.
    clearTimeout(timer);
    void look();
    return () => void watchers.delete(watcher);
  }

  let looking = Promise.resolve();
  function look(): Promise<void> {
    // One after another: the next reading must not overtake a slow one.
    looking = looking.then(lookNow).finally(() => {
      clearTimeout(timer);
      timer = watchers.size > 0 ? setTimeout(() => void look(), everyMs) : undefined;
    });
    return looking;
  }

  async function lookNow(): Promise<void> {
    if (watchers.size === 0) return;
    try {
      const [nextPicture, nextEvents, nextAlarms] = await Promise.all([draw(), listEvents(), listAlarms()]);
      const change = picture && changeOf(picture, nextPicture);
      const fresh = freshOf(events, nextEvents);
      const hasAlarmed = !isDeepStrictEqual(alarms, nextAlarms);
      picture = nextPicture;
      events = nextEvents;
      alarms = nextAlarms;
      // Each message is made once: watchers that get the same one put it into words once.
      const whole: FeedMessage = { kind: "picture", data: nextPicture };
      const news: FeedMessage = change ? { kind: "change", data: change } : whole;
      const allEvents: FeedMessage = { kind: "events", data: nextEvents.toReversed() };
      const newEvents: FeedMessage = { kind: "events", data: fresh };
      const allAlarms: FeedMessage = { kind: "alarms", data: nextAlarms };
      for (const [watcher, standing] of watchers) {
        watcher(standing.isNew ? whole : news);
        if (standing.isNew) watcher(allEvents);
        else if (fresh.length > 0) watcher(newEvents);
        if (standing.isNew || hasAlarmed) watcher(allAlarms);
        standing.isNew = false;
      }
    } catch (fault) {
      onFault(fault);
      const silence: FeedMessage = { kind: "silence", data: null };
      for (const watcher of watchers.keys()) watcher(silence);
    }
  }

  return { follow };
}

function changeOf(before: FleetOverview, after: FleetOverview): Extract<FeedMessage, { kind: "change" }>["data"] {
  const known = new Map(before.hosts.map((host) => [host.name, host]));
  const names = new Set(after.hosts.map(({ name }) => name));
  const rest = Object.entries(after).filter(
    ([key, value]) => key !== "hosts" && !isDeepStrictEqual(value, before[key as keyof FleetOverview]),
  );
  return {
    ...(Object.fromEntries(rest) as Partial<FleetOverview>),
    at: after.at,
    hosts: after.hosts.filter((host) => !isDeepStrictEqual(host, known.get(host.name))),
    gone: [...known.keys()].filter((name) => !names.has(name)),
  };
}

function freshOf(before: readonly KeptEvent[], after: readonly KeptEvent[]): KeptEvent[] {
  const times = new Map(before.map((event) => [event.id, event.times]));
  return after.filter((event) => times.get(event.id) !== event.times).toReversed();
}
