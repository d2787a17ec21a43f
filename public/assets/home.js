/**
 * @import { Handout } from "../api-types.ts"
 * @import { ActParts, Acts, Bench, CallProblem, Entry, Held } from "../home-types.ts"
 */
import { createApi } from "./api.js";
import { wireCopyButtons } from "./copy.js";
import { closest, find, findAll, part } from "./elements.js";
import { createHeld } from "./held.js";
import { createLeaseNews, nameOf, soonOver, titleOf } from "./lease-news.js";
import { createSlip } from "./slip.js";
import { roughly, timeLeft, timeShort } from "./words.js";

const SECOND = 1000;
/** The status of an answer that refuses the idempotency key itself. */
const CONFLICT = 409;
/** How often a visible page asks for the state of its instances, and how often while one is ending. */
const REFRESH_MS = 60 * SECOND;
const REFRESH_ENDING_MS = 3 * SECOND;
/** An extension by less than this is not worth a button. */
const LEAST_GAIN_MS = 60 * SECOND;
/** Kept below the longest lease allowed, because the request itself takes time. */
const MARGIN_MS = 5 * SECOND;

const form = find(HTMLFormElement, "#get");
const key = find(HTMLButtonElement, ".key");
const keyLabel = find(HTMLElement, ".key span");
const problemBox = part("problem");
const others = part("held");
const slipRoot = part("slip");

const { dataset } = find(HTMLElement, "#home");
const [ttlMs, maxTtlMs] = [Number(dataset.ttlSeconds) * SECOND, Number(dataset.maxTtlSeconds) * SECOND];
const api = createApi();
const held = createHeld(showWhatChanged);
const slip = createSlip(slipRoot, api, held.isKept);
/** @type {string | undefined} */
let selectedId;
let working = false;
/**
 * Stops the work that the service wants first; undefined while there is none.
 * @type {AbortController | undefined}
 */
let labour;
let labourShare = 0;
let restUntilMs = 0;
let refreshAtMs = 0;
const leaseNews = createLeaseNews();
/**
 * Of which instance the strip about its end was hidden.
 * @type {string | undefined}
 */
let hiddenLastId;
/**
 * The workbench below the slip, loaded when it is first needed.
 * @type {Promise<Bench> | undefined}
 */
let bench;
/** @type {Promise<Acts> | undefined} */
let acts;
/** @type {ActParts} */
const actParts = {
  api,
  held,
  slip,
  problemBox,
  gainMs,
  select,
  isSelected: (id) => selectedId === id,
  refresh,
  showStats,
  say,
  focusKey: () => key.focus(),
};

document.documentElement.classList.add("js");
wireCopyButtons(say);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void getInstance();
});
others.addEventListener("click", choose);
part("last-extend").addEventListener("click", () => void extendLast());
part("last-hide").addEventListener("click", () => {
  hiddenLastId = soonOver(held.list(), api.now())?.entry.instance.id;
  slip.focus();
  showLast();
});
slipRoot.addEventListener("click", (event) => void act(closest(event, "[data-act]")?.dataset.act));
slipRoot.addEventListener("keydown", (event) => {
  if (event.key === "Escape") void act("keep");
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void refresh();
});
addEventListener("hashchange", () => void takeFromLink());
setInterval(tick, SECOND);
takeOverAnswer();
// What the styles have put first is reached first by keyboard, too.
if (document.documentElement.classList.contains("returning") && !matchMedia("(min-width: 60rem)").matches)
  slipRoot.parentElement?.prepend(slipRoot, others);
select(held.list().at(-1)?.instance.id);
void refresh();
void takeFromLink();

/** A link from another browser may bring an instance, whose secrets leave the address at once. */
async function takeFromLink() {
  const { hash } = location;
  if (!hash.startsWith("#take=")) return;
  history.replaceState(null, "", "/");
  const { take } = await import("./take.js");
  const taken = await take(hash, api, held);
  if (!taken) return;
  if ("fault" in taken) {
    showProblem({ title: "This link brings no Redis", detail: taken.fault });
    return;
  }
  select(taken.id);
  slip.focus();
}

/** When the form was posted before this script ran, its answer is in the page, and is kept like any other. */
function takeOverAnswer() {
  if (slipRoot.dataset.instance) {
    /** @type {unknown} */
    const parsed = JSON.parse(slipRoot.dataset.instance);
    const handout = /** @type {Handout} */ (parsed);
    if (!held.find(handout.id)) held.add(handout);
  }
  // The address becomes that of the page again: from now on this browser shows all of its instances there.
  if (location.pathname !== "/") history.replaceState(null, "", "/");
}

