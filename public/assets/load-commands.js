/** @import { Commands } from "../home-types.ts" */

/** @type {Promise<Commands> | undefined} */
let commands;

/**
 * The commands that the holder of an instance may run, loaded once.
 * @returns {Promise<Commands>}
 */
export function loadCommands() {
  commands ??= load();
  commands.catch(() => (commands = undefined));
  return commands;
}

async function load() {
  const answer = await fetch(new URL("commands.json", import.meta.url));
  if (!answer.ok) throw new Error("the commands could not be loaded");
  /** @type {unknown} */
  const content = await answer.json();
  return /** @type {{ commands: Commands }} */ (content).commands;
}
