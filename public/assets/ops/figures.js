/**
 * @import { OpsFigures } from "../../api-types.ts"
 * @import { OpsApi, Span } from "../../ops-types.ts"
 * @import { Series } from "./plot.js"
 */
import { closest, part } from "../elements.js";
import { mark, tell } from "./dom.js";
import { createPlot } from "./plot.js";
import { hostStates } from "./states.js";
import { dollars, lasting, quick, resultWords } from "./words.js";

const REFRESH_MS = 10_000;
const standingWords = Object.fromEntries(Object.entries(hostStates).map(([state, { word }]) => [state, word]));
/** @type {Readonly<Record<string, string>>} */
const causeWords = {
  expired: "expired",
  owner: "owner",
  operator: "operator",
  misuse: "misuse",
  failed: "failed",
  abandoned: "caller gone",
  lost: "lost",
};
/** What only a service that orders its own hosts has. */
let isFleet = true;
/** How those that were handed out began. */
const beginningWords = { warm: "handed out, was ready", cold: "handed out, had to start" };

/**
 * Plots of the last hour, day or week, kept up to date while the page is visible.
 * @param {OpsApi} api
 */
export function createFigures(api) {
  const plots = {
    leases: createPlot({ title: "Leases and slots" }),
    handouts: createPlot({ title: "Handed out and refused" }),
    took: createPlot({ title: "Startup time", unit: quick }),
    hosts: createPlot({ title: "Hosts by state" }),
    ends: createPlot({ title: "Ends by cause" }),
    droplets: createPlot({ title: "Droplets by state" }),
  };
  part("plots").append(...Object.values(plots).map(({ element }) => element));
  const spans = part("spans");
  /** @type {Span} */
  let span = "hour";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {OpsFigures | undefined} */
  let latest;
  /** @type {(() => void)[]} */
  const followers = [];

  spans.addEventListener("click", (event) => {
    const chosen = closest(event, "[data-span]")?.dataset.span;
    if (chosen !== "hour" && chosen !== "day" && chosen !== "week") return;
    span = chosen;
    for (const button of spans.querySelectorAll("button"))
      mark(button, "aria-pressed", String(button.dataset.span === span));
    void refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (timer !== undefined) refreshIfVisible();
  });

  function refreshIfVisible() {
    if (!document.hidden) void refresh();
  }

  async function refresh() {
    clearTimeout(timer);
    timer = setTimeout(refreshIfVisible, REFRESH_MS);
    const asked = span;
    const { value, problem } = await api.figures(asked);
    if (asked !== span) return;
    mark(part("figures-note"), "data-fault", Boolean(problem));
    tell(
      part("figures-note"),
      problem
        ? `Not up to date: ${problem.title.toLowerCase()}.`
        : !isFleet
          ? ""
          : `today (UTC) ${value.today.dropletHours.toFixed(1)} droplet-hours, ${dollars(value.today.dollars)}`,
    );
    if (value) show(value);
  }

  /** @param {OpsFigures} figures */
  function show(figures) {
    const { times, stepSeconds, took } = figures;
    const stepMs = stepSeconds * 1000;
    const common = { times, stepMs, nothing: "No figures of this time yet." };
    const counts = { ...common, per: `per ${stepMs === 60_000 ? "minute" : lasting(stepMs)}` };
    plots.leases.show({
      ...common,
      series: [
        { name: "free", word: "slots", shape: "line", values: figures.slots },
        { name: "live", word: "leases", shape: "area", values: figures.leases },
      ],
    });
    plots.handouts.show({
      ...counts,
      nothing: "No instance was asked for.",
      series: piled(byBeginning(figures), { ...resultWords, ...beginningWords }, ["warm", "cold", "created"]),
    });
    plots.took.show({
      ...common,
      nothing: "No instance was handed out.",
      series: [
        { name: "p99", word: "p99", shape: "line", values: took.p99 },
        { name: "p95", word: "p95", shape: "line", values: took.p95 },
        { name: "p50", word: "p50", shape: "line", values: took.p50 },
      ],
    });
    plots.hosts.show({ ...common, series: piled(figures.hosts, standingWords, ["open"]) });
    plots.ends.show({
      ...counts,
      nothing: "No instance has ended.",
      series: piled(figures.ends, causeWords, ["expired", "owner"]),
    });
    plots.droplets.show({
      ...common,
      nothing: "No droplets: this service orders no hosts.",
      series: piled(figures.droplets, standingWords, ["joined"]),
    });
    latest = figures;
    for (const follower of followers) follower();
  }

  return {
    start: refresh,
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
    latest: () => latest,
    /**
     * Without droplets, nothing is shown of them, nor of what they cost.
     * @param {boolean} has
     */
    setFleet(has) {
      if (has === isFleet) return;
      isFleet = has;
      plots.droplets.element.hidden = !has;
      if (!has) tell(part("figures-note"), "");
    },
    /** @param {() => void} follower */
    onShown(follower) {
      followers.push(follower);
    },
  };
}

/**
 * Outcomes of hand-outs, with those that succeeded by how they began; of what earlier versions have counted, that is
 * not known.
 * @param {OpsFigures} figures
 * @returns {OpsFigures["handouts"]}
 */
function byBeginning(figures) {
  const began = beginningsOf(figures);
  const { created = [], ...refused } = figures.handouts;
  const rest = created.map((all, step) =>
    all === null ? null : all - Object.values(began).reduce((sum, values) => sum + (values[step] ?? 0), 0),
  );
  return { ...began, ...(rest.some((count) => count !== null && count > 0) && { created: rest }), ...refused };
}

/**
 * How hand-outs began. An older replica of the service does not tell.
 * @param {{ readonly began?: OpsFigures["began"] }} figures
 */
export function beginningsOf({ began = {} }) {
  return began;
}

/**
 * One bar series a name, those named first at the bottom.
 * @param {OpsFigures["handouts"]} series
 * @param {Readonly<Record<string, string>>} words
 * @param {readonly string[]} first
 * @returns {Series[]}
 */
function piled(series, words, first) {
  const rank = (/** @type {string} */ name) => (first.includes(name) ? first.indexOf(name) : first.length);
  return Object.entries(series)
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([name, values]) => ({ name, word: words[name] ?? name, shape: "bar", values }));
}
