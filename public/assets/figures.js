/**
 * @import { ConsoleFigures } from "../api-types.ts"
 * @import { Api, Bench, Held } from "../home-types.ts"
 */
import { bytesInWords } from "./bytes.js";
import { find, part } from "./elements.js";
import { drawPlot } from "./plot.js";

const PERIOD_MS = 2_000;
/** A plot begins on a scale of a minute, and grows to five. */
const LEAST_SPAN_MS = 60_000;
const SPAN_MS = 5 * 60_000;
const GAP_MS = 3 * PERIOD_MS;
const MB = 1024 * 1024;
const NOTE_SILENT = "No answer from the instance. Showing the last known values.";
const NOTE_BUSY = "A script is running; figures pause until it ends.";

/**
 * How each tile shows its figure, and the value that a plot must reach to fill its height.
 * @type {Record<string, {
 *   value: (figures: ConsoleFigures) => number,
 *   text: (value: number) => string,
 *   of: (figures: ConsoleFigures) => string,
 *   least: number,
 * }>}
 */
const tiles = {
  memory: {
    value: (figures) => figures.memoryBytes,
    text: bytesInWords,
    of: (figures) => `of ${bytesInWords(figures.maxMemoryBytes)}`,
    least: 2 * MB,
  },
  keys: { value: (figures) => figures.keys, text: counted, of: () => "", least: 4 },
  clients: {
    value: (figures) => figures.clients,
    text: counted,
    of: (figures) => `of ${counted(figures.maxClients)}`,
    least: 4,
  },
  ops: { value: (figures) => figures.opsPerSecond, text: counted, of: () => "", least: 10 },
};

/**
 * Figures of the instance shown, asked for every two seconds while the page is visible.
 * @param {HTMLElement} root
 * @param {Api} api
 * @param {(id: string) => void} onRefused
 * @returns {Bench}
 */
export function createFigures(root, api, onRefused) {
  const pause = find(HTMLButtonElement, "[data-figures-pause]", root);
  const note = part("figures-note", root);
  const usualNote = note.textContent;
  /** @type {Map<string, { atMs: number, figures: ConsoleFigures }[]>} By the instance's id. */
  const courses = new Map();
  /** @type {Held | null} */
  let instance = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isAsking = false;
  let isPaused = false;

  document.addEventListener("visibilitychange", () => void ask());
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Resume" : "Pause";
    void ask();
  });

  async function ask() {
    clearTimeout(timer);
    if (!instance || isAsking || isPaused || document.hidden) return;
    isAsking = true;
    const { id } = instance;
    const { value, problem } = await api.figures(instance);
    isAsking = false;
    if (value) remember(id, value);
    if (!isShown(id)) {
      void ask();
      return;
    }
    note.textContent = value ? usualNote : problem.type?.endsWith(":script-running") ? NOTE_BUSY : NOTE_SILENT;
    root.toggleAttribute("data-silent", !value);
    if (value) show();
    // 4xx: trying again does not help, unless it was asked too often.
    else if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
      onRefused(id);
      return;
    }
    timer = setTimeout(() => void ask(), Math.max(PERIOD_MS, (problem?.retryAfterSeconds ?? 0) * 1000));
  }

  /** @param {string} id */
  function isShown(id) {
    return instance?.id === id;
  }

  /**
   * @param {string} id
   * @param {ConsoleFigures} figures
   */
  function remember(id, figures) {
    const nowMs = Date.now();
    courses.set(id, [
      ...(courses.get(id) ?? []).filter(({ atMs }) => nowMs - atMs < SPAN_MS),
      { atMs: nowMs, figures },
    ]);
  }

  function show() {
    const course = courses.get(instance?.id ?? "") ?? [];
    const last = course.at(-1);
    const nowMs = last?.atMs ?? 0;
    const spanMs = Math.max(LEAST_SPAN_MS, nowMs - (course[0]?.atMs ?? 0));
    for (const [name, { value, text, of, least }] of Object.entries(tiles)) {
      const tile = find(HTMLElement, `[data-tile=${name}]`, root);
      const points = course.map(({ atMs, figures }) => ({ atMs, value: value(figures) }));
      const values = points.map((point) => point.value);
      const svg = find(SVGElement, "svg", tile);
      part("value", tile).textContent = last ? text(value(last.figures)) : "–";
      part("of", tile).textContent = last ? of(last.figures) : "";
      drawPlot(svg, points, { nowMs, spanMs, gapMs: GAP_MS, least });
      const range = last
        ? `from ${text(Math.min(...values))} to ${text(Math.max(...values))} in the last minutes`
        : "nothing yet";
      svg.setAttribute("aria-label", `${find(HTMLElement, "h3", tile).textContent}: ${range}`);
    }
  }

  return {
    use(next) {
      if (next?.id === instance?.id) return;
      instance = next;
      pause.disabled = !next;
      root.removeAttribute("data-silent");
      note.textContent = usualNote;
      show();
      void ask();
    },
  };
}

/** @param {number} number */
function counted(number) {
  return number.toLocaleString("en");
}
