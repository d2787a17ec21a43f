import { keep, make, part, tell } from "./dom.js";

/**
 * The panel at the side with one host or one instance. Its address is in the page's: it survives a
 * reload, and Back closes it.
 * @param {Record<string, (name: string, box: HTMLElement) => (() => void)>} views
 *   By kind: fills the box and gives back how to bring it up to date.
 */
export function createPanel(views) {
  const dialog = part("panel");
  let box = part("panel-box");
  let refresh;

  function open(kind, name) {
    const hash = `#${kind}/${encodeURIComponent(name)}`;
    if (location.hash === hash) show();
    else location.hash = hash;
  }

  function show() {
    const [, kind, name] = /^#(host|instance)\/(.+)$/.exec(location.hash) ?? [];
    if (!kind || document.body.dataset.session !== "open") {
      refresh = undefined;
      if (dialog.open) dialog.close();
      return;
    }
    const next = make("div", { class: "panel-box" });
    box.replaceWith(next);
    box = next;
    refresh = views[kind](decodeURIComponent(name), box);
    if (!dialog.open) dialog.showModal();
    // Also from one thing to another: what had the focus is gone.
    box.querySelector("#panel-title").focus();
  }

  part("close-panel").addEventListener("click", () => dialog.close());
  // A click beside it closes it.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    // Told later than it happens: it may be open again.
    if (dialog.open) return;
    refresh = undefined;
    box.replaceChildren();
    if (/^#(host|instance)\//.test(location.hash)) history.replaceState(null, "", location.pathname);
  });
  addEventListener("hashchange", show);

  return { open, show, refresh: () => refresh?.(), close: () => dialog.open && dialog.close() };
}

/** Shows facts, pairs of a name and a text or an element, in a `dl`. An element stays the one that was given first. */
export function drawFacts(list, facts) {
  keep(
    list,
    facts,
    ([name]) => name,
    ([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)),
    (line, [, value]) => typeof value === "string" && tell(line.lastElementChild, value),
  );
}
