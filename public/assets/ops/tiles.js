/**
 * @import { FleetOverview, HostOverview } from "../../api-types.ts"
 */
import { closest, part } from "../elements.js";
import { listIn, make, mark, tell } from "./dom.js";
import { hostState, stateShown } from "./states.js";
import { isUnhealthy } from "./verdict.js";
import { counted, dollars, hourAndMinute, lasting } from "./words.js";

/** Numbers of hosts up to which tiles are large, and up to which each slot is a cell of its own. */
const ROOMY = 30;
const COMPACT = 150;
const HOUR_MS = 3_600_000;

/** @typedef {FleetOverview["slotLegend"]} SlotLegend  States of slots by letter, in the order that a bar shows them. */
/** @typedef {"roomy" | "compact" | "dense"} Density */

/**
 * Draws a tile for each host, worst first.
 * @param {(name: string) => void} open
 */
export function createTiles(open) {
  const box = part("tiles");
  const empty = part("fleet-empty");
  const show = listIn(box, ({ name }) => name, create);
  box.addEventListener("click", (event) => {
    const name = closest(event, "[data-host]")?.dataset.host;
    if (name) open(name);
  });

  /**
   * @param {Omit<FleetOverview, "slotLegend"> & { slotLegend?: SlotLegend }} overview
   *   An older replica of the service sends no legend; the next one that the stream comes from does.
   * @param {number} nowMs
   * @param {number} [unknownSince]  When the fleet was heard of last, by the reader's clock, while it is not.
   */
  function draw({ hosts, rules, slotLegend = {} }, nowMs, unknownSince) {
    const density = hosts.length <= ROOMY ? "roomy" : hosts.length <= COMPACT ? "compact" : "dense";
    mark(box, "aria-busy", null);
    mark(box, "data-density", density);
    show(hosts.toSorted(worstFirst), (tile, host) =>
      update(tile, host, { rules, slotLegend, nowMs, density, unknownSince }),
    );
    empty.hidden = hosts.length > 0;
    tell(
      empty,
      rules.isFleet
        ? "No host yet. The next scaling run orders the first droplet, which takes a minute or two to boot."
        : "No host yet. npm start adds this machine as the first one.",
    );
    tell(part("fleet-count"), summaryOf(hosts));
  }

  return { draw, forget: () => show([]) };
}

/** @param {readonly HostOverview[]} hosts */
function summaryOf(hosts) {
  const inUse = hosts.reduce((sum, host) => sum + host.inUse, 0);
  const capacity = hosts.reduce((sum, host) => sum + host.capacity, 0);
  const ready = readyIn(hosts);
  return hosts.length === 0
    ? ""
    : `${counted(hosts.length, "host")}, ${inUse.toLocaleString("en")} of ${counted(capacity, "slot")} in use` +
        (ready > 0 ? `, ${ready.toLocaleString("en")} ready for the next` : "");
}

/**
 * Instances that are ready for the next hand-outs.
 * @param {readonly HostOverview[]} hosts
 */
export function readyIn(hosts) {
  return hosts.reduce((sum, { ready }) => sum + ready, 0);
}

/** @type {readonly HostOverview["standing"][]} */
const ranks = ["silent", "unreachable", "engine-silent", "heartbeat-refused", "destroying", "booting", "ordered"];

/**
 * Hosts that need attention come first, then those that change, then the others; each by name, so that no tile
 * moves with a lease.
 * @param {HostOverview} a
 * @param {HostOverview} b
 */
function worstFirst(a, b) {
  return rankOf(a) - rankOf(b) || a.name.localeCompare(b.name, "en", { numeric: true });
}

/** @param {HostOverview} host */
function rankOf({ standing }) {
  return (ranks.indexOf(standing) + ranks.length + 1) % (ranks.length + 1);
}

/** @param {HostOverview} host */
function create({ name }) {
  return make(
    "button",
    { class: "tile", "data-host": name, type: "button" },
    make(
      "span",
      { class: "tile-head" },
      make("span", { class: "tile-name", "data-name": true }, name),
      make("span", { class: "standby", "data-standby": true, hidden: true }, "standby"),
      make("span", { class: "standing", "data-standing": true }),
    ),
    make("span", { class: "cells", "data-cells": true, "aria-hidden": "true" }),
    make("span", { class: "tile-facts", "data-facts": true }),
  );
}

/**
 * @param {HTMLElement} tile
 * @param {HostOverview} host
 * @param {object} about
 * @param {FleetOverview["rules"]} about.rules
 * @param {SlotLegend} about.slotLegend
 * @param {number} about.nowMs
 * @param {Density} about.density
 * @param {number | undefined} about.unknownSince
 */
