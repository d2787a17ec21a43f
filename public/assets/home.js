import { createApi } from "./api.js";
import { wireCopyButtons } from "./copy.js";
import { createHeld } from "./held.js";
import { createSlip } from "./slip.js";
import { timeLeft, timeShort } from "./words.js";

const SECOND = 1000;
/** The status that tells that an idempotency key is spoilt. */
const CONFLICT = 409;
/** How often a visible page asks whether what it shows is still so, and how often when an end is near. */
const REFRESH_MS = 60 * SECOND;
const REFRESH_ENDING_MS = 3 * SECOND;
/** An extension by less than this is not worth a button. */
const LEAST_GAIN_MS = 60 * SECOND;
/** Kept clear of the longest lease allowed, for the request itself takes time. */
const MARGIN_MS = 5 * SECOND;

const form = document.getElementById("get");
const key = form.querySelector("button");
const keyLabel = key.firstElementChild;
const problemBox = document.querySelector("[data-problem]");
const others = document.querySelector("[data-held]");
const slipRoot = document.querySelector("[data-slip]");

const { ttlSeconds, maxTtlSeconds } = document.getElementById("home").dataset;
const api = createApi();
const held = createHeld(showWhatChanged);
const slip = createSlip(slipRoot, api, held.isKept);
let selectedId = null;
let working = false;
let restUntilMs = 0;
let refreshAtMs = 0;
/** A promise of the workbench below the slip, from when it is first needed. */
let bench = null;

document.documentElement.classList.add("js");
wireCopyButtons(say);
form.addEventListener("submit", getInstance);
others.addEventListener("click", choose);
slipRoot.addEventListener("click", act);
slipRoot.addEventListener("keydown", (event) => event.key === "Escape" && keep());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
setInterval(tick, SECOND);
takeOverAnswer();
select(held.list().at(-1)?.instance.id);
refresh();

/** A form posted before this script ran (or without it, once) has its answer in the page: keep that too. */
function takeOverAnswer() {
  if (slipRoot.dataset.instance) held.add(JSON.parse(slipRoot.dataset.instance));
  // The address becomes that of the page again, so that a reload does not post once more.
  if (location.pathname === "/instances") history.replaceState(null, "", "/");
}

async function getInstance(event) {
  event.preventDefault();
  if (working || restUntilMs > Date.now()) return;
  working = true;
  problemBox.hidden = true;
  slip.working();
  showKey();
  say("Starting your Redis.");
  const { value, problem } = await api.create(held.pendingKey());
  working = false;
  // After any other refusal the hand-out of a lost answer may still be there: the next press asks for the same.
  if (value || problem.status === CONFLICT) held.settle();
  if (problem) {
    restUntilMs = Date.now() + problem.retryAfterSeconds * SECOND;
    select(selectedId);
    return showProblem(problem);
  }
  held.add(value);
  select(value.id);
  slip.focus();
  say(`Your Redis is ready at ${value.host}, port ${value.port}.`);
  showStats();
}

/** The key is down while a Redis starts, and for as long as the service asked to be left alone. */
function showKey() {
  const restMs = restUntilMs - Date.now();
  const resting = restMs > 0 && `Again in ${timeLeft(restMs)}`;
  const label =
    (working && "Starting your Redis") ||
    resting ||
    (held.list().some(({ state }) => state !== "ended") ? "Get another Redis" : "Get a Redis");
  if (keyLabel.textContent !== label) keyLabel.textContent = label;
  key.setAttribute("aria-disabled", String(working || Boolean(resting)));
  key.setAttribute("aria-busy", String(working));
}

function showProblem({ title, detail }) {
  problemBox.children[0].textContent = title;
  problemBox.children[1].textContent = detail;
  problemBox.hidden = false;
}

/** Shows one of the instances held, or the blank slip when there is none by that id. */
function select(id) {
  const entry = held.find(id);
  selectedId = entry ? id : null;
  showHeld();
  showKey();
  workOn(entry?.state === "running" ? entry.instance : null);
  if (!entry) return slip.blank();
  slip.show(entry);
  const gain = gainMs(entry.instance);
  slip.offerExtension(gain < LEAST_GAIN_MS ? null : gain);
}

/** Another tab got, extended or ended one. */
function showWhatChanged() {
  if (!working) select(held.find(selectedId) ? selectedId : held.list().at(-1)?.instance.id);
}

/** Console and figures of a running instance; calls take effect in their order, also while it loads. */
async function workOn(instance) {
  if (!instance && !bench) return;
  bench ??= import("./bench.js").then(({ createBench }) =>
    createBench(document.querySelector("[data-bench]"), api, refresh),
  );
  try {
    (await bench).use(instance);
  } catch {
    // The service was away just then: the next instance shown asks for it again.
    bench = null;
  }
}

/** By how much the lease can grow: the usual time, but not past the longest from its creation. */
function gainMs({ createdAt, expiresAt }) {
  return Math.min(
    ttlSeconds * SECOND,
    Date.parse(createdAt) + maxTtlSeconds * SECOND - MARGIN_MS - Date.parse(expiresAt),
  );
}

