import { createApi } from "./api.js";
import { wireCopyButtons } from "./copy.js";
import { createHeld } from "./held.js";
import { createSlip } from "./slip.js";
import { timeLeft } from "./words.js";

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
const choice = document.querySelector("[data-choice]");
const slipRoot = document.querySelector("[data-slip]");

const { ttlSeconds, maxTtlSeconds } = document.getElementById("home").dataset;
const api = createApi();
const held = createHeld();
const slip = createSlip(slipRoot, api);
let selectedId = null;
let working = false;
let restUntilMs = 0;
let refreshAtMs = 0;

document.documentElement.classList.add("js");
wireCopyButtons(say);
form.addEventListener("submit", getInstance);
choice.addEventListener("click", choose);
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
  const label = (working && "Starting your Redis") || resting || (held.list().some(({ state }) => state !== "ended") ? "Get another Redis" : "Get a Redis");
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
  showChoice();
  showKey();
  if (!entry) return slip.blank();
  slip.show(entry);
  const gain = gainMs(entry.instance);
  slip.offerExtension(gain < LEAST_GAIN_MS ? null : gain);
}

/** By how much the lease can grow: the usual time, but not past the longest from its creation. */
function gainMs({ createdAt, expiresAt }) {
  return Math.min(ttlSeconds * SECOND, Date.parse(createdAt) + maxTtlSeconds * SECOND - MARGIN_MS - Date.parse(expiresAt));
}

function showChoice() {
  const entries = held.list();
  choice.hidden = entries.length < 2;
  choice.replaceChildren(...entries.map(({ instance, state }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `:${instance.port}${state === "ended" ? " ended" : ""}`;
    button.dataset.id = instance.id;
    button.setAttribute("aria-pressed", String(instance.id === selectedId));
    return button;
  }));
}

function choose(event) {
  const { id } = event.target.dataset;
  if (!id || working) return;
  select(id);
  choice.querySelector("[aria-pressed=true]")?.focus();
  refresh();
}

function act(event) {
  const name = event.target.closest("[data-act]")?.dataset.act;
  const deeds = { extend, end: askToEnd, "end-now": end, keep, clear };
  if (name) deeds[name](held.find(selectedId).instance);
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

/** Asks the service how the instance shown is doing. Without an answer, what is shown stays. */
async function refresh() {
  const entry = held.find(selectedId);
  if (!entry || entry.state === "ended") return;
  refreshAtMs = Date.now() + (entry.state === "ending" ? REFRESH_ENDING_MS : REFRESH_MS);
  const { id, expiresAt } = entry.instance;
  const { value, problem } = await api.status(entry.instance);
  const status = value ?? (problem.status === 404 ? { state: "ended", endCause: "unknown" } : null);
  if (!status || held.find(id)?.state === "ended") return;
  const changed = status.state !== entry.state || (status.expiresAt && status.expiresAt !== expiresAt);
  held.update(id, status);
  if (changed && selectedId === id && !working) select(id);
}

function tick() {
  showKey();
  const entry = held.find(selectedId);
  if (slip.tick() && entry.state === "running") {
    held.update(selectedId, { state: "ending" });
    select(selectedId);
    // Extended from elsewhere, perhaps: the service knows.
    refreshAtMs = 0;
  }
  if (document.visibilityState === "visible" && Date.now() >= refreshAtMs) refresh();
}

async function showStats() {
  const { value } = await api.stats();
  for (const place of document.querySelectorAll("[data-stat]")) if (value) place.textContent = value[place.dataset.stat].toLocaleString("en");
}

// Emptied in between, for the same words twice would be read out once.
function say(text) {
  const place = document.querySelector("[data-say]");
  place.textContent = "";
  requestAnimationFrame(() => (place.textContent = text));
}
