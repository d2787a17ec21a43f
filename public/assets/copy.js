const SHOWN_MS = 2_000;

/**
 * Makes every copy button copy the text of the element it names, and say so.
 * @param {(text: string) => void} say  Tells screen readers.
 */
export function wireCopyButtons(say) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button || button.disabled) return;
    const source = document.getElementById(button.dataset.copy);
    const copied = await copyText(source);
    show(button, copied ? "Copied" : "Selected");
    say(copied ? "Copied" : "Selected. Press Control and C to copy.");
  });
}

// The clipboard interface exists only on https and localhost; elsewhere the older way, and at the
// least the text is left selected.
async function copyText(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    const selection = getSelection();
    selection.selectAllChildren(source);
    const copied = document.execCommand("copy");
    if (copied) selection.removeAllRanges();
    return copied;
  }
}

const resets = new WeakMap();

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
