/** @import { Open, View } from "../../ops-types.ts" */
import { closest, find, part } from "../elements.js";
import { listIn, make, tell } from "./dom.js";

/**
 * The panel at the side with one host or one instance. What it shows is in the page's address: it survives
 * a reload, and Back closes it.
 * @param {{ host: View, instance: View }} views
 */
export function createPanel(views) {
  const dialog = find(HTMLDialogElement, "[data-panel]");
  let box = part("panel-box");
  /** @type {(() => void) | undefined} */
  let refresh;

  /** @type {Open} */
  function open(kind, name) {
    const hash = `#${kind}/${encodeURIComponent(name)}`;
    if (location.hash === hash) show();
    else location.hash = hash;
  }

  function show() {
    const [, kind, name] = /^#(host|instance)\/(.+)$/.exec(location.hash) ?? [];
    if (!name || document.body.dataset.session !== "open") {
      refresh = undefined;
      if (dialog.open) dialog.close();
      return;
    }
    const next = make("div", { class: "panel-box" });
    box.replaceWith(next);
    box = next;
    refresh = views[kind === "host" ? "host" : "instance"](decodeURIComponent(name), box);
    if (!dialog.open) dialog.showModal();
    // The element that had the focus is gone, also when the panel goes from one thing to another.
    find(HTMLElement, "#panel-title", box).focus();
  }

  part("close-panel").addEventListener("click", () => dialog.close());
  // A click beside the panel closes it.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    // The event comes later than the closing: the panel may be open again.
    if (dialog.open) return;
    refresh = undefined;
    box.replaceChildren();
    if (/^#(host|instance)\//.test(location.hash)) history.replaceState(null, "", location.pathname);
  });
  addEventListener("hashchange", show);

  return {
    open,
    show,
    refresh: () => refresh?.(),
    close() {
      if (dialog.open) dialog.close();
    },
  };
}

/**
 * A button that opens a host or an instance, once `followLinks` watches it.
 * @param {"host" | "instance"} kind
 * @param {string} name
 * @param {string} [style]
 */
export function linkTo(kind, name, style = "link") {
  return make("button", { class: style, type: "button", "data-open": kind, "data-name": name }, name);
}

/**
 * Makes the links within an element open what they name, other than what is shown already.
 * @param {HTMLElement} element
 * @param {Open} open
 * @param {string} [shown]
 */
export function followLinks(element, open, shown) {
  element.addEventListener("click", (event) => {
    const { open: kind, name } = closest(event, "[data-open]")?.dataset ?? {};
    if (name && name !== shown && (kind === "host" || kind === "instance")) open(kind, name);
  });
}

/** @typedef {[name: string, value: string | HTMLElement]} Fact */

/**
 * Makes a `dl` show facts. A text is updated with each call, an element stays the one that was given first.
 * @param {HTMLElement} list
 * @returns {(facts: readonly Fact[]) => void}
 */
export function factsIn(list) {
  const show = listIn(
    list,
    ([name]) => name,
    /** @param {Fact} fact */
    ([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)),
  );
  return (facts) =>
    show(facts, (line, [, value]) => {
      if (typeof value === "string") tell(find(HTMLElement, "dd", line), value);
    });
}