async function getInstance() {
  labour?.abort();
  if (working || restUntilMs > Date.now()) return;
  working = true;
  problemBox.hidden = true;
  slip.working();
  showKey();
  say("Starting your Redis.");
  const answer = await createWorking(held.pendingKey());
  working = false;
  if (!answer) {
    select(selectedId);
    say("Stopped.");
    return;
  }
  const { value, problem } = answer;
  if (problem) {
    // After any other problem an earlier answer may have been lost: the next press asks for the same instance.
    if (problem.status === CONFLICT) held.settle();
    restUntilMs = Date.now() + problem.retryAfterSeconds * SECOND;
    select(selectedId);
    showProblem(problem);
    return;
  }
  held.settle();
  held.add(value);
  select(value.id);
  slip.focus();
  say(`Your Redis is ready at ${value.host}, port ${value.port}.`);
  void showStats();
}

/**
 * Asks for an instance, and works for it where the service wants that; undefined when that was stopped.
 * @param {string} idempotencyKey
 */
async function createWorking(idempotencyKey) {
  const refusal = await api.create(idempotencyKey);
  if (!refusal.problem?.challenge) return refusal;
  labour = new AbortController();
  try {
    const { workFor } = await import("./work.js");
    return await workFor(refusal, (proof) => api.create(idempotencyKey, proof), labour.signal, showLabour);
  } catch {
    // This browser cannot work: the refusal says what can.
    return refusal;
  } finally {
    labour = undefined;
  }
}

/** @param {number | undefined} share  Undefined from when the instance starts, which cannot be stopped. */
function showLabour(share) {
  if (share === undefined) labour = undefined;
  else labourShare = share;
  showKey();
}

/** The button is down while a Redis starts, and until the time that the service named has passed. */
function showKey() {
  const restMs = restUntilMs - Date.now();
  const label = labour
    ? `Short calculation, ${Math.floor(labourShare * 100)} % · stop`
    : working
      ? "Starting your Redis"
      : restMs > 0
        ? `Try again in ${timeLeft(restMs)}`
        : held.list().some(({ state }) => state !== "ended")
          ? "Get another Redis"
          : "Get a Redis";
  if (keyLabel.textContent !== label) keyLabel.textContent = label;
  key.setAttribute("aria-disabled", String((working && !labour) || restMs > 0));
  key.setAttribute("aria-busy", String(working));
}

/** @param {Pick<CallProblem, "title" | "detail">} problem */
function showProblem({ title, detail }) {
  find(HTMLElement, "p:first-child", problemBox).textContent = title;
  find(HTMLElement, "p:last-child", problemBox).textContent = detail;
  problemBox.hidden = false;
}

/**
 * Shows one of the instances held, or the blank slip when there is none by that id.
 * @param {string | undefined} id
 */
function select(id) {
  const entry = held.find(id);
  selectedId = entry?.instance.id;
  showHeld();
  showEnds();
  showKey();
  void workOn(entry?.state === "running" ? entry.instance : null);
  if (!entry) {
    slip.blank();
    return;
  }
  slip.show(entry);
  loadActs().catch(() => undefined);
  const gain = gainMs(entry.instance);
  slip.offerExtension(gain < LEAST_GAIN_MS ? null : gain);
}

/** Another tab has got, extended or ended an instance. */
function showWhatChanged() {
  if (!working) select(held.find(selectedId) ? selectedId : held.list().at(-1)?.instance.id);
}

/**
 * Console and figures of a running instance; calls take effect in their order, also while it loads.
 * @param {Held | null} instance
 */
async function workOn(instance) {
  if (!instance && !bench) return;
  bench ??= import("./bench.js").then(({ createBench }) => createBench(part("bench"), api, () => void refresh(), held));
  try {
    (await bench).use(instance);
  } catch {
    // The service did not answer: the next instance shown asks for it again.
    bench = undefined;
  }
}

/**
 * By how much the lease can grow: the usual time, but not past the longest from its creation.
 * @param {Held} instance
 */
function gainMs({ createdAt, expiresAt }) {
  return Math.min(ttlMs, Date.parse(createdAt) + maxTtlMs - MARGIN_MS - Date.parse(expiresAt));
}

/** The list of all instances held, where there are several. */
function showHeld() {
  const entries = held.list();
  others.hidden = entries.length < 2;
  const focused = rows().find((button) => button === document.activeElement)?.dataset.id;
  const { content } = find(HTMLTemplateElement, "template", others);
  find(HTMLElement, "ul", others).replaceChildren(
    ...entries.map(({ instance, name }) => {
      const row = document.importNode(content, true);
      const button = find(HTMLElement, "button", row);
      button.dataset.id = instance.id;
      button.setAttribute("aria-pressed", String(instance.id === selectedId));
      part("name", row).textContent = name ?? "";
      part("host", row).textContent = instance.host;
      part("port", row).textContent = `:${instance.port}`;
      return row;
    }),
  );
  showStates();
  rows()
    .find((button) => button.dataset.id === focused)
    ?.focus();
}

