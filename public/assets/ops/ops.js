/**
 * @import { FleetOverview, OpsFigures, OpsSession, StreamNews, Values } from "../../api-types.ts"
 * @import { CallProblem, Note, Open } from "../../ops-types.ts"
 */
import { closest, find, findAll, part } from "../elements.js";
import { createApi } from "./api.js";
import { say } from "./ask.js";
import { createControls } from "./controls.js";
import { listIn, make, mark, tell } from "./dom.js";
import { createEdge } from "./edge.js";
import { createEvents } from "./events.js";
import { beginningsOf, createFigures } from "./figures.js";
import { createFleetState } from "./fleet-state.js";
import { keepFocus } from "./focus.js";
import { hostView } from "./host-view.js";
import { instanceView } from "./instance-view.js";
import { createInstances } from "./instances.js";
import { createNotifications } from "./notifications.js";
import { createOperators } from "./operators.js";
import { createPanel } from "./panel.js";
import { followFleet } from "./stream.js";
import { verdictStates } from "./states.js";
import { createTiles, memory, readyIn } from "./tiles.js";
import { roomOf, unknownVerdict, verdictOf } from "./verdict.js";
import { clock, counted, dollars, hourAndMinute, lasting, quick } from "./words.js";

const TICK_MS = 1_000;
const RETRY_MS = 2_000;
/** @type {Readonly<Record<string, string>>} */
const newsWords = { waiting: "Connecting", live: "Live", silent: "No data", lost: "Reconnecting" };
/** @type {Readonly<Record<string, string>>} */
const titleSigns = { trouble: "(!) ", unknown: "(?) " };
/** @type {Readonly<Record<number, string>>} */
const spanWords = { 60: "in the last hour", 900: "in the last day", 7200: "in the last week" };

const { body } = document;
const logInForm = find(HTMLFormElement, "[data-log-in]");
const logInButton = find(HTMLButtonElement, "button", logInForm);
const logInProblem = part("log-in-problem");
const tokenInput = find(HTMLInputElement, "#token");

/** @type {Open} */
const open = (kind, name) => panel.open(kind, name);
const api = createApi((why) => leave(overWords(why)));
const fleet = createFleetState();
const panel = createPanel({
  host: hostView(api, fleet, open),
  instance: instanceView({ api, now: fleet.now, open, onChanged: () => void instances.load(), findAll: showAllOf }),
});
const tiles = createTiles((name) => open("host", name));
const edge = createEdge(open);
const figures = createFigures(api);
const events = createEvents(api, fleet.now, open);
const instances = createInstances(api, fleet.now, open);
const controls = createControls(api, fleet.now);
const notifications = createNotifications(api);
const operators = createOperators(api, fleet.now);
const showNotes = listIn(part("notes"), ({ text }) => text, noteLine);
const showNumbers = listIn(part("numbers"), ([name]) => name, numberLine);
/** @type {ReturnType<typeof followFleet> | undefined} */
let stream;
/** @type {ReturnType<typeof setInterval> | undefined} */
let ticking;
/** @type {number | undefined} */
let heardAt;
/** @type {string | undefined} */
let slotsDrawn;

keepFocus();

// Before its script runs, the form would send the token by the browser alone, so the button waits for it.
logInButton.disabled = false;
logInForm.addEventListener("submit", (event) => {
  event.preventDefault();
  void logIn();
});

part("log-out").addEventListener("click", () => void logOut());

part("notes").addEventListener("click", (event) => {
  const host = closest(event, "[data-host]")?.dataset.host;
  if (host) open("host", host);
});
figures.onShown(() => {
  const overview = fleet.overview();
  if (overview) drawNumbers(overview);
});

if (body.dataset.session === "open") enter();
else if (body.dataset.session === "unknown") void findOut();
else tokenInput.focus();

async function logIn() {
  logInButton.disabled = true;
  const { value, problem } = await api.logIn(tokenInput.value);
  logInButton.disabled = false;
  logInProblem.hidden = !problem;
  if (problem) {
    tell(logInProblem, `${problem.title}. ${problem.detail}`);
    tokenInput.select();
    return;
  }
  logInForm.reset();
  enter(value);
  // The form that had the focus is gone.
  part("headline").focus({ preventScroll: true });
}

async function logOut() {
  const { problem } = await api.logOut();
  if (problem) say(`You may still be logged in. ${problem.title}.`, problem);
  else leave("You are logged out.");
}

/**
 * Shows all instances that an address has held.
 * @param {string} address
 */