/** The list of all instances held, where there are several. */
function showHeld() {
  const entries = held.list();
  others.hidden = entries.length < 2;
  const focused = others.contains(document.activeElement) && document.activeElement.dataset.id;
  others.querySelector("ul").replaceChildren(
    ...entries.map(({ instance }) => {
      const row = others.querySelector("template").content.cloneNode(true).firstElementChild;
      const button = row.querySelector("button");
      button.dataset.id = instance.id;
      button.setAttribute("aria-pressed", String(instance.id === selectedId));
      row.querySelector("[data-host]").textContent = instance.host;
      row.querySelector("[data-port]").textContent = `:${instance.port}`;
      return row;
    }),
  );
  showStates();
  if (focused) others.querySelector(`[data-id="${focused}"]`)?.focus();
}

function showStates() {
  for (const button of others.querySelectorAll("[data-id]")) {
    const entry = held.find(button.dataset.id);
    // Another tab may have let go of it.
    if (!entry) continue;
    const { instance, state } = entry;
    button.dataset.state = state;
    const word = state === "running" ? timeShort(Date.parse(instance.expiresAt) - api.now()) : state;
    const place = button.querySelector("[data-word]");
    if (place.textContent !== word) place.textContent = word;
  }
}

function choose(event) {
  const id = event.target.closest("[data-id]")?.dataset.id;
  if (!id || working) return;
  select(id);
  others.querySelector("[aria-pressed=true]").focus();
}

function act(event) {
  const name = event.target.closest("[data-act]")?.dataset.act;
  const deeds = { extend, end: askToEnd, "end-now": end, keep, clear };
  const entry = held.find(selectedId);
  if (name && entry) deeds[name](entry.instance);
}

function askToEnd() {
  slip.actions("sure");
  // On the harmless answer, so that pressing Enter twice ends nothing.
  slip.act("keep").focus();
}

function keep() {
  if (slip.act("keep").closest("[hidden]")) return;
  slip.actions("acts");
  slip.act("end").focus();
}

async function extend(instance) {
  const ttlMs = Date.parse(instance.expiresAt) + gainMs(instance) - api.now();
  const { value, problem } = await api.extend(instance, Math.floor(ttlMs / SECOND));
  if (problem) return showRefusal(instance, problem);
  held.update(instance.id, value);
  if (selectedId === instance.id) select(instance.id);
  if (slip.act("extend").hidden) slip.focus();
  say("Extended.");
}

async function end(instance) {
  // It may have been about having too many.
  problemBox.hidden = true;
  slip.actions(null);
  slip.setState("ending");
  slip.focus();
  const { problem } = await api.end(instance);
  if (problem && problem.status !== 404) return showRefusal(instance, problem);
  // Its host may be out of reach: then it is still ending, and the service knows.
  const { value } = await api.status(instance);
  held.update(instance.id, value ?? { state: "ended", endedAt: new Date(api.now()).toISOString(), endCause: "owner" });
  if (selectedId === instance.id) select(instance.id);
  say("Ended.");
  showStats();
}

async function showRefusal(instance, { title, detail }) {
  await refresh();
  if (selectedId !== instance.id) return;
  select(instance.id);
  slip.note(`${title}. ${detail}`, true);
  say(`${title}. ${detail}`);
}

function clear(instance) {
  held.remove(instance.id);
  select(held.list().at(-1)?.instance.id);
  key.focus();
}

/** Asks the service how the instances are doing. Without an answer, what is shown stays. */
async function refresh() {
  const open = held.list().filter(({ state }) => state !== "ended");
  refreshAtMs = Date.now() + (open.some(({ state }) => state === "ending") ? REFRESH_ENDING_MS : REFRESH_MS);
  await Promise.all(open.map(refreshOne));
}

async function refreshOne({ instance, state }) {
  const { id, expiresAt } = instance;
  const { value, problem } = await api.status(instance);
  const status = value ?? (problem.status === 404 ? { state: "ended", endCause: "unknown" } : null);
  const entry = held.find(id);
  if (!status || !entry || entry.state === "ended") return;
  const changed = status.state !== state || (status.expiresAt && status.expiresAt !== expiresAt);
  if (!changed) return;
  held.update(id, status);
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
    // Extended from elsewhere, perhaps: the service knows.
    refreshAtMs = 0;
  }
  showStates();
  if (document.visibilityState === "visible" && Date.now() >= refreshAtMs) refresh();
}

async function showStats() {
  const { value } = await api.stats();
  for (const place of document.querySelectorAll("[data-stat]"))
    if (value) place.textContent = value[place.dataset.stat].toLocaleString("en");
}

// Emptied in between, for the same words twice would be read out once.
function say(text) {
  const place = document.querySelector("[data-say]");
  place.textContent = "";
  requestAnimationFrame(() => (place.textContent = text));
}
