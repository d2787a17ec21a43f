/**
 * @import { OpsEvent } from "../../api-types.ts"
 * @import { Open, OpsApi } from "../../ops-types.ts"
 */
import { find, part } from "../elements.js";
import { fieldOf, listIn, make, mark, tell } from "./dom.js";
import { followLinks, linkTo } from "./panel.js";
import { clock } from "./words.js";

const MOST_KEPT = 400;
/** The stream sends so many events at first: when there are fewer, there are no older ones. */
const TOLD = 100;
const PAGE = 200;
const TYPING_MS = 250;

/**
 * The list of events: follows live, filters, and goes back in time.
 * @param {OpsApi} api
 * @param {() => number} now
 * @param {Open} open
 */
export function createEvents(api, now, open) {
  const list = part("events");
  const filters = find(HTMLFormElement, "[data-event-filters]");
  const empty = part("events-empty");
  const older = part("more-events");
  const fresh = part("new-events");
  const kinds = find(HTMLDataListElement, "[data-kinds]");
  /**
   * What the stream has sent, newest first.
   * @type {readonly OpsEvent[]}
   */
  let live = [];
  /**
   * Events that the service found: those of the filter, or older ones. Undefined while `live` is shown.
   * @type {readonly OpsEvent[] | undefined}
   */
  let found;
  /**
   * Current alarms, also when they are too old for the list.
   * @type {readonly OpsEvent[]}
   */
  let alarms = [];
  let unseen = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** Counts the filters, so that an answer to an earlier one is not shown. */
  let filtering = 0;
  let isGoingBack = false;

  const show = listIn(
    list,
    ({ id }) => id,
    /** @param {OpsEvent} event */
    (event) => eventLine(event, now()),
  );

  filters.addEventListener("input", () => {
    filtering++;
    clearTimeout(timer);
    timer = setTimeout(() => void search(), TYPING_MS);
  });
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => setTimeout(() => void search()));
  older.addEventListener("click", () => void goBack());
  followLinks(list, open);
  fresh.addEventListener("click", () => {
    list.scrollTop = 0;
    seen();
  });
  list.addEventListener("scroll", () => {
    if (list.scrollTop < 10) seen();
  });

  const filter = () => ({
    host: fieldOf(filters, "host"),
    instance: fieldOf(filters, "instance"),
    kind: fieldOf(filters, "kind"),
  });
  const isFiltered = () => Object.values(filter()).some((value) => value !== "");
  const shown = () => found ?? live;

  /** @param {OpsEvent} event */
  function fits(event) {
    const { host, instance, kind } = filter();
    return (
      (host === "" || event.host === host) &&
      (instance === "" || event.instance === instance) &&
      (kind === "" || event.kind === kind)
    );
  }

  async function search() {
    const mine = ++filtering;
    if (!isFiltered()) {
      found = undefined;
      older.hidden = live.length < TOLD;
      draw();
      return;
    }
    const { value, problem } = await api.events(filter());
    if (problem || mine !== filtering) return;
    found = value;
    older.hidden = value.length < PAGE;
    draw();
  }

  async function goBack() {
    // The button is not disabled meanwhile: it would lose its focus.
    if (isGoingBack) return;
    isGoingBack = true;
    const mine = filtering;
    const { value, problem } = await api.events({ ...filter(), before: shown().at(-1)?.id });
    isGoingBack = false;
    if (problem || mine !== filtering) return;
    found = merge(shown(), value);
    older.hidden = value.length < PAGE;
    draw();
  }

  /**
   * Takes over events of the stream, oldest first; those that are known have come again.
   * @param {readonly OpsEvent[]} events
   */
  function take(events) {
    live = merge(live, events).slice(0, MOST_KEPT);
    if (found) found = merge(found, events.filter(fits));
    if (list.scrollTop > 10) unseen += events.filter(fits).length;
    if (live.length >= TOLD && !found) older.hidden = false;
    for (const kind of new Set(events.map((event) => event.kind)))
      if (![...kinds.options].some(({ value }) => value === kind)) kinds.append(make("option", { value: kind }));
    draw();
  }

  /**
   * Takes over the current alarms. Their lines may be so old that the stream does not send them again.
   * @param {readonly OpsEvent[]} events
   */
  function takeAlarms(events) {
    alarms = events;
    live = renew(live, events);
    found &&= renew(found, events);
    draw();
  }

  function seen() {
    unseen = 0;
    fresh.hidden = true;
  }

  function draw() {
    mark(list, "aria-busy", null);
    show(shown(), (line, event) => updateEvent(line, event, now()));
    empty.hidden = shown().length > 0;
    tell(
      empty,
      isFiltered()
        ? "No event matches."
        : "No events yet. Every decision of a job and every action of an operator is listed here.",
    );
    fresh.hidden = unseen === 0;
    tell(fresh, `${unseen} new`);
  }

  return {
    take,
    takeAlarms,
    alarms: () => alarms,
    forget() {
      filtering++;
      live = [];
      alarms = [];
      found = undefined;
      show([]);
    },
  };
}

