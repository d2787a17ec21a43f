import { mark, part, tell } from "./dom.js";
import { createPlot } from "./plot.js";
import { dollars, lasting, quick, resultWords, standingWords } from "./words.js";

const REFRESH_MS = 10_000;
const causeWords = {
  expired: "time up",
  owner: "owner",
  operator: "operator",
  failed: "failed",
  abandoned: "hung up",
  lost: "lost",
};

/** Plots of the last hour, day or week, kept up while the page is looked at. */
export function createFigures(api) {
  const plots = {
    leases: createPlot({ title: "Leases and slots" }),
    handouts: createPlot({ title: "Hand-outs and refusals" }),
    took: createPlot({ title: "Time to a PONG", unit: quick }),
    hosts: createPlot({ title: "Hosts by standing" }),
    ends: createPlot({ title: "Ends by cause" }),
    droplets: createPlot({ title: "Droplets by state" }),
  };
  part("plots").append(...Object.values(plots).map(({ element }) => element));
  const spans = part("spans");
  let span = "hour";
  let timer;
  let latest;
  const followers = [];

  spans.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-span]")?.dataset.span;
    if (!chosen) return;
    span = chosen;
    for (const button of spans.children) mark(button, "aria-pressed", String(button.dataset.span === span));
    void refresh();
  });
  document.addEventListener("visibilitychange", () => !document.hidden && timer && void refresh());

  async function refresh() {
    clearTimeout(timer);
    timer = setTimeout(() => !document.hidden && void refresh(), REFRESH_MS);
    const asked = span;
    const { value, problem } = await api.figures(asked);
    if (asked !== span) return;
    mark(part("figures-note"), "data-fault", problem);
    tell(
      part("figures-note"),
      problem
        ? `Not up to date: ${problem.title.toLowerCase()}.`
        : `today (UTC) ${value.today.dropletHours.toFixed(1)} droplet-hours, ${dollars(value.today.dollars)}`,
    );
    if (value) show(value);
  }

  function show(figures) {
    const { times, stepSeconds } = figures;
    const stepMs = stepSeconds * 1000;
    const common = { times, stepMs, nothing: "Nothing kept of this time yet." };
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
      nothing: "Nobody has asked for an instance.",
      series: piled(figures.handouts, resultWords, ["created"]),
    });
    plots.took.show({
      ...common,
      nothing: "Nothing handed out.",
      series: ["p99", "p95", "p50"].map((name) => ({ name, word: name, shape: "line", values: figures.took[name] })),
    });
    plots.hosts.show({ ...common, series: piled(figures.hosts, standingWords, ["open"]) });
    plots.ends.show({
      ...counts,
      nothing: "Nothing has ended.",
      series: piled(figures.ends, causeWords, ["expired", "owner"]),
    });
    plots.droplets.show({
      ...common,
      nothing: "No droplets: this service runs on hosts of its own.",
      series: piled(figures.droplets, standingWords, ["joined"]),
    });
    latest = figures;
    for (const follower of followers) follower(figures);
  }

  return {
    start: refresh,
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
    latest: () => latest,
    onShown: (follower) => followers.push(follower),
  };
}

/** One bar series a name, those named first at the bottom. */
function piled(series, words, first) {
  const names = [
    ...first.filter((name) => name in series),
    ...Object.keys(series).filter((name) => !first.includes(name)),
  ];
  return names.map((name) => ({ name, word: words[name] ?? name, shape: "bar", values: series[name] }));
}
