import { act, ask } from "./ask.js";
import { keep, make, tell } from "./dom.js";
import { eventLine, updateEvent } from "./events.js";
import { drawFacts } from "./panel.js";
import { costSoFar, memory } from "./tiles.js";
import { counted, dollars, lasting, standingWords } from "./words.js";

const MOST_EVENTS = 50;

/** One host: facts, acts, its instances and what happened to it. */
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
    box.addEventListener("click", (event) => {
      const link = event.target.closest("[data-open]");
      if (link && link.dataset.name !== name) open(link.dataset.open, link.dataset.name);
    });
    let loaded;

    async function load(shape) {
      loaded = shape;
      const [found, told] = await Promise.all([
        api.instances({ host: name, state: "open", most: 100 }),
        api.events({ host: name }),
      ]);
      if (shape !== loaded) return;
      // Again with the next news.
      if (found.problem || told.problem) loaded = undefined;
      if (found.value) {
        keep(
          instances,
          found.value,
          ({ id }) => id,
          instanceLine,
          (line, each) =>
            tell(line.lastElementChild, `${each.state}, ends in ${lasting(Date.parse(each.expiresAt) - fleet.now())}`),
        );
        noInstance.hidden = found.value.length > 0;
      }
      if (told.value) {
        keep(
          events,
          told.value.slice(0, MOST_EVENTS),
          ({ id }) => id,
          (event) => eventLine(event, fleet.now()),
          (line, event) => updateEvent(line, event, fleet.now()),
        );
        noEvent.hidden = told.value.length > 0;
      }
    }

    let drawnActs;
    function refresh() {
      const host = fleet.host(name);
      tell(state, host ? stateOf(host) : "There is no such host any more.");
      state.dataset.level = host ? "" : "trouble";
      drawFacts(facts, host ? factsOf(host, fleet.now()) : []);
      const wanted = host
        ? `${host.state} ${host.standing} ${host.inUse} ${host.destroyRequest} ${host.droplet !== null}`
        : "";
      // Buttons are made anew only when others are wanted: one must not vanish under the finger.
      if (wanted !== drawnActs) acts.replaceChildren(...(host ? actsOf(api, fleet, host) : []));
      drawnActs = wanted;
      const shape = host ? `${host.slots} ${host.state} ${host.standing}` : "gone";
      if (shape !== loaded) void load(shape);
    }

    refresh();
    return refresh;
  };
}

function instanceLine({ id, state }) {
  return make(
    "li",
    {},
    make("button", { class: "link mono", type: "button", "data-open": "instance", "data-name": id }, id),
    make("span", {}, state),
  );
}

function stateOf({ standing, state, isStandby, destroyRequest, heartbeatRefused }) {
  if (destroyRequest !== null)
    return `To be destroyed${destroyRequest === "lost" ? ", its leases lost" : ""}: the next step of the scaling does it.`;
  const refused = heartbeatRefused === null ? "" : `: ${heartbeatRefused}`;
  return `${standingWords[standing] ?? standing}${refused}${isStandby ? ", a standby" : ""}${state === "cordoned" && standing !== "cordoned" ? ", cordoned" : ""}`;
}

function factsOf(host, nowMs) {
  const { droplet } = host;
  return [
    [
      "Slots",
      host.capacity === 0
        ? "none yet"
        : `${host.inUse} in use, ${host.capacity - host.occupied} free, of ${host.capacity}`,
    ],
    ["Address", host.address ?? "–"],
    ["Up for", lasting(nowMs - Date.parse(host.since))],
    ["Heartbeat", host.heartbeatAt === null ? "none" : `${lasting(nowMs - Date.parse(host.heartbeatAt))} ago`],
    ["Containers", host.containers === null ? "unknown" : String(host.containers)],
    ["Free memory", host.memAvailableMb === null ? "unknown" : memory(host.memAvailableMb)],
    ...(droplet
      ? [
          ["Droplet", droplet.id === null ? "not yet known" : String(droplet.id)],
          ["Size", `${droplet.size}, ${droplet.region}`],
          [
            "Cost so far",
            droplet.hourlyPrice === null
              ? "unknown"
              : `${dollars(costSoFar(droplet, nowMs))} at ${dollars(droplet.hourlyPrice)} an hour`,
          ],
          [
            "Booted in",
            droplet.joinedAt === null
              ? "not yet"
              : lasting(Date.parse(droplet.joinedAt) - Date.parse(droplet.orderedAt)),
          ],
        ]
      : []),
  ];
}

function actsOf(api, fleet, { name, state, standing, destroyRequest, droplet }) {
  if (standing === "destroying" || destroyRequest === "lost") return [];
  const isHost = ["active", "cordoned", "draining"].includes(state);
  const button = (word, style, onClick) => {
    const made = make("button", { class: style, type: "button" }, word);
    made.addEventListener("click", () => onClick(made));
    return made;
  };
  const set = (to, done) => (pressed) => act(pressed, () => api.setHostState(name, to), done);
  return [
    isHost &&
      state === "active" &&
      button("Cordon", "quiet", set("cordoned", `${name} is cordoned: it takes no instances for now.`)),
    isHost &&
      state !== "active" &&
      destroyRequest === null &&
      button(
        state === "cordoned" ? "Uncordon" : "Open again",
        "quiet",
        set("active", `${name} takes instances again.`),
      ),
    isHost && state !== "draining" && button("Drain", "quiet", (pressed) => drain(api, fleet, name, pressed)),
    droplet &&
      standing !== "ordered" &&
      button("Destroy", "quiet danger-word", (pressed) => destroy(api, fleet, name, pressed)),
  ].filter(Boolean);
}

async function drain(api, fleet, name, pressed) {
  const { droplet, inUse } = fleet.host(name) ?? {};
  const sure = await ask({
    title: `Drain ${name}?`,
    detail: `It takes no more instances. Its ${counted(inUse ?? 0, "lease")} run to their end${droplet ? ", and the droplet is destroyed once it is empty" : ""}.`,
    act: "Drain it",
  });
  if (sure) await act(pressed, () => api.setHostState(name, "draining"), `${name} is draining.`);
}

async function destroy(api, fleet, name, pressed) {
  const { inUse } = fleet.host(name) ?? {};
  const wish =
    inUse > 0
      ? {
          title: `Destroy ${name} with ${counted(inUse, "lease")}?`,
          detail:
            "People hold instances there. They are lost at once, with all that is in them. Draining would let them end in their time.",
          act: "Destroy it and lose them",
          typed: name,
        }
      : {
          title: `Destroy ${name}?`,
          detail: "Its droplet goes for good. Another one is ordered when a standby is wanted.",
          act: "Destroy it",
        };
  if (await ask(wish))
    await act(
      pressed,
      () => api.destroyHost(name, inUse > 0 ? name : undefined),
      `${name} is to be destroyed with the next step of the scaling.`,
    );
}
