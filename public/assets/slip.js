/** @import { Entry, Slip } from "../home-types.ts" */
import { find, findAll, part } from "./elements.js";
import { nameOf } from "./lease-news.js";
import { clockTime, roughly, stateWords, timeLeft, whyEnded } from "./words.js";

/** A lease with less than this left is shown as running out. */
const EBB_MS = 10 * 60_000;
const NOTE_KEPT = "The password is shown only once. This browser remembers it until the end.";
const NOTE_UNKEPT = "The password is shown only once. This browser cannot remember it: save it and the token yourself.";
const NOTE_ENDED = "Its data is deleted, and its password no longer works.";

/**
 * The slip on which an instance is shown. It is already in the page, blank or filled; this fills it again.
 * @param {HTMLElement} root
 * @param {{ now: () => number }} clock  The service's time.
 * @param {() => boolean} isKept  Whether this browser remembers what is shown.
 * @returns {Slip}
 */
export function createSlip(root, clock, isKept) {
  const noteLine = part("lease-note", root);
  const fields = part("fields", root);
  const title = find(HTMLElement, "h2", root);
  const usualNote = () => (isKept() ? NOTE_KEPT : NOTE_UNKEPT);
  /** @type {unknown} */
  const parsed = JSON.parse(root.dataset.blanks ?? "");
  const blanks = /** @type {Record<string, string>} */ (parsed);
  /** @type {Entry | null} */
  let shown = null;
  /** @type {Parameters<typeof fill>[0]} */
  let filled = {};

  part("ways", root).addEventListener("change", () => void chooseWay());
  // Browsers may have chosen one again, after a reload.
  void chooseWay();

  /** The blank page has the snippets of the first way alone. */
  async function chooseWay() {
    if (root.querySelector("input:checked + label + .way")) return;
    try {
      await (await import("./ways.js")).addWay(part("ways", root));
      fill(filled);
    } catch {
      note("The service does not answer. Try again in a moment.", true);
    }
  }

  /** @param {string} state */
  function setState(state) {
    root.dataset.state = state;
    // What is being typed stays while news of the same instance come in.
    if (state !== "running" || !part("rename", root).contains(document.activeElement)) renaming(false);
    part("state-word", root).textContent = stateWords[state] ?? state;
    fields.inert = state !== "running" && state !== "ending";
    for (const button of findAll(HTMLButtonElement, "[data-ways] [data-copy]", root)) button.disabled = fields.inert;
  }

  /** @type {Slip["renaming"]} */
  function renaming(isOpen) {
    const isNamed = shown !== null && shown.state !== "ended";
    title.textContent = nameOf(shown ?? {});
    title.hidden = isOpen && isNamed;
    part("rename", root).hidden = !title.hidden;
    act("rename").hidden = title.hidden || !isNamed;
  }

  /**
   * Fills every place that shows a field; what is not known shows its blank. A URL may break after the user.
   * @param {Record<string, string | number | undefined>} values
   */
  function fill(values) {
    filled = values;
    for (const place of findAll(HTMLElement, "[data-field]", root)) {
      const name = place.dataset.field ?? "";
      const [head = "", tail] = String(values[name] ?? blanks[name]).split(/(?<=@)/);
      place.replaceChildren(head, ...(tail ? [document.createElement("wbr"), tail] : []));
    }
  }

  /** What runs in the instance that is shown, and that it came back empty when it did. */
  function tellServer() {
    const line = part("server", root);
    const entry = shown;
    line.hidden = false;
    line.toggleAttribute("data-restarted", Boolean(entry?.lastRestart));
    if (!entry) {
      line.textContent = "It runs Redis or Valkey.";
      return;
    }
    void import("./server-words.js").then(({ serverNote }) => {
      if (shown !== entry) return;
      line.textContent = serverNote(entry.instance, entry.lastRestart, new Date(clock.now()));
      line.hidden = line.textContent === "";
    });
  }

  /** @type {Slip["note"]} */
  function note(text, isFault = false) {
    noteLine.textContent = text;
    noteLine.toggleAttribute("data-fault", isFault);
  }

  /** @type {Slip["actions"]} */
  function actions(which) {
    for (const name of ["acts", "sure", "over"]) part(name, root).hidden = name !== which;
  }

  /**
   * @param {string} left
   * @param {string} until
   * @param {number} fraction  Of the bar.
   */
  function lease(left, until, fraction) {
    part("lease-left", root).textContent = left;
    part("lease-until", root).textContent = until;
    part("lease-bar", root).style.transform = `scaleX(${Math.min(1, Math.max(0, fraction))})`;
  }

  /**
   * @param {string} state
   * @param {string} left
   * @param {string} until
   */
  function showNothing(state, left, until) {
    shown = null;
    tellServer();
    setState(state);
    fill({});
    actions(null);
    lease(left, until, 0);
    note(usualNote());
  }

  function tick() {
    if (!shown) return;
    const { instance, state, endedAt, endCause } = shown;
    const now = new Date(clock.now());
    if (state === "ended") {
      lease(endedAt ? `Ended ${clockTime(new Date(endedAt), now)}.` : "Ended.", whyEnded(endCause), 0);
      return;
    }
    const end = new Date(instance.expiresAt);
    const leftMs = state === "running" ? end.getTime() - now.getTime() : 0;
    const fraction = leftMs / (end.getTime() - Date.parse(instance.createdAt));
    root.toggleAttribute("data-ebb", leftMs < EBB_MS);
    if (leftMs > 0) lease(`${timeLeft(leftMs)} left`, `until ${clockTime(end, now)}`, fraction);
    else lease("Ending.", "Its container is being removed.", fraction);
  }

  /** @param {string} name */
  function act(name) {
    return find(HTMLButtonElement, `[data-act="${name}"]`, root);
  }

  return {
    blank: () => showNothing("blank", "Press the button", "to fill in these blanks."),
    working: () => showNothing("working", "Starting", "a container. Only you get its password."),

    show(entry) {
      shown = entry;
      const { instance, state, transfer } = entry;
      const host = instance.host.includes(":") ? `[${instance.host}]` : instance.host;
      fill({ ...instance, address: `${host}:${instance.port}` });
      setState(state);
      tellServer();
      actions(state === "running" ? "acts" : state === "ended" ? "over" : null);
      note(state === "ended" ? NOTE_ENDED : usualNote());
      // Few ever send half of what they may: the words for it are loaded then.
      if (state !== "ended" && transfer?.limitBytes && transfer.sentBytes > transfer.limitBytes / 2)
        void import("./transfer.js").then(({ transferNote }) => {
          if (shown === entry) note(`${transferNote(transfer)} ${usualNote()}`);
        });
      tick();
    },

    tick,

    offerExtension(gainMs) {
      const button = act("extend");
      button.hidden = gainMs === null;
      if (gainMs !== null) button.textContent = `Extend by ${roughly(gainMs)}`;
    },

    actions,
    note,
    setState,
    act,
    renaming,
    focus: () => title.focus(),
  };
}
