/** @import { ActParts, Acts, CallProblem, Held } from "../home-types.ts" */
import { find, part } from "./elements.js";

/**
 * What the holder can do to an instance, by the names of its buttons.
 * @param {ActParts} parts
 * @returns {Acts}
 */
export function createActs({
  api,
  held,
  slip,
  problemBox,
  gainMs,
  select,
  isSelected,
  refresh,
  showStats,
  say,
  focusKey,
}) {
  function askToEnd() {
    slip.actions("sure");
    // The focus is on the harmless answer, so that pressing Enter twice ends nothing.
    slip.act("keep").focus();
  }

  function keep() {
    if (slip.act("keep").closest("[hidden]")) return;
    slip.actions("acts");
    slip.act("end").focus();
  }

  /** @param {Held} instance */
  async function extend(instance) {
    const leftMs = Date.parse(instance.expiresAt) + gainMs(instance) - api.now();
    const { value, problem } = await api.extend(instance, Math.floor(leftMs / 1000));
    if (problem) {
      await showRefusal(instance, problem);
      return;
    }
    held.update(instance.id, value);
    if (isSelected(instance.id)) select(instance.id);
    if (slip.act("extend").hidden) slip.focus();
    say("Extended.");
  }

  /** @param {Held} instance */
  async function end(instance) {
    // The problem shown may be that there are too many instances, which is over now.
    problemBox.hidden = true;
    slip.actions(null);
    slip.setState("ending");
    slip.focus();
    const { problem } = await api.end(instance);
    if (problem && problem.status !== 404) {
      await showRefusal(instance, problem);
      return;
    }
    // While its host does not answer it is still ending: the service says which.
    const { value } = await api.status(instance);
    held.update(
      instance.id,
      value ?? { state: "ended", endedAt: new Date(api.now()).toISOString(), endCause: "owner" },
    );
    if (isSelected(instance.id)) select(instance.id);
    say("Ended.");
    void showStats();
  }

  /**
   * @param {Held} instance
   * @param {CallProblem} problem
   */
  async function showRefusal(instance, { title, detail }) {
    await refresh();
    if (!isSelected(instance.id)) return;
    select(instance.id);
    slip.note(`${title}. ${detail}`, true);
    say(`${title}. ${detail}`);
  }

  /** @param {Held} instance */
  function rename({ id }) {
    const form = part("rename");
    const input = find(HTMLInputElement, "input", form);
    slip.renaming(true);
    input.value = held.find(id)?.name ?? "";
    input.select();
    form.onsubmit = (event) => {
      event.preventDefault();
      held.rename(id, input.value.trim());
      stopRenaming(id);
    };
    form.onkeydown = ({ key }) => {
      if (key === "Escape") stopRenaming(id);
    };
  }

  /** @param {string} id */
  function stopRenaming(id) {
    select(id);
    slip.renaming(false);
    slip.act("rename").focus();
  }

  /** @param {Held} instance */
  async function open(instance) {
    const { share } = await import("./share.js");
    await share(instance);
  }

  /** @param {Held} instance */
  function clear(instance) {
    held.remove(instance.id);
    select(held.list().at(-1)?.instance.id);
    focusKey();
  }

  return { extend, end: askToEnd, "end-now": end, keep, rename, share: open, clear };
}
