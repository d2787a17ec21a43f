/**
 * @import { OpsInstance } from "../../api-types.ts"
 * @import { Open, OpsApi } from "../../ops-types.ts"
 */
import { closest, find, findAll, part } from "../elements.js";
import { fieldOf, isInside, listIn, make, mark, tell } from "./dom.js";
import { may } from "./roles.js";
import { instanceStates } from "./states.js";
import { lasting, placeOf } from "./words.js";

const PAGE = 50;
const TYPING_MS = 200;
/** The list follows the fleet, but not each of its changes. */
const FOLLOW_MS = 1_000;
/** What changes no slot, such as another end of a lease, is seen within this time. */
const EVERY_MS = 15_000;
const RETRY_MS = 3_000;

/**
 * The table of instances: searched, sorted, page by page, and kept up to date.
 * @param {OpsApi} api
 * @param {() => number} now
 * @param {Open} open
 */
export function createInstances(api, now, open) {
  const search = find(HTMLFormElement, "[data-search]");
  const searchText = find(HTMLInputElement, "[name=text]", search);
  const searchAt = find(HTMLInputElement, "[name=at]", search);
  const searchState = find(HTMLSelectElement, "[name=state]", search);
  const searchOrder = find(HTMLSelectElement, "[name=order]", search);
  const body = part("instances");
  const box = part("instances-box");
  const empty = part("instances-empty");
  const count = part("instances-count");
  const head = find(HTMLElement, "thead", box);
  const before = find(HTMLButtonElement, "[data-page=before]");
  const next = find(HTMLButtonElement, "[data-page=next]");
  const show = listIn(body, ({ id }) => id, create);
  let order = "created";
  let direction = "descending";
  /**
   * Last ids of the pages before this one.
   * @type {readonly string[]}
   */
  let trail = [];
  /** @type {readonly OpsInstance[]} */
  let rows = [];
  let asked = 0;
  let isLoading = false;
  /** Counts the changes of the fleet while a list is on its way. */
  let changes = 0;
  let isOn = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let following;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;

  search.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", ({ target }) => {
    // Who held something then has ended by now, most likely.
    if (target === searchAt && searchAt.value !== "") searchState.value = "all";
    restart();
    clearTimeout(typing);
    typing = setTimeout(() => void loadFirstPage(), TYPING_MS);
  });
  head.addEventListener("click", (event) => {
    const by = closest(event, "[data-order]")?.dataset.order;
    if (!by) return;
    sort(by, by === order && direction === "descending" ? "ascending" : "descending");
    void loadFirstPage();
  });
  // Narrow screens do not show the head.
  searchOrder.addEventListener("input", () => {
    const [by = "", towards = ""] = searchOrder.value.split(" ");
    sort(by, towards);
  });
  body.addEventListener("click", (event) => {
    const id = closest(event, "[data-id]")?.dataset.id;
    if (id) open("instance", id);
  });
  // Next means after the page that is shown: pressed twice before the answer, it asks for the same page twice.
  next.addEventListener("click", () => {
    const last = rows.at(-1);
    if (last) void load([...trail, last.id]);
  });
  before.addEventListener("click", () => void load(trail.slice(0, -1)));
  document.addEventListener("visibilitychange", () => {
    if (isOn) refresh();
  });

  /**
   * @param {string} by
   * @param {string} towards
   */
  function sort(by, towards) {
    order = by;
    direction = towards;
    searchOrder.value = `${by} ${towards}`;
    for (const each of findAll(HTMLElement, "[data-order]", head))
      mark(each, "aria-sort", each.dataset.order === order ? direction : null);
  }

  /** Another search begins with its first page, and there is no next one until that has come. */
  function restart() {
    trail = [];
    for (const button of [before, next]) button.disabled = true;
  }

  function loadFirstPage() {
    restart();
    return load();
  }

  /** Loads the page again: after what is on its way, or not at all while the page is hidden. */
  function refresh() {
    if (document.hidden) return;
    if (isLoading) changes++;
    else void load();
  }

  /** The fleet has changed: loads the page again, soon. */
  function follow() {
    following ??= setTimeout(() => {
      following = undefined;
      refresh();
    }, FOLLOW_MS);
  }

  /**
   * Loads a page for a person, whatever else is on its way.
   * @param {readonly string[]} [wanted]  The trail of the page to be shown.
   * @returns {Promise<void>}
   */
  async function load(wanted = trail) {
    if (!isInside()) return;
    clearTimeout(following);
    clearTimeout(again);
    following = undefined;
    isLoading = true;
    isOn = true;
    const mine = ++asked;
    const known = changes;
    const text = fieldOf(search, "text");
    const state = searchState.value;
    const at = fieldOf(search, "at");
    const { value, total, problem } = await api.instances({
      text,
      at: at === "" ? undefined : new Date(at).toISOString(),
      state,
      order,
      direction,
      after: wanted.at(-1),
      most: PAGE,
    });
    if (mine !== asked) return;
    isLoading = false;
    again = setTimeout(refresh, problem ? RETRY_MS : EVERY_MS);
    if (changes !== known) follow();
    mark(box, "aria-busy", null);
    mark(count, "data-fault", Boolean(problem));
    if (problem) {
      tell(count, `Not up to date: ${problem.title.toLowerCase()}.`);
      return;
    }
    // This was the last page, and everything on it is gone.
    if (value.length === 0 && wanted.length > 0) {
      await load(wanted.slice(0, -1));
      return;
    }
    trail = wanted;
    rows = value;
    draw();
    const first = trail.length * PAGE + 1;
    const last = first + rows.length - 1;
    const range = `${first.toLocaleString("en")}–${last.toLocaleString("en")}`;
    tell(count, total === 0 ? "" : `${range} of ${total.toLocaleString("en")}`);
    before.disabled = trail.length === 0;
    next.disabled = last >= total || rows.length === 0;
    empty.hidden = rows.length > 0;
    tell(
      empty,
      text !== "" || at !== "" || state !== "open" ? "No instance matches." : "Nobody holds an instance right now.",
    );
  }

  function draw() {
    show(rows, (row, instance) => updateRow(row, instance, now()));
  }

  return {
    load,
    loadFirstPage,
    /** Brings ages and remaining times up to date. */
    tick: draw,
    follow,
    /**
     * Searches all instances, ended ones too.
     * @param {string} text
     */
    find(text) {
      searchText.value = text;
      searchAt.value = "";
      searchState.value = "all";
      // The panel that this was asked for in is closed.
      searchText.focus();
      void loadFirstPage();
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

/** @param {OpsInstance} instance */
function create(instance) {
  const { id, hostName, address } = instance;
  return make(
    "tr",
    { "data-id": id },
    make("td", {}, make("button", { class: "link mono", type: "button" }, id)),
    make("td", {}, make("span", { class: "state", "data-state": true })),
    make("td", { class: "mono" }, hostName),
    make("td", { class: "mono" }, placeOf(instance)),
    make("td", { class: "mono" }, may("operator") ? address : "hidden"),
    make("td", { "data-began": true }),
    make("td", { "data-ends": true }),
  );
}

/**
 * @param {HTMLElement} row
 * @param {OpsInstance} instance
 * @param {number} nowMs
 */
function updateRow(row, { state, createdAt, expiresAt, endedAt, endCause }, nowMs) {
  const word = part("state", row);
  tell(word, instanceStates[state]?.word ?? state);
  mark(word, "data-state", state);
  mark(word, "data-sign", instanceStates[state]?.sign ?? "·");
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