function update(tile, host, { rules, slotLegend, nowMs, density, unknownSince }) {
  const { name, isStandby, inUse, ready, capacity } = host;
  const isKnown = unknownSince === undefined;
  const { word } = hostState(stateShown(host));
  const state = isKnown ? stateShown(host) : "unknown";
  mark(tile, "data-level", isKnown ? levelOf(host) : "unknown");
  const standing = part("standing", tile);
  mark(standing, "data-host-state", state);
  mark(standing, "data-sign", hostState(state).sign);
  tell(standing, isKnown ? word : `unknown since ${hourAndMinute(unknownSince, Date.now())}`);
  part("standby", tile).hidden = !isStandby || !isKnown;
  drawCells(part("cells", tile), host, slotLegend, density);
  const use = `${inUse} of ${capacity} slots in use${ready > 0 ? `, ${ready} ready for the next` : ""}`;
  tell(
    part("facts", tile),
    isKnown ? factsOf(host, rules, nowMs) : `Last known: ${word}${capacity > 0 ? `, ${use}` : ""}`,
  );
  mark(tile, "title", `${name}: ${standing.textContent}, ${use}${isStandby ? ", standby" : ""}`);
}

/** @type {readonly HostOverview["standing"][]} */
const changing = ["booting", "ordered", "destroying", "cordoned", "draining", "backing-off"];

/** @param {HostOverview} host */
function levelOf(host) {
  if (isUnhealthy(host)) return "trouble";
  return host.destroyRequest !== null || changing.includes(host.standing) ? "watch" : "well";
}

/**
 * @param {HTMLElement} box
 * @param {HostOverview} host
 * @param {SlotLegend} slotLegend
 * @param {Density} density
 */
function drawCells(box, { slots, droplet, standing }, slotLegend, density) {
  if (droplet && (standing === "booting" || standing === "ordered")) {
    drawProgress(box, standing);
    return;
  }
  const shape = `${density === "dense" ? "bar" : "cells"} ${slots}`;
  // Most news leave most tiles as they are.
  if (box.dataset.shape === shape) return;
  if (density === "dense") drawBar(box, slots, slotLegend);
  else drawGrid(box, slots, slotLegend);
  box.dataset.shape = shape;
}

/**
 * @param {HTMLElement} box
 * @param {string} slots
 * @param {SlotLegend} slotLegend
 */
function drawGrid(box, slots, slotLegend) {
  if (box.childElementCount !== slots.length || box.dataset.kind !== "grid")
    box.replaceChildren(...Array.from(slots, () => make("i")));
  box.dataset.kind = "grid";
  for (const [index, cell] of [...box.children].entries()) mark(cell, "data-cell", slotLegend[slots.charAt(index)]);
}

/**
 * @param {HTMLElement} box
 * @param {string} slots
 * @param {SlotLegend} slotLegend
 */
function drawBar(box, slots, slotLegend) {
  box.dataset.kind = "bar";
  box.replaceChildren(
    ...Object.entries(slotLegend).map(([letter, state]) => {
      const piece = make("i", { "data-cell": state });
      piece.style.flexGrow = String(slots.split(letter).length - 1);
      return piece;
    }),
  );
}

/**
 * The steps to a host: ordered, booting, and the heartbeat that makes it one.
 * @param {HTMLElement} box
 * @param {"ordered" | "booting"} standing
 */
function drawProgress(box, standing) {
  if (box.dataset.kind !== "progress") box.replaceChildren(make("i"), make("i"), make("i"));
  box.dataset.kind = "progress";
  delete box.dataset.shape;
  const at = standing === "ordered" ? 0 : 1;
  for (const [index, step] of [...box.children].entries())
    mark(step, "data-step", index < at ? "done" : index === at ? "now" : "to-come");
}

/**
 * @param {HostOverview} host
 * @param {FleetOverview["rules"]} rules
 * @param {number} nowMs
 */
function factsOf({ standing, since, heartbeatAt, memAvailableMb, droplet, inUse, ready, capacity }, rules, nowMs) {
  const facts = [];
  if (capacity > 0) facts.push(`${inUse}/${capacity}`);
  if (ready > 0) facts.push(`${ready} ready`);
  if (droplet && (standing === "booting" || standing === "ordered"))
    facts.push(
      `${lasting(nowMs - Date.parse(droplet.orderedAt))}, ${lasting(rules.bootTimeoutSeconds * 1000)} at most`,
    );
  else facts.push(`up ${lasting(nowMs - Date.parse(since))}`);
  if (capacity > 0)
    facts.push(heartbeatAt === null ? "no heartbeat" : `heartbeat ${lasting(nowMs - Date.parse(heartbeatAt))} ago`);
  if (memAvailableMb !== null) facts.push(`${memory(memAvailableMb)} free`);
  if (droplet) facts.push(droplet.region);
  if (droplet?.hourlyPrice && standing !== "ordered") facts.push(dollars(costSoFar(droplet, nowMs)));
  // A line breaks between facts only.
  return facts.map((fact) => fact.replaceAll(" ", "\u00a0")).join(" · ");
}

/**
 * What a droplet has cost until now, in US dollars.
 * @param {NonNullable<HostOverview["droplet"]>} droplet
 * @param {number} nowMs
 */
export function costSoFar({ orderedAt, hourlyPrice }, nowMs) {
  return ((nowMs - Date.parse(orderedAt)) / HOUR_MS) * (hourlyPrice ?? 0);
}

/**
 * Megabytes in the unit that fits.
 * @param {number} megabytes
 */
export function memory(megabytes) {
  return megabytes < 1000 ? `${megabytes} MB` : `${(megabytes / 1024).toFixed(1)} GB`;
}
