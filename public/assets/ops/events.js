import { keep, make, mark, part, tell } from "./dom.js";
import { clock } from "./words.js";

const MOST_KEPT = 400;
/** So many the stream tells at first: with fewer, there are no older ones. */
const TOLD = 100;
const PAGE = 200;

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
  let unseen = 0;
  let timer;

  filters.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, 250);
  });
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => setTimeout(find));
  older.addEventListener("click", async () => {
    const { value, problem } = await api.events({ ...filter(), before: shown().at(-1)?.id });
    if (problem) return;
    found = [...shown(), ...value];
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
    if (!isFiltered()) {
      found = undefined;
      older.hidden = live.length < TOLD;
      return draw();
    }
    const asked = JSON.stringify(filter());
    const { value, problem } = await api.events(filter());
    if (problem || asked !== JSON.stringify(filter())) return;
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
    for (const kind of new Set(events.map((event) => event.kind))) if (![...part("kinds").children].some(({ value }) => value === kind)) part("kinds").append(make("option", { value: kind }));
    draw();
  }

  function seen() {
    unseen = 0;
    fresh.hidden = true;
  }

  function draw() {
    mark(list, "aria-busy", null);
    keep(list, shown(), ({ id }) => id, create, update);
    empty.hidden = shown().length > 0;
    tell(empty, isFiltered() ? "No event fits." : "Nothing has happened yet. Every decision of the jobs and every act of yours is written down here.");
    fresh.hidden = unseen === 0;
    tell(fresh, `${unseen} new`);
  }

  function create(event) {
    return eventLine(event, now());
  }

  return {
    take,
    all: () => live,
    forget() {
      live = [];
      found = undefined;
      list.replaceChildren();
      keep(list, [], ({ id }) => id, create);
    },
  };
}

/** A line of an event. */
export function eventLine(event, nowMs) {
  const { at, actor, kind, host, instance, reason, alarm } = event;
  const line = make(
    "li",
    { class: "event", "data-alarm": alarm, "data-actor": actor },
    make("time", { datetime: at, "data-time": true }, clock(Date.parse(event.lastAt), nowMs)),
    make("span", { class: "event-kind" }, kind),
    make(
      "p",
      {},
      make("span", { class: "event-reason" }, reason),
      make("span", { class: "event-times", "data-times": true }),
      make("span", { class: "event-of" }, actor),
      host && make("button", { class: "link", type: "button", "data-open": "host", "data-name": host }, host),
      instance && make("button", { class: "link", type: "button", "data-open": "instance", "data-name": instance }, instance),
    ),
  );
  update(line, event);
  return line;
}

function update(line, { times }) {
  tell(part("times", line), times > 1 ? `× ${times}` : "");
}

function merge(before, events) {
  const byId = new Map(before.map((event) => [event.id, event]));
  for (const event of events) byId.set(event.id, event);
  return [...byId.values()].sort((a, b) => b.id - a.id);
}
