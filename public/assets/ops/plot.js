import { make } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 150;
const LINES = 2;

/**
 * A plot over time in SVG, as wide as its box. Values are read off in the legend: the last ones, or those
 * under the pointer, which the arrow keys move too.
 * @param {{title: string, unit?: (value: number) => string}} wish
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
  let shown;
  let pointed;

  stage.addEventListener("pointermove", (event) => {
    const { left, width } = stage.getBoundingClientRect();
    if (shown) point(Math.floor(((event.clientX - left) / width) * shown.times.length));
  });
  stage.addEventListener("pointerleave", () => point(undefined));
  stage.addEventListener("blur", () => point(undefined));
  stage.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined || !shown) return;
    event.preventDefault();
    point(Math.min(shown.times.length - 1, Math.max(0, (pointed ?? shown.times.length) + step)));
  });

  /**
   * Shows series over `times`. A `line` stands for itself, `bar`s are piled on each other, an `area` is a filled line.
   * @param {{times: number[], stepMs: number, per?: string, series: {name: string, word: string, shape: "line" | "bar" | "area", values: (number | null)[]}[], nothing: string}} data
   *   per: of what time a value is the sum, such as "per minute".
   */
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
    const middle = data.times[Math.floor(data.times.length / 2)];
    times.replaceChildren(
      ...[data.times[0], middle, data.times.at(-1)].map((time) => make("span", {}, shortTime(time, data.stepMs))),
    );
    tell();
  }

  function point(index) {
    pointed = index === undefined || !shown ? undefined : Math.min(shown.times.length - 1, Math.max(0, index));
    tell();
  }

  function tell() {
    if (!shown) return;
    const last = shown.times.length - 1;
    const index = pointed ?? last;
    legend.replaceChildren(
      ...shown.series.map(({ name, word, values }) =>
        make(
          "li",
          {},
          make("i", { "data-series": name }),
          `${word} `,
          make("strong", {}, values[index] === null || values[index] === undefined ? "–" : unit(values[index])),
        ),
      ),
    );
    moment.textContent = pointed === undefined ? "now" : shortTime(shown.times[index], 0);
    const x = (index + 0.5) * (WIDTH / shown.times.length);
    for (const side of ["x1", "x2"]) cursor.setAttribute(side, x);
    cursor.setAttribute("visibility", pointed === undefined ? "hidden" : "visible");
    stage.setAttribute(
      "aria-label",
      `${title}${step.textContent}, ${pointed === undefined ? "now" : shortTime(shown.times[index], 0)}: ${shown.series.map(({ word, values }) => `${word} ${values[index] === null ? "unknown" : unit(values[index] ?? 0)}`).join(", ")}`,
    );
  }

  return { element, show };
}

function gridLines() {
  return Array.from({ length: LINES }, (_each, index) =>
    svg("line", { class: "plot-line", x1: 0, x2: WIDTH, y1: (HEIGHT * index) / LINES, y2: (HEIGHT * index) / LINES }),
  );
}

function shapes({ times, series }, top) {
  const step = WIDTH / times.length;
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
      const from = y(piled[index]);
      piled[index] += value;
      const [left, right] = [index * step + step * 0.12, (index + 1) * step - step * 0.12];
      return `M${left} ${from}V${y(piled[index])}H${right}V${from}Z`;
    });
    return [svg("path", { class: "plot-bars", "data-series": name, d: path.join("") })];
  });
}

/** A line breaks where nothing was kept; a value alone between two gaps is a dash. */
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

function areas(values, step, y) {
  return values
    .map((value, index) =>
      value === null ? "" : `M${index * step} ${HEIGHT}V${y(value)}H${(index + 1) * step}V${HEIGHT}Z`,
    )
    .join("");
}

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

/** A round number at or above: the scale's top. Below ten its half is whole, too. */
function niceTop(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return (power === 1 ? [1, 2, 4, 6, 8, 10] : [1, 1.5, 2, 3, 4, 5, 6, 8, 10])
    .map((factor) => factor * power)
    .find((top) => top >= value);
}

function shortTime(ms, stepMs) {
  const moment = new Date(ms);
  if (stepMs > 3_600_000) return moment.toLocaleDateString([], { weekday: "short", day: "numeric" });
  return moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
