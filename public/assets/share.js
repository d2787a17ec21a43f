/** @import { Held } from "../home-types.ts" */
import { find, part } from "./elements.js";
import { qrPath, shareLink } from "./share-link.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Shows the link to an instance as a code and as text. Both are gone once the sheet is closed.
 * @param {Held} instance
 */
export async function share(instance) {
  const sheet = find(HTMLDialogElement, "[data-share]");
  const link = shareLink(location.origin, instance);
  const text = find(HTMLElement, "#share-link");
  text.textContent = link;
  part("qr").replaceChildren(await drawCode(link));
  const send = part("send", sheet);
  // Browsers have it on https and localhost only, and many on desktops have none.
  send.hidden = !("share" in navigator);
  send.onclick = () => void navigator.share({ title: "A Redis", url: link }).catch(() => undefined);
  sheet.onclose = () => {
    text.textContent = "";
    part("qr").replaceChildren();
    send.onclick = null;
  };
  sheet.showModal();
}

/** @param {string} text */
async function drawCode(text) {
  const library = new URL("lean-qr/nano.mjs", import.meta.url).href;
  /** @type {unknown} */
  const loaded = await import(library);
  const { generate } = /** @type {typeof import("lean-qr/nano")} */ (loaded);
  const { side, path } = qrPath(generate(text));
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${side} ${side}`);
  const squares = document.createElementNS(SVG, "path");
  squares.setAttribute("d", path);
  svg.append(squares);
  return svg;
}
