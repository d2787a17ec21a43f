import { act, ask } from "./ask.js";
import { isInside, keep, make, mark, part, tell } from "./dom.js";
import { lasting } from "./words.js";

const RETRY_MS = 3_000;

const switchWords = {
  handouts: {
    name: "Hand-outs",
    on: "Going on",
    off: "Paused: everybody is told to come back later",
    pause: {
      title: "Pause all hand-outs?",
      detail: "Everybody who asks is told to come back later. What is already out runs on.",
      act: "Pause them",
    },
  },
  scaling: {
    name: "Scaling",
    on: "Going on",
    off: "Paused: nothing is ordered, drained or destroyed",
    pause: {
      title: "Pause the scaling?",
      detail: "Nothing is ordered, drained or destroyed until you let it go on, but what you ask for by name.",
      act: "Pause it",
    },
  },
};

/** Switches, jobs and blocked addresses. */
export function createControls(api, now) {
  const switches = part("switches");
  const jobs = part("jobs");
  const blocks = part("blocks");
  const note = part("blocks-note");
  const form = part("block");
  let asked = 0;
  let retrying;

  switches.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-switch]");
    if (!button) return;
    const { switch: name } = button.dataset;
    const paused = button.getAttribute("aria-checked") === "true";
    const words = switchWords[name];
    if (paused && !(await ask(words.pause))) return;
    await act(
      button,
      () => api.setSwitch(name, paused),
      paused ? `${words.name}: paused.` : `${words.name}: going on.`,
    );
  });

  jobs.addEventListener("click", (event) => {
    const button = event.target.closest("[data-run]");
    if (button)
      void act(
        button,
        () => api.runJob(button.dataset.run),
        `Job ${button.dataset.run} is asked to run; see below how it comes out.`,
      );
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { address, reason } = Object.fromEntries(new FormData(form));
    const sure = await ask({
      title: `Block ${address.trim()}?`,
      detail: "It gets no more instances; an IPv6 address counts with its whole /64. What it holds runs on.",
      act: "Block it",
    });
    if (
      sure &&
      (await act(
        form.querySelector("button"),
        () => api.block(address.trim(), reason.trim()),
        `${address.trim()} is blocked.`,
      ))
    )
      form.reset();
    await load();
  });

  blocks.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-unblock]");
    if (!button) return;
    await act(button, () => api.unblock(button.dataset.unblock), `${button.dataset.unblock} may have instances again.`);
    await load();
  });

  /** Reads the blocked addresses anew, until it works. */
  async function load() {
    clearTimeout(retrying);
    if (!isInside()) return;
    const mine = ++asked;
    const { value, problem } = await api.blocks();
    if (mine !== asked) return;
    mark(note, "data-fault", problem);
    note.hidden = !problem && value.length > 0;
    tell(note, problem ? `Not up to date: ${problem.title.toLowerCase()}.` : "No address is blocked.");
    if (problem) retrying = setTimeout(load, RETRY_MS);
    else
      keep(
        blocks,
        value,
        ({ address }) => address,
        blockLine,
        (line, { reason }) => tell(part("reason", line), reason),
      );
  }

  function draw(picture) {
    keep(
      switches,
      picture.switches.filter(({ name }) => name !== "scaling" || picture.rules.isFleet),
      ({ name }) => name,
      switchLine,
      updateSwitch,
    );
    keep(
      jobs,
      picture.jobs,
      ({ job }) => job,
      jobLine,
      (line, job) => updateJob(line, job, now()),
    );
  }

  function forget() {
    asked++;
    clearTimeout(retrying);
    for (const list of [switches, jobs, blocks]) keep(list, []);
    note.hidden = false;
    mark(note, "data-fault", null);
    tell(note, "Looking…");
  }

  return { draw, load, forget };
}

function switchLine({ name }) {
  return make(
    "div",
    { class: "switch" },
    make(
      "button",
      { type: "button", role: "switch", "data-switch": name, "aria-label": switchWords[name].name },
      make("i"),
    ),
    make("p", {}, make("strong", {}, switchWords[name].name), make("span", { "data-word": true })),
  );
}

function updateSwitch(line, { name, paused }) {
  mark(part("switch", line), "aria-checked", String(!paused));
  tell(part("word", line), paused ? switchWords[name].off : switchWords[name].on);
  mark(line, "data-paused", paused);
}

function jobLine({ job }) {
  return make(
    "li",
    { class: "job" },
    make("p", {}, make("strong", {}, job), make("span", { "data-word": true })),
    make("button", { class: "quiet", type: "button", "data-run": job, "aria-label": `Run now: ${job}` }, "Run now"),
  );
}

function updateJob(line, { startedAt, finishedAt, fault }, nowMs) {
  const isRunning = finishedAt === null || finishedAt < startedAt;
  mark(line, "data-fault", !isRunning && fault !== null);
  tell(
    part("word", line),
    isRunning
      ? `running for ${lasting(nowMs - Date.parse(startedAt))}`
      : fault === null
        ? `done ${lasting(nowMs - Date.parse(finishedAt))} ago`
        : `failed ${lasting(nowMs - Date.parse(finishedAt))} ago: ${fault}`,
  );
}

function blockLine({ address, reason }) {
  return make(
    "li",
    {},
    make("p", {}, make("strong", { class: "mono" }, address), make("span", { "data-reason": true }, reason)),
    make(
      "button",
      { class: "quiet", type: "button", "data-unblock": address, "aria-label": `Unblock ${address}` },
      "Unblock",
    ),
  );
}
