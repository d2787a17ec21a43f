/**
 * @import { FleetOverview, OpsBlock, SwitchName } from "../../api-types.ts"
 * @import { OpsApi } from "../../ops-types.ts"
 */
import { closest, find, part } from "../elements.js";
import { act, ask } from "./ask.js";
import { askAndBlock } from "./block.js";
import { may } from "./roles.js";
import { fieldOf, isInside, listIn, make, mark, tell } from "./dom.js";
import { counted, lasting } from "./words.js";

const RETRY_MS = 3_000;
const DAY_MS = 86_400_000;

/** @typedef {FleetOverview["switches"][number]} Switch */
/** @typedef {FleetOverview["jobs"][number]} Job */

/** @satisfies {Record<SwitchName, object>} */
const switchWords = {
  handouts: {
    name: "New instances",
    on: "On",
    off: "Paused: everybody is told to come back later",
    pause: {
      title: "Pause new instances?",
      detail: "Everybody who asks for one is told to come back later. Instances that run keep running.",
      act: "Pause them",
    },
  },
  scaling: {
    name: "Scaling",
    on: "On",
    off: "Paused: nothing is ordered, drained or destroyed",
    pause: {
      title: "Pause scaling?",
      detail:
        "Until scaling is resumed, nothing is ordered, drained or destroyed, " +
        "except the hosts that you drain or destroy yourself.",
      act: "Pause it",
    },
  },
};

/**
 * Switches, jobs and blocked addresses.
 * @param {OpsApi} api
 * @param {() => number} now
 */
export function createControls(api, now) {
  const switches = part("switches");
  const jobs = part("jobs");
  const blocks = part("blocks");
  const note = part("blocks-note");
  const listNote = part("listed-note");
  const form = find(HTMLFormElement, "[data-block]");
  const address = find(HTMLInputElement, "[name=address]", form);
  const fault = part("block-fault");
  const showSwitches = listIn(switches, ({ name }) => name, switchLine);
  const showJobs = listIn(jobs, ({ job }) => job, jobLine);
  const showBlocks = listIn(blocks, ({ address }) => address, blockLine);
  let asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retrying;

  switches.addEventListener("click", (event) => {
    const button = closest(event, "[data-switch]");
    const name = button?.dataset.switch;
    if (button instanceof HTMLButtonElement && may("operator") && (name === "handouts" || name === "scaling"))
      void turn(button, name);
  });

  jobs.addEventListener("click", (event) => {
    const button = closest(event, "[data-run]");
    const job = button?.dataset.run;
    if (button instanceof HTMLButtonElement && job)
      void act(button, () => api.runJob(job), `Job ${job} is asked to run. Its line shows the result.`);
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void block();
  });
  form.addEventListener("input", () => complain(""));

  blocks.addEventListener("click", (event) => {
    const button = closest(event, "[data-unblock]");
    const address = button?.dataset.unblock;
    if (button instanceof HTMLButtonElement && address)
      void act(button, () => api.unblock(address), `${address} is no longer blocked.`).then(load);
  });

  /**
   * @param {HTMLButtonElement} button
   * @param {SwitchName} name
   */
  async function turn(button, name) {
    const paused = button.getAttribute("aria-checked") === "true";
    const words = switchWords[name];
    if (paused && !(await ask(words.pause))) return;
    await act(button, () => api.setSwitch(name, paused), `${words.name}: ${paused ? "paused" : "resumed"}.`);
  }

  async function block() {
    const days = Number(fieldOf(form, "days"));
    const wanted = {
      address: fieldOf(form, "address"),
      reason: fieldOf(form, "reason"),
      ...(days > 0 && { until: new Date(now() + days * DAY_MS).toISOString() }),
      endInstances: fieldOf(form, "ends") !== "",
    };
    const button = find(HTMLButtonElement, "button", form);
    if (await askAndBlock(api, wanted, button, (problem) => complain(problem.detail.replace(/^address: /, ""))))
      form.reset();
    await load();
  }

  /**
   * Tells beside the field what is wrong with the address; nothing, when nothing is.
   * @param {string} text
   */
  function complain(text) {
    fault.hidden = text === "";
    tell(fault, text);
    mark(address, "aria-invalid", text === "" ? null : "true");
    if (text !== "") address.focus();
  }

  /** Reads the blocked addresses again, and retries until it works. */
  async function load() {
    clearTimeout(retrying);
    if (!isInside() || !may("operator")) return;
    const mine = ++asked;
    const { value, problem, total } = await api.blocks();
    if (mine !== asked) return;
    mark(note, "data-fault", Boolean(problem));
    if (problem) {
      note.hidden = false;
      tell(note, `Not up to date: ${problem.title.toLowerCase()}.`);
      retrying = setTimeout(() => void load(), RETRY_MS);
      return;
    }
    const listed = total - value.length;
    note.hidden = total > 0;
    tell(note, "No address is blocked.");
    listNote.hidden = listed === 0;
    tell(listNote, `${counted(listed, "network")} more from the list in BLOCK_LIST_FILE.`);
    showBlocks(value, (line, block) => tell(part("reason", line), reasonOf(block)));
  }

  /** @param {FleetOverview} overview */
  function draw(overview) {
    showSwitches(
      overview.switches.filter(({ name }) => name !== "scaling" || overview.rules.isFleet),
      updateSwitch,
    );
    showJobs(overview.jobs, (line, job) => updateJob(line, job, now()));
  }

  function forget() {
    asked++;
    clearTimeout(retrying);
    showSwitches([]);
    showJobs([]);
    showBlocks([]);
    listNote.hidden = true;
    note.hidden = false;
    mark(note, "data-fault", null);
    tell(note, "Loading");
    complain("");
    form.reset();
  }

  return { draw, load, forget };
}

/** @param {Switch} state */
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

/**
 * @param {HTMLElement} line
 * @param {Switch} state
 */
function updateSwitch(line, { name, paused }) {
  const button = part("switch", line);
  mark(button, "aria-checked", String(!paused));
  mark(button, "aria-disabled", may("operator") ? null : "true");
  tell(part("word", line), paused ? switchWords[name].off : switchWords[name].on);
  mark(line, "data-paused", paused);
}

/** @param {Job} run */
function jobLine({ job }) {
  return make(
    "li",
    { class: "job" },
    make("p", {}, make("strong", {}, job), make("span", { "data-word": true })),
    may("operator") &&
      make("button", { class: "quiet", type: "button", "data-run": job, "aria-label": `Run now: ${job}` }, "Run now"),
  );
}

/**
 * @param {HTMLElement} line
 * @param {Job} run
 * @param {number} nowMs
 */
function updateJob(line, { startedAt, finishedAt, fault }, nowMs) {
  const isRunning = finishedAt === null || finishedAt < startedAt;
  mark(line, "data-fault", !isRunning && fault !== null);
  if (isRunning) tell(part("word", line), `running for ${lasting(nowMs - Date.parse(startedAt))}`);
  else {
    const ago = `${lasting(nowMs - Date.parse(finishedAt))} ago`;
    tell(part("word", line), fault === null ? `done ${ago}` : `failed ${ago}: ${fault}`);
  }
}

/** @param {OpsBlock} block */
function reasonOf({ reason, until }) {
  const end = until && new Date(until).toLocaleString([], { dateStyle: "medium", timeStyle: "short", hour12: false });
  return [reason, end && `until ${end}`].filter(Boolean).join(" · ");
}

/** @param {OpsBlock} block */
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
