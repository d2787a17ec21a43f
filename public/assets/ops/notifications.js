/**
 * @import { OpsNotifications } from "../../api-types.ts"
 * @import { OpsApi } from "../../ops-types.ts"
 */
import { closest, part } from "../elements.js";
import { act } from "./ask.js";
import { isInside, listIn, make, mark, tell } from "./dom.js";
import { clock, counted } from "./words.js";
import { may } from "./roles.js";

const LOOK_MS = 30_000;
const RETRY_MS = 3_000;
const names = { webhook: "Webhook", mail: "Mail" };

/** @typedef {OpsNotifications["channels"][number]} Channel */

/**
 * How operators are told of alarms: the ways that are set up, what is not delivered, and a test of each.
 * @param {OpsApi} api
 */
export function createNotifications(api) {
  const list = part("notifications");
  const note = part("notifications-note");
  const show = listIn(list, ({ channel }) => channel, channelLine);
  let asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let looking;

  list.addEventListener("click", (event) => {
    const button = closest(event, "[data-test]");
    const channel = button?.dataset.test;
    if (button instanceof HTMLButtonElement && (channel === "webhook" || channel === "mail"))
      void test(button, channel);
  });

  /**
   * @param {HTMLButtonElement} button
   * @param {Channel["channel"]} channel
   */
  async function test(button, channel) {
    const told = button.closest("li")?.querySelector("[data-result]");
    await act(
      button,
      () => api.testNotification(channel),
      ({ delivered, result }) => {
        if (told instanceof HTMLElement) {
          mark(told, "data-fault", !delivered);
          tell(told, `Test at ${clock(Date.now(), Date.now())}: ${result}`);
        }
        return `${names[channel]}, test: ${result}`;
      },
    );
    await load();
  }

  /** Reads what there is, and again after a while. */
  async function load() {
    clearTimeout(looking);
    if (!isInside()) return;
    const mine = ++asked;
    const { value, problem } = await api.notifications();
    if (mine !== asked || !isInside()) return;
    looking = setTimeout(() => void load(), problem ? RETRY_MS : LOOK_MS);
    mark(note, "data-fault", Boolean(problem));
    if (problem) {
      note.hidden = false;
      tell(note, `Not up to date: ${problem.title.toLowerCase()}.`);
      return;
    }
    note.hidden = value.channels.length > 0;
    tell(note, "You are told of alarms on this page alone. Set WEBHOOK_URL or SMTP_URL to be told elsewhere as well.");
    show(value.channels, (line, channel) => update(line, channel, value.recent));
  }

  function forget() {
    asked++;
    clearTimeout(looking);
    show([]);
    note.hidden = false;
    mark(note, "data-fault", null);
    tell(note, "Loading");
  }

  return { load, forget };
}

/** @param {Channel} channel */
function channelLine({ channel }) {
  const name = names[channel];
  return make(
    "li",
    { class: "job" },
    make(
      "p",
      {},
      make("strong", {}, name),
      make("span", { "data-word": true }),
      make("span", { class: "test-result", "data-result": true }),
    ),
    may("operator") &&
      make(
        "button",
        { class: "quiet", type: "button", "data-test": channel, "aria-label": `Send a test: ${name}` },
        "Send a test",
      ),
  );
}

/**
 * @param {HTMLElement} line
 * @param {Channel} channel
 * @param {OpsNotifications["recent"]} recent
 */
function update(line, { channel, target, waiting, givenUp }, recent) {
  const fault = recent.find(
    (message) => message.channel === channel && message.type !== "test" && message.fault,
  )?.fault;
  const undelivered = [
    waiting > 0 && `${counted(waiting, "message")} not delivered yet`,
    givenUp > 0 && `${counted(givenUp, "message")} given up`,
  ].filter(Boolean);
  mark(line, "data-fault", undelivered.length > 0);
  const why = undelivered.length > 0 && fault ? `: ${fault}` : "";
  tell(part("word", line), [target, ...undelivered].join(" · ") + why);
}
