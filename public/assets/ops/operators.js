/**
 * @import { OpsOperator, OpsOperatorCreated } from "../../api-types.ts"
 * @import { CallProblem, OpsApi } from "../../ops-types.ts"
 * @import { Role } from "./roles.js"
 */
import { closest, find, part } from "../elements.js";
import { wireCopyButtons } from "../copy.js";
import { act, ask, askWith, say } from "./ask.js";
import { fieldOf, isInside, listIn, make, mark, tell } from "./dom.js";
import { may, roleWords } from "./roles.js";
import { counted, lasting } from "./words.js";

const DAY_MS = 86_400_000;
/** Choices of an expiry, in days; 0 is none. */
const choices = [
  [1, "in a day"],
  [7, "in 7 days"],
  [30, "in 30 days"],
  [90, "in 90 days"],
  [365, "in a year"],
  [0, "never"],
];

/**
 * The operators, for admins: who may do what, until when; creating, changing and revoking them.
 * @param {OpsApi} api
 * @param {() => number} now
 */
export function createOperators(api, now) {
  const form = find(HTMLFormElement, "[data-new-operator]");
  const name = find(HTMLInputElement, "[name=name]", form);
  const fault = part("new-operator-fault");
  const list = part("operators");
  const count = part("operators-count");
  const show = listIn(list, (operator) => operator.name, operatorLine);
  let asked = 0;
  /** @type {readonly OpsOperator[]} */
  let known = [];

  wireCopyButtons(say);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void create();
  });
  form.addEventListener("input", () => complain(""));
  list.addEventListener("click", (event) => {
    const button = closest(event, "[data-of]");
    const operator = known.find((each) => each.name === button?.dataset.of);
    if (!(button instanceof HTMLButtonElement) || !operator) return;
    void (button.dataset.act === "revoke" ? revoke(operator, button) : change(operator));
  });

  /** @param {string} text */
  function complain(text) {
    fault.hidden = text === "";
    tell(fault, text);
    mark(name, "aria-invalid", text === "" ? null : "true");
  }

  async function create() {
    const role = /** @type {Role} */ (fieldOf(form, "role"));
    const { value, problem } = await api.createOperator({
      name: fieldOf(form, "name"),
      role,
      expiresAt: momentIn(Number(fieldOf(form, "days"))),
    });
    if (problem) {
      complain(wordsOf(problem));
      name.focus();
      return;
    }
    form.reset();
    await showToken(value);
    await load();
  }

  /** @param {OpsOperator} operator */
  async function change(operator) {
    const role = make("select", { id: "ask-field", name: "role" });
    for (const each of /** @type {Role[]} */ (["viewer", "operator", "admin"]))
      role.append(make("option", { value: each, selected: each === operator.role }, `${each}: ${roleWords[each]}`));
    const days = make(
      "select",
      { id: "ask-days", name: "days" },
      make("option", { value: "" }, expiryOf(operator, now())),
    );
    for (const [value, word] of choices) days.append(make("option", { value }, `expires ${word}`));
    const isDone = await askWith(
      {
        title: `Change ${operator.name}`,
        detail: "Another role ends the operator’s sessions on this page at once; the token stays the same.",
        act: "Change",
      },
      [make("label", { for: "ask-field" }, "Role"), role, make("label", { for: "ask-days" }, "Token expires"), days],
      async () => {
        const { problem } = await api.changeOperator(operator.name, {
          role: /** @type {Role} */ (role.value),
          ...(days.value !== "" && { expiresAt: momentIn(Number(days.value)) }),
        });
        return problem && wordsOf(problem);
      },
    );
    if (!isDone) return;
    say(`${operator.name} is changed.`);
    await load();
  }

  /**
   * @param {OpsOperator} operator
   * @param {HTMLButtonElement} pressed
   */
  async function revoke({ name: who }, pressed) {
    const isSure = await ask({
      title: `Revoke ${who}?`,
      detail: "The token stops working at once, and the sessions made with it end. Past acts keep the name.",
      act: "Revoke",
    });
    if (!isSure) return;
    await act(pressed, () => api.revokeOperator(who), `${who} is revoked.`);
    await load();
  }

  /** @param {number} days  0 for no expiry. */
  function momentIn(days) {
    return days === 0 ? null : new Date(now() + days * DAY_MS).toISOString();
  }

  async function load() {
    if (!isInside() || !may("admin")) return;
    const mine = ++asked;
    const { value, problem } = await api.operators();
    if (mine !== asked) return;
    mark(count, "data-fault", Boolean(problem));
    if (problem) {
      tell(count, `Not up to date: ${problem.title.toLowerCase()}.`);
      return;
    }
    known = value;
    tell(count, counted(value.length, "operator"));
    show(value, (line, operator) => tell(part("about", line), aboutOf(operator, now())));
  }

  function forget() {
    asked++;
    known = [];
    show([]);
    tell(count, "");
    complain("");
    form.reset();
  }

  return { load, forget };
}

/**
 * Shows a token, this once.
 * @param {OpsOperatorCreated} created
 */
function showToken({ name, token }) {
  const box = make("p", { class: "token" });
  box.append(
    make("code", { id: "new-token" }, token),
    make("button", { class: "quiet", type: "button", "data-copy": "new-token" }, "Copy"),
  );
  return askWith(
    {
      title: `Token of ${name}`,
      detail: "Copy it now: it is shown only once. Whoever has it can log in here and call the API.",
      act: "I have copied it",
      cancel: "Close",
    },
    [box],
    () => undefined,
  );
}

/** @param {OpsOperator} operator */
function operatorLine({ name, isOpsToken }) {
  return make(
    "li",
    {},
    make("p", {}, make("strong", { class: "mono" }, name), make("span", { "data-about": true })),
    !isOpsToken &&
      make("button", { class: "quiet", type: "button", "data-of": name, "aria-label": `Change ${name}` }, "Change"),
    !isOpsToken &&
      make(
        "button",
        {
          class: "quiet danger-word",
          type: "button",
          "data-of": name,
          "data-act": "revoke",
          "aria-label": `Revoke ${name}`,
        },
        "Revoke",
      ),
  );
}

/**
 * @param {OpsOperator} operator
 * @param {number} nowMs
 */
function aboutOf(operator, nowMs) {
  const { role, lastUsedAt, createdBy, isOpsToken } = operator;
  if (isOpsToken) return `${role} · the setting OPS_TOKEN, which is replaced there and not here`;
  const used = lastUsedAt === null ? "never used" : `last used ${lasting(nowMs - Date.parse(lastUsedAt))} ago`;
  return [role, expiryOf(operator, nowMs), used, createdBy && `added by ${createdBy}`].filter(Boolean).join(" · ");
}

/**
 * @param {Pick<OpsOperator, "expiresAt">} operator
 * @param {number} nowMs
 */
function expiryOf({ expiresAt }, nowMs) {
  if (expiresAt === null) return "does not expire";
  const leftMs = Date.parse(expiresAt) - nowMs;
  return leftMs > 0 ? `expires in ${lasting(leftMs)}` : `expired ${lasting(-leftMs)} ago`;
}

/** @param {CallProblem} problem */
function wordsOf({ title, detail }) {
  return /^name\b/.test(detail)
    ? "A name has small letters and digits, and . _ @ - after the first; 32 characters at most."
    : `${title}. ${detail}`;
}
