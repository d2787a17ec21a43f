/** @import { Answer, CallProblem } from "../../ops-types.ts" */
import { find, findAll, part } from "../elements.js";
import { make, mark } from "./dom.js";
import { isLost, placeOf, restore } from "./focus.js";

const dialog = find(HTMLDialogElement, "[data-ask]");

/** @typedef {{ title: string, detail: string, act: string }} Question  act: the word on the button that says yes. */

/**
 * Asks the operator before something that does harm. Resolves to whether to do it.
 * @param {Question & { typed?: string }} question  typed: what must be typed first, such as a host's name.
 */
export function ask({ typed, ...question }) {
  if (typed === undefined) return askWith({ ...question, isHarm: true }, [], () => undefined);
  const input = textField({ id: "ask-field", required: true });
  const label = make("label", { for: "ask-field" }, "Type ", make("code", {}, typed), " to confirm");
  return askWith({ ...question, isHarm: true }, [label, input], () =>
    input.value === typed ? undefined : `Type ${typed} exactly, or cancel.`,
  );
}

/**
 * Asks the operator for a text. Resolves to undefined when the operator cancels.
 * @param {Question & {
 *   label: string,
 *   value: string,
 *   inputMode?: string,
 *   isOptional?: boolean,
 *   submit?: (text: string) => string | undefined | Promise<string | undefined>,
 * }} question
 *   value: what stands in the field at first. submit: does what is asked for, and gives what is wrong with the text,
 *   which is shown beside the field; the dialog stays open until there is nothing.
 */
export async function askFor({ label, value, inputMode, isOptional = false, submit, ...question }) {
  const input = textField({ id: "ask-field", value, inputmode: inputMode, required: !isOptional });
  const fields = [make("label", { for: "ask-field" }, label), input];
  return (await askWith(question, fields, () => submit?.(input.value))) ? input.value : undefined;
}

/** @param {Record<string, string | boolean | undefined>} attributes */
function textField(attributes) {
  return make("input", { name: "field", autocomplete: "off", spellcheck: "false", ...attributes });
}

/**
 * Asks with fields of its own. Resolves to whether it was done: `submit` gives what is wrong, which is shown in the
 * dialog, or undefined when nothing is.
 * @param {Question & { isHarm?: boolean, cancel?: string }} question
 * @param {readonly HTMLElement[]} fields  Labels, inputs and selects.
 * @param {(form: HTMLFormElement) => string | undefined | Promise<string | undefined>} submit
 * @returns {Promise<boolean>}
 */
export function askWith({ title, detail, act: word, isHarm = false, cancel = "Cancel" }, fields, submit) {
  const opener = document.activeElement;
  const place = opener instanceof HTMLElement && opener !== document.body ? placeOf(opener) : undefined;
  const yes = make("button", { class: isHarm ? "quiet danger" : "quiet strong", value: "yes" }, word);
  const no = make("button", { class: "quiet", value: "no", type: "button" }, cancel);
  const fault = make("p", { class: "field-fault", id: "ask-fault", role: "alert" });
  const form = make(
    "form",
    { method: "dialog", novalidate: true },
    make("h2", { id: "ask-title" }, title),
    make("p", {}, detail),
    ...fields,
    fault,
    make("div", { class: "ask-acts" }, no, yes),
  );
  const field = fields.find((each) => each instanceof HTMLInputElement || each instanceof HTMLSelectElement);
  let isBusy = false;

  /** @param {string} text */
  function complain(text) {
    fault.textContent = text;
    if (!field) return;
    mark(field, "aria-invalid", text === "" ? null : "true");
    mark(field, "aria-describedby", text === "" ? null : "ask-fault");
    if (text === "") return;
    field.focus();
    if (field instanceof HTMLInputElement) field.select();
  }

  async function finish() {
    if (isBusy) return;
    if (field instanceof HTMLInputElement && field.required && field.value.trim() === "") {
      complain("Fill this in, or cancel.");
      return;
    }
    isBusy = true;
    mark(yes, "aria-busy", "true");
    const wrong = await submit(form);
    isBusy = false;
    mark(yes, "aria-busy", null);
    if (!dialog.contains(form)) return;
    if (wrong === undefined) dialog.close("yes");
    else complain(wrong);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void finish();
  });
  form.addEventListener("input", () => fault.textContent !== "" && complain(""));
  no.addEventListener("click", () => dialog.close("no"));
  dialog.replaceChildren(form);
  dialog.returnValue = "no";
  dialog.showModal();
  (field ?? no).focus();
  if (field instanceof HTMLInputElement) field.select();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        // The browser gives the focus back, unless what was pressed is gone meanwhile.
        if (place && isLost()) restore(place);
        resolve(dialog.returnValue === "yes");
      },
      { once: true },
    );
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
 * Does something that a button was pressed for, once however often it is pressed meanwhile, and shows the outcome.
 * The button is not disabled: it would lose the focus. Resolves to whether it worked.
 * @template T
 * @param {HTMLButtonElement} button
 * @param {() => Promise<Answer<T>>} doing
 * @param {string | ((value: T) => string)} done
 * @param {string} [later]  Shown instead of `done` when it has been accepted, but is not yet done.
 */
export async function act(button, doing, done, later) {
  if (button.getAttribute("aria-busy") === "true") return false;
  mark(button, "aria-busy", "true");
  const { value, problem, isLater } = await doing();
  mark(button, "aria-busy", null);
  if (problem) say(`${problem.title}.`, problem);
  else if (isLater && later !== undefined) say(later);
  else say(typeof done === "string" ? done : done(value));
  return !problem;
}
