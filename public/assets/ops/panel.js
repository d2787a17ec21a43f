import { make, part } from "./dom.js";

/**
 * The panel at the side with one host or one instance. Its address is in the page's: it survives a
 * reload, and Back closes it.
 * @param {Record<string, (name: string, box: HTMLElement) => (() => void)>} views
 *   By kind: fills the box and gives back how to bring it up to date.
 */
export function createPanel(views) {
  const dialog = part("panel");
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
    const box = make("div", { class: "panel-box" });
    const close = make("button", { class: "quiet panel-close", type: "button", "aria-label": "Close" }, "Close");
    close.addEventListener("click", () => dialog.close());
    dialog.replaceChildren(close, box);
    refresh = views[kind](decodeURIComponent(name), box);
    if (!dialog.open) dialog.showModal();
  }

  // A click beside it closes it.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    refresh = undefined;
    if (/^#(host|instance)\//.test(location.hash)) history.replaceState(null, "", location.pathname);
  });
  addEventListener("hashchange", show);

  return { open, show, refresh: () => refresh?.(), close: () => dialog.open && dialog.close() };
}

/** Facts as pairs of a name and a text or an element. */
export function factList(facts) {
  return make("dl", { class: "facts" }, facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}
