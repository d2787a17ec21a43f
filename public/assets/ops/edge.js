/**
 * @import { FleetOverview } from "../../api-types.ts"
 * @import { Open } from "../../ops-types.ts"
 * @import { Line, Part } from "./edge-lines.js"
 */
import { find, part } from "../elements.js";
import { listIn, make, mark, tell } from "./dom.js";
import {
  announcedLines,
  gatewayLine,
  isWorthShowing,
  portLine,
  serviceLine,
  summaryOf,
  workloadLine,
} from "./edge-lines.js";
import { followLinks, linkTo } from "./panel.js";
import { edgeState } from "./states.js";
import { hourAndMinute } from "./words.js";

/**
 * Draws gateways, and services, balanced ports and workloads with their states, as far as there are any.
 * @param {Open} open
 */
export function createEdge(open) {
  const section = find(HTMLElement, "#edge");
  const link = find(HTMLElement, "[data-edge-link]");
  const lists = {
    gateways: listOf("gateways"),
    services: listOf("services"),
    announced: listOf("announced"),
    ports: listOf("ports"),
    workloads: listOf("workloads"),
  };
  followLinks(section, open);

  /**
   * @param {Pick<FleetOverview, "edge">} overview  Older replicas of the service tell nothing of the edge.
   * @param {number} [unknownSince]  When the edge was heard of last, by the reader's clock, while it is not.
   */
  function draw({ edge }, unknownSince) {
    const isShown = edge !== undefined && isWorthShowing(edge);
    section.hidden = !isShown;
    link.hidden = !isShown;
    if (!isShown) return;
    tell(part("edge-count"), summaryOf(edge));
    const { hasEdge, gateways, services, announced, ports, workloads } = edge;
    lists.gateways(
      (gateways ?? []).map(gatewayLine),
      unknownSince,
      gateways === null
        ? "Redis does not answer, so it is unknown which gateways live."
        : hasEdge
          ? "No gateway lives: no instance can be reached."
          : "",
    );
    lists.services(services.map(serviceLine), unknownSince, "");
    lists.announced(announcedLines(announced), unknownSince, "");
    lists.ports(ports.map(portLine), unknownSince, "");
    lists.workloads(workloads.map(workloadLine), unknownSince, "");
  }

  return {
    draw,
    forget() {
      section.hidden = true;
      link.hidden = true;
      for (const show of Object.values(lists)) show([], undefined, "");
    },
  };
}

/**
 * A list with its heading; neither is there while there is nothing to say.
 * @param {string} name
 */
function listOf(name) {
  const box = part(`edge-${name}`);
  const empty = find(HTMLElement, "[data-edge-empty]", box);
  const show = listIn(
    find(HTMLElement, "ul", box),
    (/** @type {Line} */ line) => `${line.host ?? ""} ${line.name}`,
    create,
  );
  /**
   * @param {readonly Line[]} lines
   * @param {number | undefined} unknownSince
   * @param {string} whenNone
   */
  return (lines, unknownSince, whenNone) => {
    box.hidden = lines.length === 0 && whenNone === "";
    empty.hidden = lines.length > 0;
    tell(empty, whenNone);
    show(lines, (element, line) => update(element, line, unknownSince));
  };
}

/** @param {Line} line */
function create({ name, host }) {
  return make(
    "li",
    { class: "edge-line" },
    make("strong", {}, name),
    make("span", { class: "standing", "data-state-word": true }),
    make("p", { class: "edge-facts" }, host && linkTo("host", host), make("span", { "data-facts": true })),
    make("p", { class: "edge-why", "data-why": true, hidden: true }),
    make("ul", { class: "edge-parts", "data-parts": true, hidden: true, "aria-label": `${name}: details` }),
    make("p", { class: "edge-facts", "data-more-parts": true, hidden: true }),
  );
}

/**
 * @param {HTMLElement} element
 * @param {Line} line
 * @param {number | undefined} unknownSince
 */
function update(element, { state, facts, why, parts = [], morePartsCount = 0 }, unknownSince) {
  const isKnown = unknownSince === undefined;
  const { word, sign, as } = edgeState(isKnown ? state : "unknown");
  const standing = part("state-word", element);
  mark(standing, "data-host-state", as);
  mark(standing, "data-sign", sign);
  tell(standing, isKnown ? word : `unknown since ${hourAndMinute(unknownSince, Date.now())}`);
  const before = isKnown ? [] : [`last known: ${edgeState(state).word}`];
  // A line breaks between facts only.
  tell(part("facts", element), [...before, ...facts].map((fact) => fact.replaceAll(" ", "\u00a0")).join(" · "));
  const whyLine = part("why", element);
  whyLine.hidden = why === "";
  tell(whyLine, why);
  // What is known no longer has no parts: their states may be others by now.
  showParts(part("parts", element), isKnown ? parts : []);
  const more = part("more-parts", element);
  more.hidden = !isKnown || morePartsCount === 0;
  tell(more, `and ${morePartsCount.toLocaleString("en")} more`);
}

/**
 * @param {HTMLElement} list
 * @param {readonly Part[]} parts
 */
function showParts(list, parts) {
  list.hidden = parts.length === 0;
  const text = JSON.stringify(parts);
  // Made anew only when it has changed: what stays the same keeps its selection.
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(
    ...parts.map(({ name, state, facts, why }) => {
      const shown = state === null ? undefined : edgeState(state);
      return make(
        "li",
        {},
        name !== "" && make("span", { class: "edge-part" }, name),
        shown && make("span", { class: "standing", "data-host-state": shown.as, "data-sign": shown.sign }, shown.word),
        facts !== "" && make("span", { class: "edge-facts" }, facts),
        why !== "" && make("span", { class: "edge-why" }, why),
      );
    }),
  );
}