function showAllOf(address) {
  panel.close();
  instances.find(address);
  find(HTMLElement, "#instances").scrollIntoView();
}

/** MySQL did not answer when the page was made: asks until it is known whether the session is open. */
async function findOut() {
  const { value, problem } = await api.session();
  if (!problem) enter(value);
  else if (problem.status === 401) showLogIn(overWords(problem));
  else setTimeout(() => void findOut(), RETRY_MS);
}

/** @param {CallProblem} problem */
function overWords({ type, detail }) {
  return type?.endsWith(":token-expired") ? detail : "Your session is over. Log in again.";
}

/**
 * Begins to follow the fleet: the session is open.
 * @param {OpsSession | null} [who]  Undefined where the page itself says it; null from older services.
 */
function enter(who) {
  body.dataset.session = "open";
  if (who !== undefined) {
    body.dataset.role = who?.role ?? "admin";
    body.dataset.operator = who?.name ?? "admin";
  }
  const { operator = "", role = "" } = body.dataset;
  tell(part("who"), operator === role ? operator : `${operator}, ${role}`);
  void operators.load();
  stream = followFleet({ onNews, onState, isWelcome: async () => (await api.session()).problem?.status !== 401 });
  ticking = setInterval(tick, TICK_MS);
  void figures.start();
  void instances.loadFirstPage();
  void controls.load();
  void notifications.load();
  panel.show();
}

/**
 * Removes everything that only an operator may see.
 * @param {string} why
 */
function leave(why) {
  if (body.dataset.session !== "open") return;
  body.dataset.news = "waiting";
  stream?.close();
  clearInterval(ticking);
  figures.stop();
  fleet.forget();
  tiles.forget();
  edge.forget();
  events.forget();
  instances.forget();
  controls.forget();
  notifications.forget();
  operators.forget();
  panel.close();
  delete body.dataset.role;
  delete body.dataset.operator;
  tell(part("who"), "");
  showNotes([]);
  showNumbers([]);
  showLogIn(why);
}

/** @param {string} why */
function showLogIn(why) {
  body.dataset.session = "closed";
  tell(part("log-in-why"), why);
  tokenInput.focus();
}

/** @param {StreamNews} news */
function onNews(news) {
  if (news.kind === "silence") {
    body.dataset.news = "silent";
    lose();
    return;
  }
  heardAt = Date.now();
  body.dataset.news = "live";
  if (news.kind === "events") {
    events.take(news.data);
    // The address may have been blocked in another browser.
    if (news.data.some(({ kind }) => kind === "block" || kind === "unblock")) void controls.load();
    if (news.data.some(({ kind }) => kind === "notify-failed")) void notifications.load();
    if (news.data.some(({ kind }) => kind.endsWith("-operator"))) void operators.load();
  } else if (news.kind === "alarms") events.takeAlarms(news.data);
  else fleet.take(news);
  draw();
}

/** @param {"live" | "lost"} state */
function onState(state) {
  if (state === "lost" && body.dataset.news !== "waiting") {
    body.dataset.news = "lost";
    lose();
  } else tick();
}

/** What the page shows is of then, from now on, and says so. */
function lose() {
  fleet.lose();
  draw();
  tick();
}

function draw() {
  const overview = fleet.overview();
  if (!overview) return;
  figures.setFleet(overview.rules.isFleet);
  tiles.draw(overview, fleet.now(), fleet.unknownSince());
  edge.draw(overview, fleet.unknownSince());
  controls.draw(overview);
  drawVerdict(overview);
  drawNumbers(overview);
  const slots = overview.hosts.map((host) => host.slots).join();
  if (slotsDrawn !== undefined && slots !== slotsDrawn) instances.follow();
  slotsDrawn = slots;
  panel.refresh();
  tick();
}

/** Draws what changes by time alone. */
function tick() {
  const { news = "waiting" } = body.dataset;
  tell(part("news-word"), newsWords[news] ?? news);
  const isStale = news === "lost" || news === "silent";
  for (const line of findAll(HTMLElement, "[data-stale]")) {
    line.hidden = !isStale;
    if (!isStale) continue;
    const why = whyStale(news);
    const since = heardAt ? ` This page shows the state at ${clock(heardAt, Date.now())}.` : "";
    tell(part("stale-word", line), `${why}${since} Trying again.`);
    tell(part("stale-age", line), heardAt ? `That was ${lasting(Date.now() - heardAt)} ago.` : "");
  }
  if (news === "live") instances.tick();
}

