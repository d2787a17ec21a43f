import { act, ask } from "./ask.js";
import { make, tell } from "./dom.js";
import { eventLine } from "./events.js";
import { factList } from "./panel.js";
import { clock, lasting, quick } from "./words.js";

const REFRESH_MS = 3_000;
const HOUR_S = 3600;

/** One instance: facts, acts, and its life as a timeline. */
export function instanceView({ api, now, open, onChanged, findAll }) {
  return (id, box) => {
    const state = make("p", { class: "panel-state" }, "Loading");
    const acts = make("div", { class: "acts" });
    const facts = make("div");
    const timeline = make("ol", { class: "timeline" });
    const title = make("h2", { id: "panel-title", class: "mono", tabindex: "-1" }, id);
    box.append(title, state, acts, facts, make("h3", {}, "Timeline"), timeline);
    box.addEventListener("click", (event) => {
      const link = event.target.closest("[data-open]");
      if (link && link.dataset.name !== id) open(link.dataset.open, link.dataset.name);
      if (event.target.closest("[data-find]")) findAll(instance.address);
    });
    let instance;
    let events = [];
    let loadedAt = -Infinity;
    let drawnState;

    async function load() {
      loadedAt = performance.now();
      const [found, told] = await Promise.all([api.instance(id), api.events({ instance: id })]);
      if (found.problem) {
        tell(state, `${found.problem.title}. ${found.problem.status === 404 ? "It may have ended so long ago that it is forgotten." : found.problem.detail}`);
        return;
      }
      instance = found.value;
      events = told.value ?? events;
      draw();
    }

    function draw() {
      if (!instance) return;
      tell(state, stateOf(instance, now()));
      state.dataset.state = instance.state;
      facts.replaceChildren(factList(factsOf(instance)));
      if (drawnState !== instance.state) acts.replaceChildren(...actsOf(instance));
      drawnState = instance.state;
      timeline.replaceChildren(...momentsOf(instance, events, now()));
    }

    function actsOf({ state: current, address }) {
      const made = [];
      const button = (word, style, onClick) => {
        const element = make("button", { class: style, type: "button" }, word);
        element.addEventListener("click", async () => {
          await onClick(element);
          await load();
          onChanged();
        });
        made.push(element);
      };
      if (current === "running") button("Change its end", "quiet", changeEnd);
      if (current === "running" || current === "starting") button("End", "quiet danger-word", end);
      button("Block its holder", "quiet", (pressed) => block(address, pressed));
      return made;
    }

    async function changeEnd(pressed) {
      const most = Math.floor((Date.parse(instance.latestEnd) - now()) / 1000);
      const hours = await ask({ title: "When shall it end?", detail: `In ${lasting(most * 1000)} at the latest.`, act: "Set", field: { label: "Hours from now", value: (Math.min(most, 12 * HOUR_S) / HOUR_S).toFixed(1).replace(/\.0$/, ""), type: "text" } });
      if (hours === undefined) return;
      const seconds = Math.round(Number(hours.replace(",", ".")) * HOUR_S);
      await act(pressed, () => api.extend(id, Number.isFinite(seconds) ? Math.min(seconds, Math.max(seconds - 60, most)) : 0), `${id} ends in ${lasting(seconds * 1000)}.`);
    }

    async function end(pressed) {
      const sure = await ask({ title: `End ${id}?`, detail: `Its holder, ${instance.address}, loses it at once, with all that is in it.`, act: "End it" });
      if (sure) await act(pressed, () => api.end(id), (isLater) => (isLater ? `${id}: its lease is over; its container goes when its host answers.` : `${id} has ended.`));
    }

    async function block(address, pressed) {
      const reason = await ask({ title: `Block ${address}?`, detail: "It gets no more instances. Those it holds run on; end them one by one.", act: "Block it", field: { label: "Why, for the record", value: "" } });
      if (reason !== undefined) await act(pressed, () => api.block(address, reason), `${address} is blocked.`);
    }

    void load();
    return () => (performance.now() - loadedAt > REFRESH_MS ? void load() : draw());
  };
}

function stateOf({ state, expiresAt, endedAt, endCause }, nowMs) {
  if (state === "running") return `running, ends in ${lasting(Date.parse(expiresAt) - nowMs)}`;
  return endedAt === null ? state : `${state} ${lasting(nowMs - Date.parse(endedAt))} ago: ${endCause ?? "cause unknown"}`;
}

function factsOf({ hostName, host, port, address }) {
  return [
    ["Host", make("button", { class: "link", type: "button", "data-open": "host", "data-name": hostName }, hostName)],
    ["Address", `${host.includes(":") ? `[${host}]` : host}:${port}`],
    ["Holder", make("button", { class: "link mono", type: "button", "data-find": true, title: "All that it has held" }, address)],
  ];
}

/** What happened to it, the oldest first; what is still to come at the end. */
function momentsOf({ createdAt, handedOutAt, expiresAt, endedAt, endCause, state }, events, nowMs) {
  const moments = [
    { at: createdAt, word: "asked for" },
    ...(handedOutAt === null ? [] : [{ at: handedOutAt, word: `handed out after ${quick((Date.parse(handedOutAt) - Date.parse(createdAt)) / 1000)}` }]),
    ...events.map((event) => ({ at: event.at, event })),
    ...(endedAt === null ? [] : [{ at: endedAt, word: `gone: ${endCause ?? "cause unknown"}` }]),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const lines = moments.map(({ at, word, event }) => (event ? eventLine(event, nowMs) : make("li", { class: "event" }, make("time", { datetime: at }, clock(Date.parse(at), nowMs)), make("span", { class: "event-kind" }, "life"), make("p", {}, word))));
  if (state === "running") lines.push(make("li", { class: "event to-come" }, make("time", { datetime: expiresAt }, clock(Date.parse(expiresAt), nowMs)), make("span", { class: "event-kind" }, "life"), make("p", {}, "its lease ends")));
  return lines;
}
