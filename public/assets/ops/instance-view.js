/**
 * @import { OpsEvent, OpsInstance } from "../../api-types.ts"
 * @import { Open, OpsApi, View } from "../../ops-types.ts"
 * @import { Fact } from "./panel.js"
 */
import { closest, part } from "../elements.js";
import { act, ask, askFor, say } from "./ask.js";
import { askAndBlock } from "./block.js";
import { listIn, make, tell } from "./dom.js";
import { eventLine, tellMoment, updateEvent } from "./events.js";
import { hoursOf, readHours, refusedHours } from "./hours.js";
import { may, whyNot } from "./roles.js";
import { instanceStates } from "./states.js";
import { factsIn, followLinks, linkTo } from "./panel.js";
import { gigabytes } from "../transfer.js";
import { lasting, placeOf, quick } from "./words.js";

const REFRESH_MS = 3_000;
const HOUR_S = 3600;
/** What is offered first, in seconds. */
const OFFERED_S = 12 * HOUR_S;

/**
 * A line of the timeline: an event, or in words what is known of the lease.
 * @typedef {{ key: string | number, at: string } & (
 *   | { event: OpsEvent, word?: undefined }
 *   | { event?: undefined, word: string, isToCome?: boolean }
 * )} Moment
 */

/**
 * One instance: facts, actions, and its life as a timeline.
 * @param {object} parts
 * @param {OpsApi} parts.api
 * @param {() => number} parts.now
 * @param {Open} parts.open
 * @param {() => void} parts.onChanged
 * @param {(address: string) => void} parts.findAll
 * @returns {View}
 */
