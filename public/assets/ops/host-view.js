/**
 * @import { HostOverview, OpsEvent, OpsInstance } from "../../api-types.ts"
 * @import { Open, OpsApi, View } from "../../ops-types.ts"
 * @import { createFleetState } from "./fleet-state.js"
 * @import { Fact } from "./panel.js"
 */
import { find } from "../elements.js";
import { act, ask } from "./ask.js";
import { listIn, make, tell } from "./dom.js";
import { eventLine, updateEvent } from "./events.js";
import { factsIn, followLinks, linkTo } from "./panel.js";
import { costSoFar, memory } from "./tiles.js";
import { may, whyNot } from "./roles.js";
import { hostState } from "./states.js";
import { counted, dollars, hourAndMinute, lasting } from "./words.js";

const MOST_EVENTS = 50;

/** @typedef {ReturnType<typeof createFleetState>} FleetState */

/**
 * One host: facts, actions, its instances and what happened to it.
 * @param {OpsApi} api
 * @param {FleetState} fleet
 * @param {Open} open
 * @returns {View}
 */
export function hostView(api, fleet, open) {
  return (name, box) => {
    const state = make("p", { class: "panel-state" });
    const facts = make("dl", { class: "facts" });
    const acts = make("div", { class: "acts" });
    const instances = make("ul", { class: "short" });
    const noInstance = make("p", { class: "none", hidden: true }, "None.");
    const events = make("ol", { class: "events" });
    const noEvent = make("p", { class: "none", hidden: true }, "None.");
    const title = make("h2", { id: "panel-title", tabindex: "-1" }, name);
    box.append(
      title,
      state,
      acts,
      facts,
      make("h3", {}, "Instances"),
      instances,
      noInstance,
      make("h3", {}, "Events"),
      events,
      noEvent,
    );
    followLinks(box, open, name);
    const showFacts = factsIn(facts);
    const showInstances = listIn(instances, ({ id }) => id, instanceLine);
    const showEvents = listIn(
      events,
      ({ id }) => id,
      /** @param {OpsEvent} event */
      (event) => eventLine(event, fleet.now()),
    );
    /** @type {string | undefined} */
    let loaded;

    /** @param {string} shape */
    async function load(shape) {
      loaded = shape;
      const [found, told] = await Promise.all([
        api.instances({ host: name, state: "open", most: 100 }),
        api.events({ host: name }),
      ]);
      if (shape !== loaded) return;
      // The next news of the host load it again.
      if (found.problem || told.problem) loaded = undefined;
      if (found.value) {
        showInstances(found.value, (line, each) => {
          const left = lasting(Date.parse(each.expiresAt) - fleet.now());
          tell(find(HTMLElement, "span", line), `${each.state}, ends in ${left}`);
        });
        noInstance.hidden = found.value.length > 0;
      }
      if (told.value) {
        showEvents(told.value.slice(0, MOST_EVENTS), (line, event) => updateEvent(line, event, fleet.now()));
        noEvent.hidden = told.value.length > 0;
      }
    }

    /** @type {string | undefined} */
    let drawnActs;
    function refresh() {
      const host = fleet.host(name);
      const since = fleet.unknownSince();
      const words = host ? stateOf(host) : "This host no longer exists.";
      tell(
        state,
        since === undefined ? words : `Unknown since ${hourAndMinute(since, Date.now())}. Last known state: ${words}`,
      );
      state.dataset.level = host ? "" : "trouble";
      // Ages would go on by the page's clock alone.
      if (since === undefined) showFacts(host ? factsOf(host, fleet.now()) : []);
      const wanted = host
        ? [host.state, host.standing, host.inUse, host.destroyRequest, host.droplet !== null].join(" ")
        : "";
      // Buttons are replaced only when others are needed: a button must not vanish while it is pressed.
      if (wanted !== drawnActs) acts.replaceChildren(...(host ? actsOf(api, fleet, host) : []));
      drawnActs = wanted;
      const shape = host ? `${host.slots} ${host.state} ${host.standing}` : "gone";
      if (shape !== loaded) void load(shape);
    }

    refresh();
    return refresh;
  };
}

/** @param {OpsInstance} instance */
function instanceLine({ id, state }) {
  return make("li", {}, linkTo("instance", id, "link mono"), make("span", {}, state));
}

/** @param {HostOverview} host */
function stateOf({ standing, state, isStandby, destroyRequest, heartbeatRefused }) {
  if (destroyRequest !== null)
    return `To be destroyed by the next scaling run${destroyRequest === "lost" ? ", with its leases" : ""}.`;
  const refused = heartbeatRefused === null ? "" : `: ${heartbeatRefused}`;
  const cordoned = state === "cordoned" && standing !== "cordoned" ? ", cordoned" : "";
  return `${hostState(standing).word}${refused}${isStandby ? ", a standby" : ""}${cordoned}`;
}

