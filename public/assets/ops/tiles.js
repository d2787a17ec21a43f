import { keep, make, mark, part, tell } from "./dom.js";
import { isUnwell } from "./verdict.js";
import { counted, dollars, lasting, standingWords } from "./words.js";

/** Up to so many hosts each slot is a cell of its own; beyond, and far beyond, less is drawn. */
const ROOMY = 30;
const COMPACT = 150;
const HOUR_MS = 3_600_000;
/** Letters of slots, in the order that a bar shows them. */
const letters = ["l", "s", "e", "r", "."];

/** Draws a tile for each host, worst first. */
export function createTiles(open) {
  const box = part("tiles");
  const empty = part("fleet-empty");
  box.addEventListener("click", (event) => {
    const tile = event.target.closest("[data-host]");
    if (tile) open(tile.dataset.host);
  });

  function draw(picture, nowMs) {
    const { hosts, rules } = picture;
    mark(box, "aria-busy", null);
    mark(box, "data-density", hosts.length <= ROOMY ? "roomy" : hosts.length <= COMPACT ? "compact" : "dense");
    keep(
      box,
      [...hosts].sort(worstFirst),
      ({ name }) => name,
      create,
      (tile, host) => update(tile, host, rules, nowMs, box.dataset.density),
    );
    empty.hidden = hosts.length > 0;
    tell(
      empty,
      rules.isFleet
        ? "No host yet. The first droplet is ordered with the next step of the scaling, and takes a minute or two to boot."
        : "No host yet. npm start registers this machine as the first one.",
    );
    tell(part("fleet-count"), summaryOf(hosts));
  }

  return { draw };
}

function summaryOf(hosts) {
  const inUse = hosts.reduce((sum, host) => sum + host.inUse, 0);
  const capacity = hosts.reduce((sum, host) => sum + host.capacity, 0);
  return hosts.length === 0
    ? ""
    : `${counted(hosts.length, "host")}, ${inUse.toLocaleString("en")} of ${counted(capacity, "slot")} in use`;
}

const ranks = ["silent", "unreachable", "engine-silent", "heartbeat-refused", "destroying", "booting", "ordered"];

/** What needs eyes first, then what moves, then by name, so that nothing jumps with each lease. */
function worstFirst(a, b) {
  const rank = ({ standing }) => (ranks.indexOf(standing) + ranks.length + 1) % (ranks.length + 1);
  return rank(a) - rank(b) || a.name.localeCompare(b.name, "en", { numeric: true });
}

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

function update(tile, host, rules, nowMs, density) {
  mark(tile, "data-level", levelOf(host));
  mark(tile, "data-state", host.standing);
  tell(
    part("standing", tile),
    host.destroyRequest !== null && host.standing !== "destroying"
      ? "to be destroyed"
      : (standingWords[host.standing] ?? host.standing),
  );
  part("standby", tile).hidden = !host.isStandby;
  drawCells(part("cells", tile), host, density);
  tell(part("facts", tile), factsOf(host, rules, nowMs));
  mark(
    tile,
    "title",
    `${host.name}: ${standingWords[host.standing] ?? host.standing}, ${host.inUse} of ${host.capacity} slots in use${host.isStandby ? ", standby" : ""}`,
  );
}

function levelOf(host) {
  if (isUnwell(host)) return "trouble";
  if (
    host.destroyRequest !== null ||
    ["booting", "ordered", "destroying", "cordoned", "draining", "backing-off"].includes(host.standing)
  )
    return "watch";
  return "well";
}

function drawCells(box, { slots, droplet, standing }, density) {
  if (droplet && (standing === "booting" || standing === "ordered")) return drawProgress(box, standing);
  const shape = `${density === "dense" ? "bar" : "cells"} ${slots}`;
  // Most tiles of most news are as they were.
  if (box.dataset.shape === shape) return;
  if (density === "dense") drawBar(box, slots);
  else drawGrid(box, slots);
  box.dataset.shape = shape;
}

function drawGrid(box, slots) {
  if (box.childElementCount !== slots.length || box.dataset.kind !== "grid")
    box.replaceChildren(...Array.from(slots, () => make("i")));
  box.dataset.kind = "grid";
  for (const [index, cell] of [...box.children].entries()) mark(cell, "data-cell", slots[index]);
}

function drawBar(box, slots) {
  box.dataset.kind = "bar";
  box.replaceChildren(
    ...letters.map((letter) => {
      const piece = make("i", { "data-cell": letter });
      piece.style.flexGrow = String([...slots].filter((slot) => slot === letter).length);
      return piece;
    }),
  );
}

/** The steps to a host: ordered, booting, and the heartbeat that makes it one. */
function drawProgress(box, standing) {
  if (box.dataset.kind !== "progress") box.replaceChildren(make("i"), make("i"), make("i"));
  box.dataset.kind = "progress";
  delete box.dataset.shape;
  const at = standing === "ordered" ? 0 : 1;
  for (const [index, step] of [...box.children].entries())
    mark(step, "data-step", index < at ? "done" : index === at ? "now" : "to-come");
}

function factsOf({ standing, since, heartbeatAt, memAvailableMb, droplet, inUse, capacity }, rules, nowMs) {
  const facts = [];
  if (capacity > 0) facts.push(`${inUse}/${capacity}`);
  if (standing === "booting" || standing === "ordered")
    facts.push(
      `${lasting(nowMs - Date.parse(droplet.orderedAt))}, ${lasting(rules.bootTimeoutSeconds * 1000)} at most`,
    );
  else facts.push(`up ${lasting(nowMs - Date.parse(since))}`);
  if (capacity > 0)
    facts.push(heartbeatAt === null ? "no heartbeat" : `beat ${lasting(nowMs - Date.parse(heartbeatAt))} ago`);
  if (memAvailableMb !== null) facts.push(`${memory(memAvailableMb)} free`);
  if (droplet) facts.push(droplet.region);
  if (droplet?.hourlyPrice && standing !== "ordered") facts.push(dollars(costSoFar(droplet, nowMs)));
  // A line breaks between facts only.
  return facts.map((fact) => fact.replaceAll(" ", "\u00a0")).join(" · ");
}

/** What a droplet has cost until now, in US dollars. */
export function costSoFar({ orderedAt, hourlyPrice }, nowMs) {
  return ((nowMs - Date.parse(orderedAt)) / HOUR_MS) * (hourlyPrice ?? 0);
}

/** Megabytes in the unit that fits. */
export function memory(megabytes) {
  return megabytes < 1000 ? `${megabytes} MB` : `${(megabytes / 1024).toFixed(1)} GB`;
}
