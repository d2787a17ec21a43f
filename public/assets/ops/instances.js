import { isInside, keep, make, mark, part, tell } from "./dom.js";
import { lasting } from "./words.js";

const PAGE = 50;
const TYPING_MS = 200;
/** The list follows the fleet, but not each of its movements. */
const FOLLOW_MS = 1_000;
/** What moves no slot, such as another end of a lease, is seen within this time. */
const EVERY_MS = 15_000;
const RETRY_MS = 3_000;

/** The table of instances: searched, sorted, page by page, and fresh. */
export function createInstances(api, now, open) {
  const search = part("search");
  const body = part("instances");
  const box = part("instances-box");
  const empty = part("instances-empty");
  const head = box.querySelector("thead");
  const before = document.querySelector("[data-page=before]");
  const next = document.querySelector("[data-page=next]");
  let order = "created";
  let direction = "descending";
  /** Last ids of the pages before this one. */
  let trail = [];
  let rows = [];
  let asked = 0;
  let isLoading = false;
  /** Whether the fleet has moved since the list was asked for that is on its way. */
  let isBehind = false;
  let isOn = false;
  let typing;
  let following;
  let again;

  search.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", () => {
    restart();
    clearTimeout(typing);
    typing = setTimeout(anew, TYPING_MS);
  });
  head.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-order]");
    if (!cell) return;
    sort(cell.dataset.order, cell.dataset.order === order && direction === "descending" ? "ascending" : "descending");
    void anew();
  });
  // Narrow screens have no head to press.
  search.elements.order.addEventListener("input", (event) => sort(...event.target.value.split(" ")));
  body.addEventListener("click", (event) => {
    const row = event.target.closest("[data-id]");
    if (row) open("instance", row.dataset.id);
  });
  // From the page that is shown: pressed twice before that has come, each asks for the same one.
  next.addEventListener("click", () => void load([...trail, rows.at(-1).id]));
  before.addEventListener("click", () => void load(trail.slice(0, -1)));
  document.addEventListener("visibilitychange", () => isOn && refresh());

  function sort(by, towards) {
    order = by;
    direction = towards;
    search.elements.order.value = `${by} ${towards}`;
    for (const each of head.querySelectorAll("[data-order]"))
      mark(each, "aria-sort", each.dataset.order === order ? direction : null);
  }

  /** Another search begins with its first page, and there is no next one until that has come. */
  function restart() {
    trail = [];
    for (const button of [before, next]) button.disabled = true;
  }

  function anew() {
    restart();
    return load();
  }

  /** Looks for itself: after what is on its way, or not at all while nobody sees it. */
  function refresh() {
    if (document.hidden) return;
    if (isLoading) isBehind = true;
    else void load();
  }

  /** The fleet has moved: looks again, soon. */
  function follow() {
    following ??= setTimeout(() => {
      following = undefined;
      refresh();
    }, FOLLOW_MS);
  }

  /** Looks for a person, whatever else is on its way. `wanted`: the trail of the page to be shown. */
  async function load(wanted = trail) {
    if (!isInside()) return;
    clearTimeout(following);
    clearTimeout(again);
    following = undefined;
    isBehind = false;
    isLoading = true;
    isOn = true;
    const mine = ++asked;
    const { text, state } = Object.fromEntries(new FormData(search));
    const { value, total, problem } = await api.instances({
      text: text.trim(),
      state,
      order,
      direction,
      after: wanted.at(-1),
      most: PAGE,
    });
    if (mine !== asked) return;
    isLoading = false;
    again = setTimeout(refresh, problem ? RETRY_MS : EVERY_MS);
    if (isBehind) follow();
    mark(box, "aria-busy", null);
    mark(part("instances-count"), "data-fault", problem);
    if (problem) {
      tell(part("instances-count"), `Not up to date: ${problem.title.toLowerCase()}.`);
      return;
    }
    // All that was on this page, the last one, is gone.
    if (value.length === 0 && wanted.length > 0) return load(wanted.slice(0, -1));
    trail = wanted;
    rows = value;
    draw();
    const first = trail.length * PAGE + 1;
    tell(
      part("instances-count"),
      total === 0
        ? ""
        : `${first.toLocaleString("en")}–${(first + rows.length - 1).toLocaleString("en")} of ${total.toLocaleString("en")}`,
    );
    before.disabled = trail.length === 0;
    next.disabled = first + rows.length - 1 >= total || rows.length === 0;
    empty.hidden = rows.length > 0;
    tell(empty, text.trim() !== "" || state !== "open" ? "Nothing fits." : "Nobody holds an instance right now.");
  }

  function draw() {
    keep(
      body,
      rows,
      ({ id }) => id,
      create,
      (row, instance) => updateRow(row, instance, now()),
    );
  }

  return {
    load,
    anew,
    /** Ages and remaining times, as time goes by. */
    tick: draw,
    follow,
    /** Looks for something among all, ended ones too. */
    find(text) {
      search.elements.text.value = text;
      search.elements.state.value = "all";
      void anew();
    },
    forget() {
      asked++;
      isOn = false;
      isLoading = false;
      for (const timer of [following, again, typing]) clearTimeout(timer);
      following = undefined;
      trail = [];
      rows = [];
      draw();
    },
  };
}

function create({ id, hostName, host, port, address }) {
  return make(
    "tr",
    { "data-id": id },
    make("td", {}, make("button", { class: "link mono", type: "button" }, id)),
    make("td", {}, make("span", { class: "state", "data-state": true })),
    make("td", { class: "mono" }, hostName),
    make("td", { class: "mono" }, `${host.includes(":") ? `[${host}]` : host}:${port}`),
    make("td", { class: "mono" }, address),
    make("td", { "data-began": true }),
    make("td", { "data-ends": true }),
  );
}

function updateRow(row, { state, createdAt, expiresAt, endedAt, endCause }, nowMs) {
  const word = part("state", row);
  tell(word, state);
  mark(word, "data-state", state);
  tell(part("began", row), `${lasting(nowMs - Date.parse(createdAt))} ago`);
  tell(
    part("ends", row),
    endedAt !== null
      ? `${endCause ?? "ended"} ${lasting(nowMs - Date.parse(endedAt))} ago`
      : state === "running"
        ? `in ${lasting(Date.parse(expiresAt) - nowMs)}`
        : "–",
  );
}
