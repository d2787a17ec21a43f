import { causeWords, clockTime, roughly, stateWords, timeLeft } from "./words.js";

/** A lease with less than this left is shown as running out. */
const EBB_MS = 10 * 60_000;
const NOTE_UNKEPT =
  "The password is shown only once, and this browser does not remember it: keep it and the token yourself.";
const NOTE_ENDED = "Its data is gone, and its password opens nothing any more.";

/**
 * The slip on which an instance is shown. It is already in the page, blank or filled; this fills it again.
 * @param {HTMLElement} root
 * @param {{now: () => number}} clock  The service's time.
 * @param {() => boolean} isKept  Whether this browser remembers what is shown.
 */
export function createSlip(root, clock, isKept) {
  const part = (name) => root.querySelector(`[data-${name}]`);
  const keptNote = part("lease-note").firstChild.data;
  const usualNote = () => (isKept() ? keptNote : NOTE_UNKEPT);
  const blanks = JSON.parse(root.dataset.blanks);
  let shown = null;

  function setState(state) {
    root.dataset.state = state;
    part("state-word").textContent = stateWords[state] ?? state;
    part("fields").inert = state !== "running" && state !== "ending";
    for (const button of part("ways").querySelectorAll("[data-copy]")) button.disabled = part("fields").inert;
  }

  /** Fills every place that shows a field; what is not known shows its blank. A URL is best broken after its @. */
  function fill(values) {
    for (const place of root.querySelectorAll("[data-field]")) {
      const [head, tail] = (values[place.dataset.field] ?? blanks[place.dataset.field]).split(/(?<=@)/);
      place.replaceChildren(head, ...(tail ? [document.createElement("wbr"), tail] : []));
    }
  }

  function note(text, isFault = false) {
    part("lease-note").textContent = text;
    part("lease-note").toggleAttribute("data-fault", isFault);
  }

  function actions(which) {
    for (const name of ["acts", "sure", "over"]) part(name).hidden = name !== which;
  }

  function lease(left, until) {
    part("lease-left").textContent = left;
    part("lease-until").textContent = until;
  }

  function setBar(fraction) {
    part("lease-bar").style.transform = `scaleX(${Math.min(1, Math.max(0, fraction))})`;
  }

  function showNothing(state, left, until) {
    shown = null;
    setState(state);
    fill({});
    actions(null);
    setBar(0);
    lease(left, until);
    note(usualNote());
  }

  return {
    blank: () => showNothing("blank", "Press the button", "and these blanks fill in."),
    working: () => showNothing("working", "Starting", "a container that only you have the password to."),

    /** Shows what the tab holds of an instance. */
    show(entry) {
      shown = entry;
      const { instance, state } = entry;
      const host = instance.host.includes(":") ? `[${instance.host}]` : instance.host;
      fill({ ...instance, address: `${host}:${instance.port}` });
      setState(state);
      actions(state === "running" ? "acts" : state === "ended" ? "over" : null);
      note(state === "ended" ? NOTE_ENDED : usualNote());
      this.tick();
    },

    /** Brings countdown and bar up to the second. */
    tick() {
      if (!shown) return;
      const { instance, state, endedAt, endCause } = shown;
      const now = clock.now();
      if (state === "ended") {
        setBar(0);
        lease(
          endedAt ? `Ended ${clockTime(new Date(endedAt), new Date(now))}.` : "Ended.",
          causeWords[endCause] ?? causeWords.unknown,
        );
        return;
      }
      const end = Date.parse(instance.expiresAt);
      const leftMs = state === "running" ? end - now : 0;
      root.toggleAttribute("data-ebb", leftMs < EBB_MS);
      setBar(leftMs / (end - Date.parse(instance.createdAt)));
      if (leftMs > 0) lease(`${timeLeft(leftMs)} left`, `until ${clockTime(new Date(end), new Date(now))}`);
      else lease("Ending.", "It is being taken down.");
    },

    /** Offers to extend the lease by this much; null where it cannot grow. */
    offerExtension(gainMs) {
      const button = this.act("extend");
      button.hidden = gainMs === null;
      if (gainMs !== null) button.textContent = `Extend by ${roughly(gainMs)}`;
    },

    actions,
    note,
    setState,
    act: (name) => root.querySelector(`[data-act="${name}"]`),
    focus: () => root.querySelector("h2").focus(),
  };
}