/** @param {FleetOverview} overview */
function drawVerdict(overview) {
  const since = fleet.unknownSince();
  const known = verdictOf(overview, events.alarms(), fleet.now());
  const { level, headline, notes } =
    since === undefined ? known : unknownVerdict(since, Date.now(), whyStale(body.dataset.news), known.headline);
  find(HTMLElement, ".verdict").dataset.level = level;
  document.title = `${titleSigns[level] ?? ""}Operations · Get a Redis`;
  tell(part("headline"), headline);
  mark(part("headline"), "data-sign", verdictStates[level]?.sign ?? "");
  showNotes(notes);
}

/** @param {string | undefined} news */
function whyStale(news) {
  return news === "silent" ? "MySQL does not answer." : "The connection is lost.";
}

/** @param {Note} note */
function noteLine({ level, text, host }) {
  return make(
    "li",
    { "data-level": level },
    host ? make("button", { class: "link", type: "button", "data-host": host }, text) : text,
  );
}

/** @typedef {[name: string, value: string, more: string]} Figure */

/** @param {FleetOverview} overview */
function drawNumbers(overview) {
  const capacity = overview.hosts.reduce((total, host) => total + host.capacity, 0);
  const since = fleet.unknownSince();
  const when = since === undefined ? "now" : `at ${hourAndMinute(since, Date.now())}`;
  const ready = readyIn(overview.hosts);
  /** @type {Figure[]} */
  const now = [
    ["Leases", overview.running.toLocaleString("en"), `of ${counted(capacity, "slot")}, ${when}`],
    [
      "Free slots",
      roomOf(overview).toLocaleString("en"),
      `${ready > 0 ? `${ready} ready` : "for new instances"}, ${when}`,
    ],
  ];
  const last = overview.rules.isFleet ? costToday(figures.latest()) : freeMemory(overview);
  showNumbers([...now, ...overTime(figures.latest()), last], (line, [, value, more]) => {
    tell(find(HTMLElement, "strong", line), value);
    tell(find(HTMLElement, "span", line), more);
  });
}

/**
 * @param {OpsFigures | undefined} latest
 * @returns {Figure[]}
 */
function overTime(latest) {
  if (!latest)
    return [
      ["Handed out", "–", ""],
      ["Refused", "–", ""],
      ["Startup time (p95)", "–", ""],
    ];
  const { handouts, took, stepSeconds } = latest;
  const all = Object.values(handouts).reduce((total, values) => total + sum(values), 0);
  const created = sum(handouts.created);
  const { warm: ready, cold } = beginningsOf(latest);
  const known = sum(ready) + sum(cold);
  const share = known === 0 ? "" : `, ${Math.round((100 * sum(ready)) / known)}% ready`;
  return [
    ["Handed out", created.toLocaleString("en"), `${spanWords[stepSeconds] ?? ""}${share}`],
    [
      "Refused",
      (all - created).toLocaleString("en"),
      `${sum(handouts["quota-exceeded"]).toLocaleString("en")} over quota`,
    ],
    [
      "Startup time (p95)",
      quick(lastOf(took.p95)),
      lastOf(took.p50) === undefined ? "" : `half within ${quick(lastOf(took.p50))}`,
    ],
  ];
}

/**
 * @param {OpsFigures | undefined} latest
 * @returns {Figure}
 */
function costToday(latest) {
  if (!latest) return ["Cost today (UTC)", "–", ""];
  const { dollars: amount, dropletHours } = latest.today;
  return ["Cost today (UTC)", dollars(amount), `${dropletHours.toFixed(1)} droplet-hours`];
}

/**
 * What a service without droplets shows in the place of their cost.
 * @param {FleetOverview} overview
 * @returns {Figure}
 */
function freeMemory({ hosts }) {
  const told = hosts.flatMap(({ memAvailableMb }) => (memAvailableMb === null ? [] : [memAvailableMb]));
  const most = told.reduce((total, megabytes) => total + megabytes, 0);
  return ["Free memory", told.length === 0 ? "–" : memory(most), `on ${counted(hosts.length, "host")}`];
}

/** @param {Figure} figure */
function numberLine([name]) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, make("strong"), make("span")));
}

/** @param {Values} [values] */
function sum(values = []) {
  return values.reduce((/** @type {number} */ total, value) => total + (value ?? 0), 0);
}

/** @param {Values} values */
function lastOf(values) {
  return values.findLast((value) => value !== null);
}
