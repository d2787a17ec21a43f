import { keep, make, mark, part, tell } from "./dom.js";
import { lasting } from "./words.js";

const PAGE = 50;
const TYPING_MS = 200;
/** The list follows the fleet, but not each of its movements. */
const FOLLOW_MS = 1_000;

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
  let typing;
  let following;

  search.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(anew, TYPING_MS);
  });
  head.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-order]");
    if (!cell) return;
    direction = cell.dataset.order === order && direction === "descending" ? "ascending" : "descending";
    order = cell.dataset.order;
    for (const each of head.querySelectorAll("[data-order]")) mark(each, "aria-sort", each.dataset.order === order ? direction : null);
    anew();
  });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("[data-id]");
    if (row) open("instance", row.dataset.id);
  });
  next.addEventListener("click", () => {
    trail.push(rows.at(-1).id);
    void load();
  });
  before.addEventListener("click", () => {
    trail.pop();
    void load();
  });

  function anew() {
    trail = [];
    return load();
  }

  async function load() {
    clearTimeout(following);
    following = undefined;
    const mine = ++asked;
    const { text, state } = Object.fromEntries(new FormData(search));
    const { value, total, problem } = await api.instances({ text: text.trim(), state, order, direction, after: trail.at(-1), most: PAGE });
    if (mine !== asked) return;
    mark(box, "aria-busy", null);
    mark(part("instances-count"), "data-fault", problem);
    if (problem) {
      tell(part("instances-count"), `Not up to date: ${problem.title.toLowerCase()}.`);
      return;
    }
    rows = value;
    draw();
    const first = trail.length * PAGE + 1;
    tell(part("instances-count"), total === 0 ? "" : `${first.toLocaleString("en")}–${(first + rows.length - 1).toLocaleString("en")} of ${total.toLocaleString("en")}`);
    before.disabled = trail.length === 0;
    next.disabled = first + rows.length - 1 >= total || rows.length === 0;
    empty.hidden = rows.length > 0;
    tell(empty, text.trim() !== "" || state !== "open" ? "Nothing fits." : "Nobody holds an instance right now.");
  }

  function draw() {
    keep(body, rows, ({ id }) => id, create, (row, instance) => updateRow(row, instance, now()));
  }

  return {
    load,
    anew,
    /** Ages and remaining times, as time goes by. */
    tick: draw,
    /** The fleet has moved: looks again, soon. */
    follow() {
      following ??= setTimeout(() => (document.hidden ? (following = undefined) : void load()), FOLLOW_MS);
    },
    /** Looks for something among all, ended ones too. */
    find(text) {
      search.elements.text.value = text;
      search.elements.state.value = "all";
      void anew();
    },
    forget() {
      asked++;
      clearTimeout(following);
      clearTimeout(typing);
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
  tell(part("ends", row), endedAt !== null ? `${endCause ?? "ended"} ${lasting(nowMs - Date.parse(endedAt))} ago` : state === "running" ? `in ${lasting(Date.parse(expiresAt) - nowMs)}` : "–");
}
