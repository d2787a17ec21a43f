import { keep, make, mark, part, tell } from "./dom.js";
import { clock } from "./words.js";

const MOST_KEPT = 400;
/** So many the stream tells at first: with fewer, there are no older ones. */
const TOLD = 100;
const PAGE = 200;
const TYPING_MS = 250;

/** The list of events: follows live, filters, and goes back in time. */
export function createEvents(api, now, open) {
  const list = part("events");
  const filters = part("event-filters");
  const empty = part("events-empty");
  const older = part("more-events");
  const fresh = part("new-events");
  /** Of all the stream has told, newest first; those of the filter are asked for. */
  let live = [];
  let found;
  /** Those that go on, also when their rows are long past. */
  let alarms = [];
  let unseen = 0;
  let timer;
  /** Counts the filters: an answer of an earlier one comes too late. */
  let filtering = 0;
  let isGoingBack = false;

  filters.addEventListener("input", () => {
    filtering++;
    clearTimeout(timer);
    timer = setTimeout(find, TYPING_MS);
  });
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => setTimeout(find));
  older.addEventListener("click", async () => {
    // Not disabled meanwhile: it would lose its focus.
    if (isGoingBack) return;
    isGoingBack = true;
    const mine = filtering;
    const { value, problem } = await api.events({ ...filter(), before: shown().at(-1)?.id });
    isGoingBack = false;
    if (problem || mine !== filtering) return;
    found = merge(shown(), value);
    older.hidden = value.length < PAGE;
    draw();
  });
  list.addEventListener("click", (event) => {
    const link = event.target.closest("[data-open]");
    if (link) open(link.dataset.open, link.dataset.name);
  });
  fresh.addEventListener("click", () => {
    list.scrollTop = 0;
    seen();
  });
  list.addEventListener("scroll", () => list.scrollTop < 10 && seen());

  const filter = () => Object.fromEntries([...new FormData(filters)].map(([name, value]) => [name, value.trim()]));
  const isFiltered = () => Object.values(filter()).some((value) => value !== "");
  const fits = (event) => Object.entries(filter()).every(([name, value]) => value === "" || event[name] === value);
  const shown = () => found ?? live;

  async function find() {
    const mine = ++filtering;
    if (!isFiltered()) {
      found = undefined;
      older.hidden = live.length < TOLD;
      return draw();
    }
    const { value, problem } = await api.events(filter());
    if (problem || mine !== filtering) return;
    found = value;
    older.hidden = value.length < PAGE;
    draw();
  }

  /** Takes over events of the stream, oldest first; known ones were said again. */
  function take(events) {
    live = merge(live, events).slice(0, MOST_KEPT);
    if (found) found = merge(found, events.filter(fits));
    if (list.scrollTop > 10) unseen += events.filter(fits).length;
    if (live.length >= TOLD && !found) older.hidden = false;
    for (const kind of new Set(events.map((event) => event.kind)))
      if (![...part("kinds").children].some(({ value }) => value === kind))
        part("kinds").append(make("option", { value: kind }));
    draw();
  }

  /** Takes over the alarms that go on. One that was said again may stand in a row that the stream does not tell any more. */
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
    keep(
      list,
      shown(),
      ({ id }) => id,
      create,
      (line, event) => updateEvent(line, event, now()),
    );
    empty.hidden = shown().length > 0;
    tell(
      empty,
      isFiltered()
        ? "No event fits."
        : "Nothing has happened yet. Every decision of the jobs and every act of yours is written down here.",
    );
    fresh.hidden = unseen === 0;
    tell(fresh, `${unseen} new`);
  }

  function create(event) {
    return eventLine(event, now());
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
      keep(list, []);
    },
  };
}

/** A line of an event. */
export function eventLine(event, nowMs) {
  const { actor, kind, host, instance, reason, alarm } = event;
  const line = make(
    "li",
    { class: "event", "data-alarm": alarm, "data-actor": actor },
    make("time", { "data-time": true }),
    make("span", { class: "event-kind" }, kind),
    make(
      "p",
      {},
      make("span", { class: "event-reason" }, reason),
      make("span", { class: "event-times", "data-times": true }),
      make("span", { class: "event-of" }, actor),
      host && make("button", { class: "link", type: "button", "data-open": "host", "data-name": host }, host),
      instance &&
        make("button", { class: "link", type: "button", "data-open": "instance", "data-name": instance }, instance),
    ),
  );
  updateEvent(line, event, nowMs);
  return line;
}

/** What changes in an event's line when it is said again. */
export function updateEvent(line, { lastAt, times }, nowMs) {
  tellMoment(part("time", line), lastAt, nowMs);
  tell(part("times", line), times > 1 ? `× ${times}` : "");
}

/** Sets the moment, in ISO 8601, that a `time` element shows. */
export function tellMoment(element, moment, nowMs) {
  mark(element, "datetime", moment);
  tell(element, clock(Date.parse(moment), nowMs));
}

/** Events as they were told last. */
function renew(before, events) {
  const byId = new Map(events.map((event) => [event.id, event]));
  return before.map((event) => byId.get(event.id) ?? event);
}

function merge(before, events) {
  const byId = new Map(before.map((event) => [event.id, event]));
  for (const event of events) byId.set(event.id, event);
  return [...byId.values()].sort((a, b) => b.id - a.id);
}