export function instanceView({ api, now, open, onChanged, findAll }) {
  return (id, box) => {
    const state = make("p", { class: "panel-state" }, "Loading");
    const acts = make("div", { class: "acts" });
    const facts = make("dl", { class: "facts" });
    const timeline = make("ol", { class: "timeline" });
    const title = make("h2", { id: "panel-title", class: "mono", tabindex: "-1" }, id);
    box.append(title, state, acts, facts, make("h3", {}, "Timeline"), timeline);
    followLinks(box, open, id);
    box.addEventListener("click", (event) => {
      const address = closest(event, "[data-find]")?.dataset.find;
      if (address) findAll(address);
    });
    const showFacts = factsIn(facts);
    const showMoments = listIn(
      timeline,
      ({ key }) => key,
      /** @param {Moment} moment */
      (moment) => momentLine(moment, now()),
    );
    /** @type {OpsInstance | undefined} */
    let instance;
    /** @type {readonly OpsEvent[]} */
    let events = [];
    let loadedAt = -Infinity;
    /** @type {string | undefined} */
    let drawnState;

    async function load() {
      loadedAt = performance.now();
      const [found, told] = await Promise.all([api.instance(id), api.events({ instance: id })]);
      if (found.problem) {
        const { title: problem, status, detail } = found.problem;
        tell(state, `${problem}. ${status === 404 ? "It may have ended too long ago to be kept." : detail}`);
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
      showFacts(factsOf(instance));
      if (drawnState !== instance.state) acts.replaceChildren(...actsOf(instance));
      drawnState = instance.state;
      showMoments(momentsOf(instance, events), (line, moment) => updateMoment(line, moment, now()));
    }

    /** @param {OpsInstance} shown */
    function actsOf({ state: current, address, latestEnd }) {
      /** @type {HTMLElement[]} */
      const made = [];
      if (!may("operator")) return [make("p", { class: "none" }, whyNot)];
      /**
       * @param {string} word
       * @param {string} style
       * @param {(pressed: HTMLButtonElement) => Promise<void>} onClick
       */
      function button(word, style, onClick) {
        const element = make("button", { class: style, type: "button" }, word);
        element.addEventListener("click", () => void onClick(element).then(load).then(onChanged));
        made.push(element);
      }
      if (current === "running") button("Change its end", "quiet", () => changeEnd(latestEnd));
      if (current === "running" || current === "starting")
        button("End", "quiet danger-word", (pressed) => end(address, pressed));
      if (address !== "") {
        button("Block its holder", "quiet", (pressed) => block(address, false, pressed));
        button("Block, and end all it holds", "quiet danger-word", (pressed) => block(address, true, pressed));
      }
      return made;
    }

    /** @param {string} latestEnd */
    async function changeEnd(latestEnd) {
      const most = Math.floor((Date.parse(latestEnd) - now()) / 1000);
      await askFor({
        title: "When should it end?",
        detail: `It can end in ${hoursOf(most)} hours (${lasting(most * 1000)}) at the latest.`,
        act: "Set",
        label: "Hours from now",
        value: hoursOf(Math.min(most, OFFERED_S)),
        inputMode: "decimal",
        submit: async (text) => {
          const { seconds, fault } = readHours(text, most);
          if (seconds === undefined) return fault;
          const { problem } = await api.extend(id, seconds);
          if (problem) return refusedHours(problem);
          say(`${id} ends in ${lasting(seconds * 1000)}.`);
          return undefined;
        },
      });
    }

    /**
     * @param {string} address
     * @param {HTMLButtonElement} pressed
     */
    async function end(address, pressed) {
      const isSure = await ask({
        title: `End ${id}?`,
        detail: `Its holder, ${address}, loses it at once, and its data is lost.`,
        act: "End it",
      });
      if (isSure)
        await act(
          pressed,
          () => api.end(id),
          `${id} has ended.`,
          `${id}: its lease has ended; its container is removed when its host answers.`,
        );
    }

    /**
     * @param {string} address
     * @param {boolean} isEnding
     * @param {HTMLButtonElement} pressed
     */
    async function block(address, isEnding, pressed) {
      const reason = await askFor({
        title: `Block ${address}?`,
        detail: "The reason is kept with the block. Next you see what this address holds, and confirm.",
        act: "Next",
        label: "Reason (optional)",
        value: "",
        isOptional: true,
      });
      if (reason !== undefined) await askAndBlock(api, { address, reason, endInstances: isEnding }, pressed);
    }

    void load();
    return () => {
      if (performance.now() - loadedAt > REFRESH_MS) void load();
      else draw();
    };
  };
}

/**
 * @param {OpsInstance} instance
 * @param {number} nowMs
 */
function stateOf({ state, expiresAt, endedAt, endCause }, nowMs) {
  const word = instanceStates[state]?.word ?? state;
  if (state === "running") return `running, ends in ${lasting(Date.parse(expiresAt) - nowMs)}`;
  return endedAt === null
    ? word
    : `${word} ${lasting(nowMs - Date.parse(endedAt))} ago: ${endCause ?? "cause unknown"}`;
}

/**
 * @param {OpsInstance} instance
 * @returns {Fact[]}
 */
function factsOf(instance) {
  const { hostName, address, engine, version, transfer } = instance;
  return [
    ["Host", linkTo("host", hostName)],
    ["Address", placeOf(instance)],
    ["Server", engine === null || version === null ? "unknown" : `${engine} ${version}`],
    ["Sent", sentOf(transfer)],
    [
      "Holder",
      !may("operator")
        ? "not shown to viewers"
        : make(
            "button",
            { class: "link mono", type: "button", "data-find": address, title: "All instances of this address" },
            address,
          ),
    ],
  ];
}

/** @param {OpsInstance["transfer"]} transfer */
function sentOf({ sentBytes, limitBytes, throttled }) {
  if (limitBytes === null) return gigabytes(sentBytes);
  return `${gigabytes(sentBytes)} of ${gigabytes(limitBytes)}${throttled ? ": it answers slowly" : ""}`;
}

/**
 * What happened to it, the oldest first; what is still to come at the end.
 * @param {OpsInstance} instance
 * @param {readonly OpsEvent[]} events
 */
function momentsOf({ createdAt, warmSince, handedOutAt, expiresAt, endedAt, endCause, state }, events) {
  /** @type {Moment[]} */
  const moments = [{ key: "asked", at: createdAt, word: "asked for" }];
  if (warmSince) moments.unshift({ key: "ready", at: warmSince, word: "ready for the next who asks" });
  if (handedOutAt !== null) {
    const took = quick((Date.parse(handedOutAt) - Date.parse(createdAt)) / 1000);
    moments.push({ key: "handed-out", at: handedOutAt, word: `handed out after ${took}` });
  }
  for (const event of events) moments.push({ key: event.id, at: event.lastAt, event });
  if (endedAt !== null) moments.push({ key: "gone", at: endedAt, word: `removed: ${endCause ?? "cause unknown"}` });
  moments.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  if (state === "running") moments.push({ key: "end", at: expiresAt, word: "its lease ends", isToCome: true });
  return moments;
}

/**
 * @param {Moment} moment
 * @param {number} nowMs
 */
function momentLine(moment, nowMs) {
  if (moment.event) return eventLine(moment.event, nowMs);
  return make(
    "li",
    { class: moment.isToCome ? "event to-come" : "event" },
    make("time", { "data-time": true }),
    make("span", { class: "event-kind" }, "lease"),
    make("p", { "data-word": true }),
  );
}

/**
 * @param {Element} line
 * @param {Moment} moment
 * @param {number} nowMs
 */
function updateMoment(line, { event, at, word }, nowMs) {
  if (event) {
    updateEvent(line, event, nowMs);
    return;
  }
  tellMoment(part("time", line), at, nowMs);
  tell(part("word", line), word);
}
