import { drawPlot } from "./plot.js";
import { bytesInWords } from "./words.js";

const PERIOD_MS = 2_000;
/** A course begins on a scale of a minute, and grows to five. */
const LEAST_SPAN_MS = 60_000;
const SPAN_MS = 5 * 60_000;
const GAP_MS = 3 * PERIOD_MS;
const MB = 1024 * 1024;
const NOTE_SILENT = "The instance does not tell just now. What is shown is its last word.";

/** How each tile words its figure, and what a course must reach not to look flat. */
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
 * Figures of the instance shown, asked for every two seconds while somebody can see them.
 * @param {HTMLElement} root
 * @param {(id: string) => void} onRefused
 */
export function createFigures(root, api, onRefused) {
  const pause = root.querySelector("[data-figures-pause]");
  const note = root.querySelector("[data-figures-note]");
  const usualNote = note.textContent;
  /** What each instance told, by its id: `{atMs, figures}[]`. */
  const courses = new Map();
  let instance = null;
  let timer;
  let isAsking = false;
  let isPaused = false;

  document.addEventListener("visibilitychange", ask);
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
    ask();
  });

  async function ask() {
    clearTimeout(timer);
    if (!instance || isAsking || isPaused || document.hidden) return;
    isAsking = true;
    const { id } = instance;
    const { value, problem } = await api.figures(instance);
    isAsking = false;
    if (value) remember(id, value);
    if (id !== instance?.id) return ask();
    note.textContent = value ? usualNote : NOTE_SILENT;
    root.toggleAttribute("data-silent", !value);
    if (value) show();
    // 4xx: not a matter of time, unless it is one of how often.
    else if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) return onRefused(id);
    timer = setTimeout(ask, Math.max(PERIOD_MS, (problem?.retryAfterSeconds || 0) * 1000));
  }

  function remember(id, figures) {
    const nowMs = Date.now();
    courses.set(id, [
      ...(courses.get(id) ?? []).filter(({ atMs }) => nowMs - atMs < SPAN_MS),
      { atMs: nowMs, figures },
    ]);
  }

  function show() {
    const course = courses.get(instance?.id) ?? [];
    const last = course.at(-1);
    const spanMs = Math.max(LEAST_SPAN_MS, last?.atMs - course[0]?.atMs || 0);
    for (const [name, { value, text, of, least }] of Object.entries(tiles)) {
      const tile = root.querySelector(`[data-tile=${name}]`);
      const points = course.map(({ atMs, figures }) => ({ atMs, value: value(figures) }));
      const svg = tile.querySelector("svg");
      tile.querySelector("[data-value]").textContent = last ? text(value(last.figures)) : "–";
      tile.querySelector("[data-of]").textContent = last ? of(last.figures) : "";
      drawPlot(svg, points, { nowMs: last?.atMs, spanMs, gapMs: GAP_MS, least });
      const [low, high] = [Math.min, Math.max].map((extreme) => text(extreme(...points.map((point) => point.value))));
      svg.setAttribute(
        "aria-label",
        `${tile.querySelector("h3").textContent}: ${last ? `from ${low} to ${high} in the last minutes` : "nothing yet"}`,
      );
    }
  }

  return {
    /** Shows this instance's figures; none with null. */
    use(next) {
      if (next?.id === instance?.id) return;
      instance = next;
      pause.disabled = !next;
      root.removeAttribute("data-silent");
      note.textContent = usualNote;
      show();
      ask();
    },
  };
}

function counted(number) {
  return number.toLocaleString("en");
}
