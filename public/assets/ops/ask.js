import { make, part } from "./dom.js";

/**
 * Asks before something that hurts.
 * @param {{title: string, detail: string, act: string, typed?: string, field?: {label: string, value: string, type?: string}}} wish
 *   typed: what must be typed first, such as a host's name; field: something to fill in.
 * @returns {Promise<string | true | undefined>}  True, or what was filled in; undefined when it shall not be.
 */
export function ask({ title, detail, act, typed, field }) {
  const dialog = part("ask");
  const input =
    (typed !== undefined || field) &&
    make("input", {
      id: "ask-field",
      name: "field",
      autocomplete: "off",
      spellcheck: "false",
      value: field?.value,
      type: field?.type ?? "text",
      required: true,
    });
  const yes = make(
    "button",
    { class: typed === undefined && field ? "quiet strong" : "quiet danger", value: "yes" },
    act,
  );
  const no = make("button", { class: "quiet", value: "no", type: "button" }, "Cancel");
  const form = make(
    "form",
    { method: "dialog" },
    make("h2", { id: "ask-title" }, title),
    make("p", {}, detail),
    typed !== undefined && make("label", { for: "ask-field" }, "Type ", make("code", {}, typed), " to confirm"),
    field && make("label", { for: "ask-field" }, field.label),
    input,
    make("div", { class: "ask-acts" }, no, yes),
  );
  dialog.replaceChildren(form);
  if (typed !== undefined) {
    yes.disabled = true;
    input.addEventListener("input", () => (yes.disabled = input.value !== typed));
  }
  no.addEventListener("click", () => dialog.close("no"));
  dialog.returnValue = "no";
  dialog.showModal();
  (input || no).focus();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => resolve(dialog.returnValue !== "yes" ? undefined : field ? input.value : true),
      { once: true },
    );
  });
}

const SHOWN_MS = 6_000;
const box = part("said");
const dialogs = [...document.querySelectorAll("dialog")];
/** In the order that they were opened. */
let opened = [];

// Beside an open dialog, nothing can be clicked, and nothing is read out: what is said goes with the topmost one.
const watching = new MutationObserver(() => {
  opened = [
    ...opened.filter(({ open }) => open),
    ...dialogs.filter((dialog) => dialog.open && !opened.includes(dialog)),
  ];
  const place = opened.at(-1) ?? document.body;
  if (box.parentElement !== place) place.append(box);
});
for (const dialog of dialogs) watching.observe(dialog, { attributes: true, attributeFilter: ["open"] });

/** Tells how something came out, for some seconds; a problem for longer. A click takes it away. */
export function say(text, problem) {
  const line = make("p", { "data-fault": Boolean(problem) }, text, problem && make("span", {}, ` ${problem.detail}`));
  line.addEventListener("click", () => line.remove());
  box.append(line);
  setTimeout(() => line.remove(), problem ? 3 * SHOWN_MS : SHOWN_MS);
}

/** Does something and tells how it came out. Gives back whether it worked. */
export async function act(button, doing, done) {
  button.disabled = true;
  mark(button, true);
  const { problem, isLater } = await doing();
  button.disabled = false;
  mark(button, false);
  if (problem) say(`${problem.title}.`, problem);
  else say(typeof done === "function" ? done(isLater) : done);
  return !problem;
}

function mark(button, isBusy) {
  if (isBusy) button.setAttribute("aria-busy", "true");
  else button.removeAttribute("aria-busy");
}
