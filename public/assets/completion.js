/** @import { Commands, Suggestions } from "../home-types.ts" */
import { suggest } from "./command-words.js";
import { closest, part } from "./elements.js";
import { loadCommands } from "./load-commands.js";

/**
 * Completes what is typed into the console: by Tab, or by a tap on one of the words shown. The list opens by itself;
 * an empty prompt leaves Tab to the page.
 * @param {HTMLInputElement} input
 */
export function createCompletion(input) {
  const box = document.createElement("div");
  box.className = "completion";
  const about = document.createElement("p");
  about.id = "command-about";
  const list = document.createElement("ul");
  list.id = "command-words";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Completions");
  const status = document.createElement("p");
  status.className = "unseen";
  status.setAttribute("role", "status");
  box.append(about, list, status);
  input.form?.before(box);
  const transcript = part("transcript");
  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-controls": list.id,
    "aria-describedby": about.id,
    "aria-expanded": "false",
  }))
    input.setAttribute(name, value);

  /** @type {Commands | undefined} */
  let commands;
  /** @type {Suggestions} */
  let current = { from: 0, words: [], about: "" };
  /** Place among the words of the one that stands in the line; -1 before any has been chosen. */
  let chosen = -1;
  /** What was typed before one was chosen. */
  let draft = "";

  input.addEventListener("input", look);
  input.addEventListener("focus", look);
  input.addEventListener("blur", () => close());
  input.addEventListener("keydown", press);
  // Before the focus goes from the prompt, and with it the keyboard of a phone.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const word = closest(event, "[role=option]")?.textContent;
    if (word) accept(word);
  });
  void loadCommands().then(
    (loaded) => {
      commands = loaded;
      if (document.activeElement === input) look();
    },
    () => undefined,
  );

  /** What can follow, as the line stands. */
  function look() {
    chosen = -1;
    draft = input.value;
    const isAtEnd = input.selectionStart === input.value.length;
    if (!commands || !isAtEnd || document.activeElement !== input) {
      close();
      return;
    }
    current = suggest(input.value, commands);
    list.replaceChildren(
      ...current.words.map((word, index) => {
        const option = document.createElement("li");
        option.id = `command-word-${index}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.textContent = word;
        return option;
      }),
    );
    list.scrollTop = 0;
    show();
    const count = current.words.length;
    say(count === 0 ? "" : `${count} ${count === 1 ? "completion" : "completions"}, Tab to choose.`);
  }

  function show() {
    const isOpen = current.words.length > 0;
    const isAtEnd = transcript.scrollHeight - transcript.scrollTop - transcript.clientHeight < 1;
    list.hidden = !isOpen;
    about.textContent = current.about;
    about.hidden = current.about === "";
    box.hidden = list.hidden && about.hidden;
    // The list takes its room from the transcript, whose last lines stay in sight.
    if (isAtEnd) transcript.scrollTop = transcript.scrollHeight;
    input.setAttribute("aria-expanded", String(isOpen));
    for (const [index, option] of [...list.children].entries()) {
      option.setAttribute("aria-selected", String(index === chosen));
      if (index === chosen) option.scrollIntoView({ block: "nearest" });
    }
    if (chosen < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `command-word-${chosen}`);
  }

  function close() {
    current = { from: 0, words: [], about: "" };
    chosen = -1;
    show();
    say("");
  }

  /** @param {KeyboardEvent} event */
  function press(event) {
    const { words } = current;
    if (words.length === 0 || event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    const isBack = event.shiftKey || event.key === "ArrowUp";
    if (event.key === "Escape") {
      input.value = draft;
      close();
    } else if (event.key === "Tab" && !event.shiftKey && words.length === 1) accept(words[0] ?? "");
    else if (event.key === "Tab" ? !event.shiftKey || chosen >= 0 : chosen >= 0 && /^Arrow(Up|Down)$/.test(event.key))
      choose(isBack ? chosen - 1 : chosen + 1);
    else return;
    event.preventDefault();
  }

  /** @param {number} index  One before the first is what was typed. */
  function choose(index) {
    const { words, from } = current;
    chosen = index >= words.length ? -1 : index < -1 ? words.length - 1 : index;
    const word = words[chosen];
    put(word === undefined ? draft : draft.slice(0, from) + inCaseOf(draft.slice(from), word));
    if (commands && word !== undefined && from === draft.length - draft.trimStart().length)
      current = { ...current, about: suggest(`${word} `, commands).about };
    show();
  }

  /** @param {string} word */
  function accept(word) {
    put(`${draft.slice(0, current.from)}${inCaseOf(draft.slice(current.from), word)} `);
    input.focus({ preventScroll: true });
    look();
  }

  /** @param {string} text */
  function put(text) {
    input.value = text;
    input.setSelectionRange(text.length, text.length);
  }

  /** @param {string} text */
  function say(text) {
    if (status.textContent !== text) status.textContent = text;
  }

  look();
}

/**
 * Those who type in small letters get small letters.
 * @param {string} typed
 * @param {string} word
 */
function inCaseOf(typed, word) {
  return typed !== "" && typed === typed.toLowerCase() ? word.toLowerCase() : word;
}
