/**
 * @import { Handout } from "../api-types.ts"
 * @import { Api, HeldInstances } from "../home-types.ts"
 */
import { find, part } from "./elements.js";
import { readShareLink } from "./share-link.js";
import { timeLeft } from "./words.js";

/**
 * Takes the instance of a link that another browser has shared, after a question: the link may come from a stranger.
 * @param {string} hash
 * @param {Api} api
 * @param {HeldInstances} held
 * @returns {Promise<{ id: string } | { fault: string } | undefined>} undefined when it is not taken
 */
export async function take(hash, api, held) {
  const brought = readShareLink(hash);
  if (!brought) return undefined;
  const { id, token, password } = brought;
  if (held.find(id)) return { id };
  const { value, problem } = await api.status({ ...NOWHERE, id, token });
  if (problem?.status === 0) return { fault: problem.detail };
  if (value?.state !== "running") return { fault: "The Redis of this link has ended, or the link is not complete." };
  const { host, port, username, createdAt, expiresAt, engine, version } = value;
  const place = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  part("take-text").textContent = `It is at ${place}, with ${timeLeft(Date.parse(expiresAt) - api.now())} left.`;
  if ((await answerOf(find(HTMLDialogElement, "[data-take]"))) !== "keep") return undefined;
  const url = `redis://${username}:${password}@${place}`;
  /** @type {unknown} */
  const handout = { id, host, port, username, password, url, engine, version, createdAt, expiresAt, token };
  held.add(/** @type {Handout} */ (handout));
  return { id };
}

/** The service is asked by id and token alone. */
const NOWHERE = { host: "", port: 0, username: "default", createdAt: "", expiresAt: "" };

/** @param {HTMLDialogElement} sheet */
function answerOf(sheet) {
  sheet.returnValue = "";
  sheet.showModal();
  return new Promise((resolve) => {
    sheet.addEventListener("close", () => resolve(sheet.returnValue), { once: true });
  });
}
