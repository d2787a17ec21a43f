import { act, ask } from "./ask.js";
import { keep, make, part, tell } from "./dom.js";
import { eventLine, tellMoment, updateEvent } from "./events.js";
import { drawFacts } from "./panel.js";
import { lasting, quick } from "./words.js";

const REFRESH_MS = 3_000;
const HOUR_S = 3600;

/** One instance: facts, acts, and its life as a timeline. */
export function instanceView({ api, now, open, onChanged, findAll }) {
  return (id, box) => {
    const state = make("p", { class: "panel-state" }, "Loading");
    const acts = make("div", { class: "acts" });
    const facts = make("dl", { class: "facts" });
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
        tell(
          state,
          `${found.problem.title}. ${found.problem.status === 404 ? "It may have ended so long ago that it is forgotten." : found.problem.detail}`,
        );
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
      drawFacts(facts, factsOf(instance));
      if (drawnState !== instance.state) acts.replaceChildren(...actsOf(instance));
      drawnState = instance.state;
      keep(
        timeline,
        momentsOf(instance, events),
        ({ key }) => key,
        (moment) => momentLine(moment, now()),
        (line, moment) => updateMoment(line, moment, now()),
      );
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
      const hours = await ask({
        title: "When shall it end?",
        detail: `In ${lasting(most * 1000)} at the latest.`,
        act: "Set",
        field: {
          label: "Hours from now",
          value: (Math.min(most, 12 * HOUR_S) / HOUR_S).toFixed(1).replace(/\.0$/, ""),
          type: "text",
        },
      });
      if (hours === undefined) return;
      const seconds = Math.round(Number(hours.replace(",", ".")) * HOUR_S);
      await act(
        pressed,
        () => api.extend(id, Number.isFinite(seconds) ? Math.min(seconds, Math.max(seconds - 60, most)) : 0),
        `${id} ends in ${lasting(seconds * 1000)}.`,
      );
    }

    async function end(pressed) {
      const sure = await ask({
        title: `End ${id}?`,
        detail: `Its holder, ${instance.address}, loses it at once, with all that is in it.`,
        act: "End it",
      });
      if (sure)
        await act(
          pressed,
          () => api.end(id),
          (isLater) =>
            isLater ? `${id}: its lease is over; its container goes when its host answers.` : `${id} has ended.`,
        );
    }

    async function block(address, pressed) {
      const reason = await ask({
        title: `Block ${address}?`,
        detail: "It gets no more instances. Those it holds run on; end them one by one.",
        act: "Block it",
        field: { label: "Why, for the record", value: "" },
      });
      if (reason !== undefined) await act(pressed, () => api.block(address, reason), `${address} is blocked.`);
    }

    void load();
    return () => (performance.now() - loadedAt > REFRESH_MS ? void load() : draw());
  };
}

function stateOf({ state, expiresAt, endedAt, endCause }, nowMs) {
  if (state === "running") return `running, ends in ${lasting(Date.parse(expiresAt) - nowMs)}`;
  return endedAt === null
    ? state
    : `${state} ${lasting(nowMs - Date.parse(endedAt))} ago: ${endCause ?? "cause unknown"}`;
}

function factsOf({ hostName, host, port, address }) {
  return [
    ["Host", make("button", { class: "link", type: "button", "data-open": "host", "data-name": hostName }, hostName)],
    ["Address", `${host.includes(":") ? `[${host}]` : host}:${port}`],
    [
      "Holder",
      make("button", { class: "link mono", type: "button", "data-find": true, title: "All that it has held" }, address),
    ],
  ];
}

/** What happened to it, the oldest first; what is still to come at the end. */
function momentsOf({ createdAt, handedOutAt, expiresAt, endedAt, endCause, state }, events) {
  const moments = [
    { key: "asked", at: createdAt, word: "asked for" },
    ...(handedOutAt === null
      ? []
      : [
          {
            key: "handed-out",
            at: handedOutAt,
            word: `handed out after ${quick((Date.parse(handedOutAt) - Date.parse(createdAt)) / 1000)}`,
          },
        ]),
    ...events.map((event) => ({ key: event.id, at: event.at, event })),
    ...(endedAt === null ? [] : [{ key: "gone", at: endedAt, word: `gone: ${endCause ?? "cause unknown"}` }]),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return state === "running"
    ? [...moments, { key: "end", at: expiresAt, word: "its lease ends", isToCome: true }]
    : moments;
}

function momentLine({ event, isToCome }, nowMs) {
  if (event) return eventLine(event, nowMs);
  return make(
    "li",
    { class: isToCome ? "event to-come" : "event" },
    make("time", { "data-time": true }),
    make("span", { class: "event-kind" }, "life"),
    make("p", { "data-word": true }),
  );
}

function updateMoment(line, { event, at, word }, nowMs) {
  if (event) return updateEvent(line, event, nowMs);
  tellMoment(part("time", line), at, nowMs);
  tell(part("word", line), word);
}
