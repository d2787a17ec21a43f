import { closest } from "./elements.js";

const SHOWN_MS = 2_000;

/**
 * Makes every copy button copy the text of the element it names, and show that it did.
 * @param {(text: string) => void} say  Tells screen readers.
 */
export function wireCopyButtons(say) {
  document.addEventListener("click", (event) => {
    const button = closest(event, "[data-copy]:enabled");
    const source = document.getElementById(button?.dataset.copy ?? "");
    if (!button || !source) return;
    void copyText(source).then((copied) => {
      show(button, copied ? "Copied" : "Selected");
      say(copied ? "Copied" : "Selected. Press Control and C to copy.");
    });
  });
}

/**
 * The clipboard interface exists only on https and localhost. Elsewhere the older way is tried, and if
 * that fails the text is left selected.
 * @param {HTMLElement} source
 */
async function copyText(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    const selection = getSelection();
    selection?.selectAllChildren(source);
    const copied = document.execCommand("copy");
    if (copied) selection?.removeAllRanges();
    return copied;
  }
}

/** @type {WeakMap<HTMLElement, ReturnType<typeof setTimeout>>} */
const resets = new WeakMap();

/**
 * @param {HTMLElement} button
 * @param {string} word
 */
function show(button, word) {
  clearTimeout(resets.get(button));
  button.textContent = word;
  button.dataset.done = "";
  resets.set(
    button,
    setTimeout(() => {
      button.textContent = "Copy";
      delete button.dataset.done;
    }, SHOWN_MS),
  );
}
