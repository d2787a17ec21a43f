import { createApi } from "./api.js";
import { say } from "./ask.js";
import { createControls } from "./controls.js";
import { keep, make, part, tell } from "./dom.js";
import { createEvents } from "./events.js";
import { createFigures } from "./figures.js";
import { createFleetState } from "./fleet-state.js";
import { hostView } from "./host-view.js";
import { instanceView } from "./instance-view.js";
import { createInstances } from "./instances.js";
import { createPanel } from "./panel.js";
import { followFleet } from "./stream.js";
import { createTiles } from "./tiles.js";
import { roomOf, verdictOf } from "./verdict.js";
import { clock, dollars, lasting, quick } from "./words.js";

const TICK_MS = 1_000;
const RETRY_MS = 2_000;

const { body } = document;
const api = createApi(() => leave("Your session is over. Log in again."));
const fleet = createFleetState();
const open = (kind, name) => panel.open(kind, name);
const panel = createPanel({
  host: hostView(api, fleet, open),
  instance: instanceView({ api, now: fleet.now, open, onChanged: () => void instances.load(), findAll }),
});
const tiles = createTiles((name) => open("host", name));
const figures = createFigures(api);
const events = createEvents(api, fleet.now, open);
const instances = createInstances(api, fleet.now, open);
const controls = createControls(api, fleet.now);
let stream;
let ticking;
let heardAt;
let movement;

// Until here, nothing could have sent the token but the browser itself.
part("log-in").querySelector("button").disabled = false;
part("log-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  const { problem } = await api.logIn(new FormData(form).get("token"));
  button.disabled = false;
  part("log-in-problem").hidden = !problem;
  if (problem) {
    tell(part("log-in-problem"), `${problem.title}. ${problem.detail}`);
    form.elements.token.select();
    return;
  }
  form.reset();
  enter();
});

part("log-out").addEventListener("click", async () => {
  const { problem } = await api.logOut();
  if (problem) say(`You may still be logged in. ${problem.title}.`, problem);
  else leave("You are logged out.");
});

part("notes").addEventListener("click", (event) => {
  const { host } = event.target.closest("[data-host]")?.dataset ?? {};
  if (host) open("host", host);
});
figures.onShown(() => fleet.picture() && drawNumbers());

if (body.dataset.session === "open") enter();
else if (body.dataset.session === "unknown") void findOut();
else part("log-in").elements.token.focus();

/** All instances that an address has held. */
function findAll(address) {
  panel.close();
  instances.find(address);
  document.getElementById("instances").scrollIntoView();
}

/** MySQL did not answer when the page was made: asks until it is known whether the session is open. */
async function findOut() {
  const { problem } = await api.session();
  if (!problem) return enter();
  if (problem.status !== 401) return setTimeout(findOut, RETRY_MS);
  showLogIn("Your session is over. Log in again.");
}

/** Begins to watch: the session is open. */
function enter() {
  body.dataset.session = "open";
  stream = followFleet({ onNews, onState, isWelcome: async () => (await api.session()).problem?.status !== 401 });
  ticking = setInterval(tick, TICK_MS);
  void figures.start();
  void instances.anew();
  void controls.load();
  panel.show();
}

/** Forgets all there was to see. */
function leave(why) {
  if (body.dataset.session !== "open") return;
  body.dataset.news = "waiting";
  stream?.close();
  clearInterval(ticking);
  figures.stop();
  fleet.forget();
  events.forget();
  instances.forget();
  controls.forget();
  panel.close();
  for (const name of ["tiles", "notes", "numbers"]) keep(part(name), []);
  showLogIn(why);
}

function showLogIn(why) {
  body.dataset.session = "closed";
  tell(part("log-in-why"), why);
  part("log-in").elements.token.focus();
}

function onNews(kind, data) {
  if (kind === "silence") {
    body.dataset.news = "silent";
    return tick();
  }
  heardAt = Date.now();
  body.dataset.news = "live";
  if (kind === "events") events.take(data);
  else if (kind === "alarms") events.takeAlarms(data);
  else fleet.take(kind, data);
  // Also those of another browser.
  if (kind === "events" && data.some((event) => event.kind === "block" || event.kind === "unblock"))
    void controls.load();
  draw();
}

