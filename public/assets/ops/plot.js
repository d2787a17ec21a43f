/** @import { Values } from "../../api-types.ts" */
import { make } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 150;
const LINES = 2;

/**
 * A `line` stands for itself, `bar`s are piled on each other, an `area` is a filled line.
 * @typedef {{ name: string, word: string, shape: "line" | "bar" | "area", values: Values }} Series
 */
/**
 * @typedef {object} Data
 * @property {readonly number[]} times  Beginnings of the steps, in milliseconds since 1970.
 * @property {number} stepMs
 * @property {readonly Series[]} series
 * @property {string} [per]  Of what time a value is the sum, such as "per minute".
 * @property {string} nothing  What is shown when there are no values.
 */

/**
 * A plot over time in SVG, as wide as its box. Values are read off in the legend: the last ones, or those
 * under the pointer, which the arrow keys move too.
 * @param {{ title: string, unit?: (value: number) => string }} options
 */
export function createPlot({ title, unit = (value) => value.toLocaleString("en", { maximumFractionDigits: 1 }) }) {
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const scale = make("div", { class: "plot-scale", "aria-hidden": "true" });
  const stage = make("div", { class: "plot-stage", tabindex: "0", role: "img" }, picture);
  const times = make("div", { class: "plot-times", "aria-hidden": "true" });
  const legend = make("ul", { class: "plot-legend" });
  const moment = make("p", { class: "plot-moment" });
  const step = make("span", { class: "plot-step" });
  const empty = make("p", { class: "plot-empty", hidden: true });
  const element = make(
    "figure",
    { class: "plot" },
    make("figcaption", {}, make("h3", {}, title, step), moment),
    legend,
    make("div", { class: "plot-body" }, scale, stage, times),
    empty,
  );
  const cursor = svg("line", { class: "plot-cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
  /** @type {Data | undefined} */
  let shown;
  /** @type {number | undefined} */
  let pointed;

  stage.addEventListener("pointermove", (event) => {
    const { left, width } = stage.getBoundingClientRect();
    if (shown) point(Math.floor(((event.clientX - left) / width) * shown.times.length));
  });
  stage.addEventListener("pointerleave", () => point(undefined));
  stage.addEventListener("blur", () => point(undefined));
  stage.addEventListener("keydown", (event) => {
    const move = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    if (move === 0 || !shown) return;
    event.preventDefault();
    point((pointed ?? shown.times.length) + move);
  });

  /** @param {Data} data */
  function show(data) {
    shown = data;
    const hasValues = data.series.some(({ values }) => values.some((value) => value !== null));
    empty.hidden = hasValues;
    empty.textContent = data.nothing;
    step.textContent = data.per ? ` ${data.per}` : "";
    const top = niceTop(highest(data));
    picture.replaceChildren(...gridLines(), ...shapes(data, top), cursor);
    scale.replaceChildren(
      ...Array.from({ length: LINES }, (_each, index) =>
        make("span", {}, hasValues ? unit((top * (LINES - index)) / LINES) : ""),
      ),
    );
    const last = data.times.length - 1;
    times.replaceChildren(
      ...[0, Math.floor(data.times.length / 2), last].map((index) =>
        make("span", {}, shortTime(data.times[index], data.stepMs)),
      ),
    );
    tell();
  }

  /** @param {number | undefined} index */
  function point(index) {
    pointed = index === undefined || !shown ? undefined : Math.min(shown.times.length - 1, Math.max(0, index));
    tell();
  }

  function tell() {
    if (!shown) return;
    const index = pointed ?? shown.times.length - 1;
    const when = pointed === undefined ? "now" : shortTime(shown.times[index], 0);
    /** @param {number | null | undefined} value */
    const worded = (value) => (value === null || value === undefined ? undefined : unit(value));
    legend.replaceChildren(
      ...shown.series.map(({ name, word, values }) =>
        make(
          "li",
          {},
          make("i", { "data-series": name }),
          `${word} `,
          make("strong", {}, worded(values[index]) ?? "–"),
        ),
      ),
    );
    moment.textContent = when;
    const x = String((index + 0.5) * (WIDTH / shown.times.length));
    for (const side of ["x1", "x2"]) cursor.setAttribute(side, x);
    cursor.setAttribute("visibility", pointed === undefined ? "hidden" : "visible");
    const readings = shown.series.map(({ word, values }) => `${word} ${worded(values[index]) ?? "unknown"}`);
    stage.setAttribute("aria-label", `${title}${step.textContent}, ${when}: ${readings.join(", ")}`);
  }

  return { element, show };
}

function gridLines() {
  return Array.from({ length: LINES }, (_each, index) =>
    svg("line", { class: "plot-line", x1: 0, x2: WIDTH, y1: (HEIGHT * index) / LINES, y2: (HEIGHT * index) / LINES }),
  );
}

/**
 * @param {Data} data
 * @param {number} top
 */
function shapes({ times, series }, top) {
  const step = WIDTH / times.length;
  /** @param {number} value */
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  const piled = times.map(() => 0);
  return series.flatMap(({ name, shape, values }) => {
    if (shape !== "bar")
      return [
        ...(shape === "area"
          ? [svg("path", { class: "plot-area", "data-series": name, d: areas(values, step, y) })]
          : []),
        svg("path", { class: "plot-curve", "data-series": name, d: lines(values, step, y) }),
      ];
    const path = values.map((value, index) => {
      if (!value) return "";
      const below = piled[index] ?? 0;
      piled[index] = below + value;
      const [left, right] = [index * step + step * 0.12, (index + 1) * step - step * 0.12];
      return `M${left} ${y(below)}V${y(below + value)}H${right}V${y(below)}Z`;
    });
    return [svg("path", { class: "plot-bars", "data-series": name, d: path.join("") })];
  });
}

/**
 * A line breaks where nothing was kept; a value alone between two gaps is a dash.
 * @param {Values} values
 * @param {number} step
 * @param {(value: number) => number} y
 */
function lines(values, step, y) {
  return values
    .map((value, index) =>
      value === null
        ? ""
        : values[index - 1] === null || index === 0
          ? `M${index * step} ${y(value)}H${(index + 1) * step}`
          : `L${(index + 0.5) * step} ${y(value)}H${(index + 1) * step}`,
    )
    .join("");
}

/**
 * @param {Values} values
 * @param {number} step
 * @param {(value: number) => number} y
 */
function areas(values, step, y) {
  return values
    .map((value, index) =>
      value === null ? "" : `M${index * step} ${HEIGHT}V${y(value)}H${(index + 1) * step}V${HEIGHT}Z`,
    )
    .join("");
}

/** @param {Data} data */
function highest({ times, series }) {
  const piles = times.map((_time, index) =>
    series.reduce((sum, { shape, values }) => (shape === "bar" ? sum + (values[index] ?? 0) : sum), 0),
  );
  return Math.max(
    0,
    ...piles,
    ...series.filter(({ shape }) => shape !== "bar").flatMap(({ values }) => values.map((value) => value ?? 0)),
  );
}

/**
 * A round number at or above: the scale's top. Below ten its half is whole, too.
 * @param {number} value
 */
function niceTop(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factors = power === 1 ? [1, 2, 4, 6, 8] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  return (factors.find((factor) => factor * power >= value) ?? 10) * power;
}

/**
 * @param {number | undefined} ms  Undefined for none.
 * @param {number} stepMs
 */
function shortTime(ms, stepMs) {
  if (ms === undefined) return "";
  const moment = new Date(ms);
  if (stepMs > 3_600_000) return moment.toLocaleDateString([], { weekday: "short", day: "numeric" });
  return moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

/**
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | number>} attributes
 */
function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
