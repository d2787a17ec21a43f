/** @import { Answer, CallProblem } from "../../ops-types.ts" */
import { find, findAll, part } from "../elements.js";
import { make, mark } from "./dom.js";

const dialog = find(HTMLDialogElement, "[data-ask]");

/** @typedef {{ title: string, detail: string, act: string }} Question  act: the word on the button that says yes. */

/**
 * Asks the operator before something that does harm. Resolves to whether to do it.
 * @param {Question & { typed?: string }} question  typed: what must be typed first, such as a host's name.
 */
export function ask({ typed, ...question }) {
  const yes = make("button", { class: "quiet danger", value: "yes" }, question.act);
  if (typed === undefined) return confirmed(question, yes);
  const input = textInput("");
  yes.disabled = true;
  input.addEventListener("input", () => (yes.disabled = input.value !== typed));
  return confirmed(question, yes, { input, label: ["Type ", make("code", {}, typed), " to confirm"] });
}

/**
 * Asks the operator for a text. Resolves to undefined when the operator cancels.
 * @param {Question & { label: string, value: string }} question  value: what stands in the field at first.
 */
export async function askFor({ label, value, ...question }) {
  const input = textInput(value);
  const yes = make("button", { class: "quiet strong", value: "yes" }, question.act);
  return (await confirmed(question, yes, { input, label: [label] })) ? input.value : undefined;
}

/** @param {string} value */
function textInput(value) {
  return make("input", {
    id: "ask-field",
    name: "field",
    autocomplete: "off",
    spellcheck: "false",
    value,
    required: true,
  });
}

/**
 * @param {Omit<Question, "act">} question
 * @param {HTMLButtonElement} yes
 * @param {{ input: HTMLInputElement, label: (Node | string)[] }} [field]
 * @returns {Promise<boolean>}
 */
function confirmed({ title, detail }, yes, field) {
  const no = make("button", { class: "quiet", value: "no", type: "button" }, "Cancel");
  dialog.replaceChildren(
    make(
      "form",
      { method: "dialog" },
      make("h2", { id: "ask-title" }, title),
      make("p", {}, detail),
      field && make("label", { for: "ask-field" }, ...field.label),
      field?.input,
      make("div", { class: "ask-acts" }, no, yes),
    ),
  );
  no.addEventListener("click", () => dialog.close("no"));
  dialog.returnValue = "no";
  dialog.showModal();
  (field?.input ?? no).focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

const SHOWN_MS = 6_000;
const box = part("said");
const dialogs = findAll(HTMLDialogElement, "dialog");
/**
 * The open dialogs, in the order that they were opened.
 * @type {HTMLDialogElement[]}
 */
let opened = [];

// Outside an open dialog nothing can be clicked, and nothing is read out: messages go into the topmost dialog.
const watching = new MutationObserver(() => {
  opened = [...opened.filter(({ open }) => open), ...dialogs.filter((each) => each.open && !opened.includes(each))];
  const place = opened.at(-1) ?? document.body;
  if (box.parentElement !== place) place.append(box);
});
for (const each of dialogs) watching.observe(each, { attributes: true, attributeFilter: ["open"] });

/**
 * Shows a message for some seconds, a problem for longer. A click removes it.
 * @param {string} text
 * @param {CallProblem} [problem]
 */
export function say(text, problem) {
  const line = make("p", { "data-fault": Boolean(problem) }, text, problem && make("span", {}, ` ${problem.detail}`));
  line.addEventListener("click", () => line.remove());
  box.append(line);
  setTimeout(() => line.remove(), problem ? 3 * SHOWN_MS : SHOWN_MS);
}

/**
 * Does something, with its button disabled meanwhile, and shows the outcome. Resolves to whether it worked.
 * @template T
 * @param {HTMLButtonElement} button
 * @param {() => Promise<Answer<T>>} doing
 * @param {string | ((value: T) => string)} done
 * @param {string} [later]  Shown instead of `done` when it has been accepted, but is not yet done.
 */
export async function act(button, doing, done, later) {
  button.disabled = true;
  mark(button, "aria-busy", "true");
  const { value, problem, isLater } = await doing();
  button.disabled = false;
  mark(button, "aria-busy", null);
  if (problem) say(`${problem.title}.`, problem);
  else if (isLater && later !== undefined) say(later);
  else say(typeof done === "string" ? done : done(value));
  return !problem;
}