function onState(state) {
  if (state === "lost" && body.dataset.news !== "waiting") body.dataset.news = "lost";
  tick();
}

function draw() {
  const picture = fleet.picture();
  if (!picture) return;
  tiles.draw(picture, fleet.now());
  controls.draw(picture);
  drawVerdict(picture);
  drawNumbers();
  const moved = picture.hosts.map(({ slots }) => slots).join();
  if (movement !== undefined && moved !== movement) instances.follow();
  movement = moved;
  panel.refresh();
  tick();
}

/** What only the passing of time changes. */
function tick() {
  const { news } = body.dataset;
  tell(part("news-word"), { waiting: "Connecting", live: "Live", silent: "No news", lost: "Reconnecting" }[news]);
  const isStale = news === "lost" || news === "silent";
  for (const line of document.querySelectorAll("[data-stale]")) {
    line.hidden = !isStale;
    if (!isStale) continue;
    tell(
      part("stale-word", line),
      `${news === "silent" ? "MySQL does not answer" : "The connection is lost"}${heardAt ? `: this is how it was at ${clock(heardAt, Date.now())}` : ""}. Trying again.`,
    );
    tell(part("stale-age", line), heardAt ? `That was ${lasting(Date.now() - heardAt)} ago.` : "");
  }
  if (news === "live") instances.tick();
}

function drawVerdict(picture) {
  const { level, headline, notes } = verdictOf(picture, events.alarms(), fleet.now());
  document.querySelector(".verdict").dataset.level = level;
  document.title = `${level === "trouble" ? "(!) " : ""}Operations · Get a Redis`;
  tell(part("headline"), headline);
  keep(
    part("notes"),
    notes,
    ({ text }) => text,
    ({ level: noteLevel, text, host }) =>
      make(
        "li",
        { "data-level": noteLevel },
        host ? make("button", { class: "link", type: "button", "data-host": host }, text) : text,
      ),
  );
}

function drawNumbers() {
  const picture = fleet.picture();
  const latest = figures.latest();
  const sum = (values) => (values ?? []).reduce((total, value) => total + (value ?? 0), 0);
  const lastOf = (values) => values?.findLast((value) => value !== null);
  const refused =
    latest &&
    Object.entries(latest.handouts)
      .filter(([name]) => name !== "created")
      .reduce((total, [, values]) => total + sum(values), 0);
  const numbers = [
    [
      "Leases now",
      picture.running.toLocaleString("en"),
      `of ${picture.hosts.reduce((total, { capacity }) => total + capacity, 0).toLocaleString("en")} slots`,
    ],
    ["Room", roomOf(picture).toLocaleString("en"), "slots to hand out"],
    ["Handed out", latest ? sum(latest.handouts.created).toLocaleString("en") : "–", spanWord(latest)],
    [
      "Refused",
      latest ? refused.toLocaleString("en") : "–",
      latest ? `${sum(latest.handouts["quota-exceeded"]).toLocaleString("en")} by quota` : "",
    ],
    [
      "p95 to a PONG",
      latest ? quick(lastOf(latest.took.p95)) : "–",
      latest ? `p50 ${quick(lastOf(latest.took.p50))}` : "",
    ],
    [
      "Cost today (UTC)",
      latest ? dollars(latest.today.dollars) : "–",
      latest ? `${latest.today.dropletHours.toFixed(1)} droplet-hours` : "",
    ],
  ];
  keep(
    part("numbers"),
    numbers,
    ([name]) => name,
    ([name]) => make("div", {}, make("dt", {}, name), make("dd", {}, make("strong"), make("span"))),
    (element, [, value, more]) => {
      tell(element.querySelector("strong"), value);
      tell(element.querySelector("span"), more);
    },
  );
}

function spanWord(latest) {
  if (!latest) return "";
  return { 60: "in the last hour", 900: "in the last day", 7200: "in the last week" }[latest.stepSeconds];
}