/**
 * A line of an event.
 * @param {OpsEvent} event
 * @param {number} nowMs
 */
export function eventLine(event, nowMs) {
  const { actor, kind, host, instance, alarm } = event;
  const line = make(
    "li",
    { class: "event", "data-alarm": alarm, "data-actor": actor },
    make("time", { "data-time": true }),
    make("span", { class: "event-kind" }, kind),
    make(
      "p",
      {},
      make("span", { class: "event-reason", "data-reason": true }),
      make("span", { class: "event-times", "data-times": true }),
      make("span", { class: "event-of" }, actorOf(event)),
      host !== null && linkTo("host", host),
      instance !== null && linkTo("instance", instance),
    ),
  );
  updateEvent(line, event, nowMs);
  return line;
}

/**
 * What changes in an event's line when it comes again.
 * @param {Element} line
 * @param {OpsEvent} event
 * @param {number} nowMs
 */
export function updateEvent(line, event, nowMs) {
  const { lastAt, times } = event;
  tellMoment(part("time", line), lastAt, nowMs);
  tell(part("reason", line), reasonOf(event, nowMs));
  tell(part("times", line), times > 1 ? `× ${times}` : "");
}

/**
 * Who decided or acted: an operator by name, or a job.
 * @param {OpsEvent} event
 */
function actorOf({ actor, by }) {
  return by ? `by ${by}` : actor;
}

/**
 * What is said of an event. Moments are told in the reader's time.
 * @param {OpsEvent} event
 * @param {number} nowMs
 */
function reasonOf({ kind, actor, reason, data }, nowMs) {
  if (kind !== "extend" || !data || !("to" in data)) return reason;
  const [from, to] = [data.from, data.to].map((moment) => clock(Date.parse(moment), nowMs));
  return `${actor === "owner" ? "its owner changed its end" : "its end was changed"} to ${to}; it was ${from}`;
}

/**
 * Sets the moment, in ISO 8601, that a `time` element shows.
 * @param {Element} element
 * @param {string} moment
 * @param {number} nowMs
 */
export function tellMoment(element, moment, nowMs) {
  mark(element, "datetime", moment);
  tell(element, clock(Date.parse(moment), nowMs));
}

/**
 * The events of a list, each as it came last.
 * @param {readonly OpsEvent[]} before
 * @param {readonly OpsEvent[]} events
 */
function renew(before, events) {
  const byId = new Map(events.map((event) => [event.id, event]));
  return before.map((event) => byId.get(event.id) ?? event);
}

/**
 * @param {readonly OpsEvent[]} before
 * @param {readonly OpsEvent[]} events
 */
function merge(before, events) {
  const byId = new Map(before.map((event) => [event.id, event]));
  for (const event of events) byId.set(event.id, event);
  return [...byId.values()].sort((a, b) => b.id - a.id);
}