/** @param {string | undefined} name */
async function act(name) {
  const entry = held.find(selectedId);
  if (!entry || !name) return;
  try {
    await (await loadActs())[name]?.(entry.instance);
  } catch {
    slip.note("The service does not answer. Try again in a moment.", true);
  }
}

/** What the holder can do to an instance: loaded once there is one. */
function loadActs() {
  acts ??= import("./lease-acts.js").then(({ createActs }) => createActs(actParts));
  acts.catch(() => (acts = undefined));
  return acts;
}

function rows() {
  return findAll(HTMLElement, "[data-id]", others);
}

function showStates() {
  for (const button of rows()) {
    const entry = held.find(button.dataset.id);
    // Another tab may have removed it.
    if (!entry) continue;
    const { instance, state } = entry;
    button.dataset.state = state;
    const word = state === "running" ? timeShort(Date.parse(instance.expiresAt) - api.now()) : state;
    const place = part("word", button);
    if (place.textContent !== word) place.textContent = word;
  }
}

/** @param {Event} event */
function choose(event) {
  const id = closest(event, "[data-id]")?.dataset.id;
  if (!id || working) return;
  select(id);
  find(HTMLElement, "[aria-pressed=true]", others).focus();
}

/** Asks the service how the instances are doing. Without an answer, what is shown stays. */
async function refresh() {
  const open = held.list().filter(({ state }) => state !== "ended");
  refreshAtMs = Date.now() + (open.some(({ state }) => state === "ending") ? REFRESH_ENDING_MS : REFRESH_MS);
  await Promise.all(open.map(refreshOne));
}

/** @param {Entry} entry */
async function refreshOne({ instance, state }) {
  const { id, expiresAt } = instance;
  const { value, problem } = await api.status(instance);
  const entry = held.find(id);
  if (!entry || entry.state === "ended") return;
  if (value) {
    const isSame =
      value.state === state && value.expiresAt === expiresAt && value.lastRestart?.at === entry.lastRestart?.at;
    if (isSame && value.transfer.sentBytes === entry.transfer?.sentBytes) return;
    held.update(id, value);
  } else if (problem.status === 404) held.update(id, { state: "ended", endCause: "unknown" });
  else return;
  if (selectedId === id && !working) select(id);
  else showHeld();
}

function tick() {
  showKey();
  slip.tick();
  const over = held
    .list()
    .filter(({ instance, state }) => state === "running" && Date.parse(instance.expiresAt) <= api.now());
  for (const { instance } of over) held.update(instance.id, { state: "ending" });
  if (over.length > 0) {
    select(selectedId);
    // It may have been extended elsewhere: the service says so.
    refreshAtMs = 0;
  }
  showStates();
  showEnds();
  if (!document.hidden && Date.now() >= refreshAtMs) void refresh();
}

/** Tells of ends that are near or over: in the title, to screen readers, and by the strip with the way to extend. */
function showEnds() {
  const entries = held.list();
  const title = titleOf(entries, held.find(selectedId), api.now()) ?? "One click, one real Redis";
  document.title = `${title} · Get a Redis`;
  const news = leaseNews.look(entries, api.now());
  if (news !== "") say(news);
  showLast();
}

function showLast() {
  const strip = part("last");
  const soon = soonOver(held.list(), api.now());
  strip.hidden = !soon || soon.entry.instance.id === hiddenLastId;
  if (!soon) return;
  const gain = gainMs(soon.entry.instance);
  part("last-text").textContent = `${nameOf(soon.entry)} ends in ${timeLeft(soon.leftMs)}.`;
  part("last-extend").textContent = `Extend by ${roughly(gain)}`;
  part("last-extend").hidden = gain < LEAST_GAIN_MS;
}

/** Extends what is about to end, and shows it. */
async function extendLast() {
  const soon = soonOver(held.list(), api.now());
  if (!soon) return;
  select(soon.entry.instance.id);
  slip.focus();
  await act("extend");
}

async function showStats() {
  const { value } = await api.stats();
  if (!value) return;
  for (const place of findAll(HTMLElement, "[data-stat]"))
    place.textContent = value[place.dataset.stat === "running" ? "running" : "startedEver"].toLocaleString("en");
}

/**
 * Tells screen readers. The place is emptied first, because they read the same words only once.
 * @param {string} text
 */
function say(text) {
  const place = part("say");
  place.textContent = "";
  requestAnimationFrame(() => (place.textContent = text));
}