/**
 * @param {HostOverview} host
 * @param {number} nowMs
 * @returns {Fact[]}
 */
function factsOf(host, nowMs) {
  const { droplet } = host;
  return [
    [
      "Slots",
      host.capacity === 0
        ? "none yet"
        : `${host.inUse} in use, ${host.ready} ready for the next, ${host.capacity - host.occupied} free, ` +
          `of ${host.capacity}`,
    ],
    ["Address", host.address ?? "–"],
    ["Up for", lasting(nowMs - Date.parse(host.since))],
    ["Heartbeat", host.heartbeatAt === null ? "none" : `${lasting(nowMs - Date.parse(host.heartbeatAt))} ago`],
    ["Containers", host.containers === null ? "unknown" : String(host.containers)],
    ["Free memory", host.memAvailableMb === null ? "unknown" : memory(host.memAvailableMb)],
    ...(droplet ? dropletFacts(droplet, nowMs) : []),
  ];
}

/**
 * @param {NonNullable<HostOverview["droplet"]>} droplet
 * @param {number} nowMs
 * @returns {Fact[]}
 */
function dropletFacts(droplet, nowMs) {
  const { id, size, region, hourlyPrice, orderedAt, joinedAt } = droplet;
  return [
    ["Droplet", id === null ? "not yet known" : String(id)],
    ["Size", `${size}, ${region}`],
    [
      "Cost so far",
      hourlyPrice === null ? "unknown" : `${dollars(costSoFar(droplet, nowMs))} at ${dollars(hourlyPrice)} an hour`,
    ],
    ["Booted in", joinedAt === null ? "not yet" : lasting(Date.parse(joinedAt) - Date.parse(orderedAt))],
  ];
}

/**
 * @param {OpsApi} api
 * @param {FleetState} fleet
 * @param {HostOverview} host
 */
function actsOf(api, fleet, { name, state, standing, destroyRequest, droplet }) {
  /** @type {HTMLElement[]} */
  const made = [];
  if (!may("operator")) return [make("p", { class: "none" }, whyNot)];
  /**
   * @param {string} word
   * @param {string} style
   * @param {(pressed: HTMLButtonElement) => Promise<unknown>} onClick
   */
  function button(word, style, onClick) {
    const element = make("button", { class: style, type: "button" }, word);
    element.addEventListener("click", () => void onClick(element));
    made.push(element);
  }
  if (standing === "destroying" || destroyRequest === "lost") return made;
  const isHost = ["active", "cordoned", "draining"].includes(state);
  if (isHost && state === "active")
    button("Cordon", "quiet", (pressed) =>
      act(pressed, () => api.setHostState(name, "cordoned"), `${name} is cordoned: it takes no instances for now.`),
    );
  if (isHost && state !== "active" && destroyRequest === null)
    button(state === "cordoned" ? "Uncordon" : "Open again", "quiet", (pressed) =>
      act(pressed, () => api.setHostState(name, "active"), `${name} takes instances again.`),
    );
  if (isHost && state !== "draining") button("Drain", "quiet", (pressed) => drain(api, fleet, name, pressed));
  if (droplet && standing !== "ordered")
    button("Destroy", "quiet danger-word", (pressed) => destroy(api, fleet, name, pressed));
  return made;
}

/**
 * @param {OpsApi} api
 * @param {FleetState} fleet
 * @param {string} name
 * @param {HTMLButtonElement} pressed
 */
async function drain(api, fleet, name, pressed) {
  const host = fleet.host(name);
  const leases = counted(host?.inUse ?? 0, "lease");
  const isSure = await ask({
    title: `Drain ${name}?`,
    detail:
      `It takes no more instances. What it has now, ${leases}, runs to its end` +
      (host?.droplet ? ", and the droplet is destroyed once it is empty." : "."),
    act: "Drain it",
  });
  if (isSure) await act(pressed, () => api.setHostState(name, "draining"), `${name} is draining.`);
}

/**
 * @param {OpsApi} api
 * @param {FleetState} fleet
 * @param {string} name
 * @param {HTMLButtonElement} pressed
 */
async function destroy(api, fleet, name, pressed) {
  const inUse = fleet.host(name)?.inUse ?? 0;
  const isSure = await ask(
    inUse > 0
      ? {
          title: `Destroy ${name} with ${counted(inUse, "lease")}?`,
          detail:
            "Its instances are in use. They end at once, and their data is lost. " +
            "Draining the host lets them run to their end.",
          act: "Destroy it with its leases",
          typed: name,
        }
      : {
          title: `Destroy ${name}?`,
          detail: "Its droplet is destroyed for good. Another one is ordered when a standby is needed.",
          act: "Destroy it",
        },
  );
  if (isSure)
    await act(
      pressed,
      () => api.destroyHost(name, inUse > 0 ? name : undefined),
      `${name} is to be destroyed by the next scaling run.`,
    );
}
