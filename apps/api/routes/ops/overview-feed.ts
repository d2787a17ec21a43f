import { isDeepStrictEqual } from "node:util";
import type { FleetOverview, HostOverview } from "../../../core/operator/fleet-overview.ts";
import type { KeptEvent } from "../../../core/events/event.ts";
import type { OpsEvent } from "./events.ts";

/** What a watcher is told: the whole at first, and then what has changed. */
export type FeedMessage =
  | { readonly kind: "picture"; readonly data: FleetOverview }
  /** The picture without what stayed the same; always with its moment. `gone`: names of hosts that are no more. */
  | {
      readonly kind: "change";
      readonly data: Partial<FleetOverview> & {
        readonly at: string;
        readonly hosts: readonly HostOverview[];
        readonly gone: readonly string[];
      };
    }
  /** At first the newest, also when there are none; then those that are new, or came again. The oldest first. */
  | { readonly kind: "events"; readonly data: readonly KeptEvent[] }
  /** All alarms that go on: at first, and whenever they are others or one was said again. The newest first. */
  | { readonly kind: "alarms"; readonly data: readonly KeptEvent[] }
  /** Nothing can be told now: MySQL does not answer. */
  | { readonly kind: "silence"; readonly data: null };

/** One server-sent event: its name, and its data before they become JSON. */
export type StreamNews =
  | Exclude<FeedMessage, { readonly kind: "events" | "alarms" }>
  | { readonly kind: "events" | "alarms"; readonly data: readonly OpsEvent[] };

/** What the watch reads, and what it is told of faults. */
export type FeedPorts = {
  readonly draw: () => Promise<FleetOverview>;
  readonly listEvents: () => Promise<readonly KeptEvent[]>;
  readonly listAlarms: () => Promise<readonly KeptEvent[]>;
  readonly onFault: (fault: unknown) => void;
};

/** One look at the fleet for all who watch it. */
export type OverviewFeed = ReturnType<typeof createOverviewFeed>;

/** A watch that looks each `everyMs` while anybody watches, and not at all otherwise. */
export function createOverviewFeed({ draw, listEvents, listAlarms, onFault }: FeedPorts, everyMs: number) {
  const watchers = new Map<(news: FeedMessage) => void, { isNew: boolean }>();
  let timer: NodeJS.Timeout | undefined;
  let picture: FleetOverview | undefined;
  let events: readonly KeptEvent[] = [];
  let alarms: readonly KeptEvent[] = [];

  /** Tells `watcher` all there is at the next look, and what changes from then on. Returns how to leave. */
  function follow(watcher: (news: FeedMessage) => void): () => void {
    watchers.set(watcher, { isNew: true });
    // At once, also between two looks.
    clearTimeout(timer);
    void look();
    return () => void watchers.delete(watcher);
  }

  let looking = Promise.resolve();
  function look(): Promise<void> {
    // One after another: a slow look must not overtake the next one.
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
      for (const [watcher, standing] of watchers) {
        watcher(standing.isNew || !change ? { kind: "picture", data: nextPicture } : { kind: "change", data: change });
        const told = standing.isNew ? nextEvents.toReversed() : fresh;
        if (standing.isNew || told.length > 0) watcher({ kind: "events", data: told });
        if (standing.isNew || hasAlarmed) watcher({ kind: "alarms", data: nextAlarms });
        standing.isNew = false;
      }
    } catch (fault) {
      onFault(fault);
      for (const watcher of watchers.keys()) watcher({ kind: "silence", data: null });
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
