import { find, part } from "./elements.js";

/** What stands for a field of the instance, or for what is known of the service, in a snippet. */
const PLACES = /\{(url|password|id|origin|seconds)\}/;

/**
 * Loads the snippets of the way that is chosen.
 * @param {HTMLElement} ways
 */
export async function addWay(ways) {
  const input = find(HTMLInputElement, "input:checked", ways);
  const label = find(HTMLElement, `[for="${input.id}"]`, ways);
  const files = input.value.split(" ");
  const texts = await Promise.all(files.map(load));
  // Chosen twice meanwhile.
  if (label.nextElementSibling?.matches(".way")) return;
  const first = find(HTMLElement, ".code", ways);
  const way = document.createElement("div");
  way.className = "way";
  way.append(
    ...texts.map((text, index) => {
      const block = /** @type {HTMLElement} */ (first.cloneNode(true));
      const code = find(HTMLElement, "code", block);
      code.id = `code-${files[index] ?? ""}`;
      code.replaceChildren(...text.split(PLACES).map((piece, at) => (at % 2 === 0 ? piece : place(piece))));
      const button = part("copy", block);
      button.textContent = "Copy";
      delete button.dataset.done;
      button.dataset.copy = code.id;
      button.setAttribute("aria-label", `Copy for ${label.textContent}`);
      return block;
    }),
  );
  label.after(way);
}

/** @param {string} file */
async function load(file) {
  const answer = await fetch(new URL(`snippets/${file}.txt`, import.meta.url)).catch(() => undefined);
  if (answer?.ok) return (await answer.text()).trimEnd();
  throw new Error("the snippet could not be loaded");
}

/** @param {string} name */
function place(name) {
  if (name === "origin") return location.origin;
  if (name === "seconds") return find(HTMLElement, "#home").dataset.ttlSeconds ?? "";
  const field = document.createElement("span");
  field.dataset.field = name;
  return field;
}
