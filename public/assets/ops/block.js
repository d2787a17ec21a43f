/**
 * @import { NewOpsBlock } from "../../api-types.ts"
 * @import { CallProblem, OpsApi } from "../../ops-types.ts"
 */
import { act, ask, say } from "./ask.js";
import { counted } from "./words.js";

/**
 * Blocks an address or a network, after a question that says what it is and how much it holds. What is wrong with the
 * address is told before anything is asked. Resolves to whether it is blocked.
 * @param {OpsApi} api
 * @param {NewOpsBlock} wanted
 * @param {HTMLButtonElement} pressed
 * @param {(problem: CallProblem) => void} [complain]  Tells what is wrong with the address; a message when not given.
 */
export async function askAndBlock(api, wanted, pressed, complain = (problem) => say(`${problem.title}.`, problem)) {
  const { value: holdings, problem } = await api.holdings(wanted.address);
  if (problem) {
    complain(problem);
    return false;
  }
  const { address, instances, holders } = holdings;
  const held = instances === 0 ? "They hold none now." : `They hold ${counted(instances, "instance")} now`;
  const several = instances === 0 ? "" : ` (${holders === 1 ? "one address" : `${holders} addresses`})`;
  const isEnding = wanted.endInstances === true && instances > 0;
  const fate = instances === 0 ? "" : isEnding ? ", which end at once; their data is lost." : ", which keep running.";
  const isSure = await ask({
    title: `Block ${address}?`,
    detail: `Its addresses get no more instances. ${held}${several}${fate}`,
    act: isEnding ? `Block it and end ${counted(instances, "instance")}` : "Block it",
  });
  if (!isSure) return false;
  return act(
    pressed,
    () => api.block({ ...wanted, address }),
    ({ ended }) => `${address} is blocked${wanted.endInstances ? `, ${counted(ended, "instance")} ended` : ""}.`,
  );
}
