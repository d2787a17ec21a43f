/** @import { Api, Bench, Held, Session } from "../home-types.ts" */
import { bytesInWords } from "./bytes.js";
import { closest, find, findAll, part } from "./elements.js";
import { randomKey } from "./random-key.js";

/** Older lines are dropped. */
const MOST_ENTRIES = 300;
const MOST_REMEMBERED = 200;
const HELP =
  "Type any Redis command. The up and down keys bring back earlier ones, clear empties the console. " +
  "All commands: https://redis.io/commands";

/**
 * A console like redis-cli. Replies are data of strangers: they reach the page as text alone.
 * @param {HTMLElement} root
 * @param {Api} api
 * @param {(id: string) => void} onRefused
 * @returns {Bench}
 */
export function createConsole(root, api, onRefused) {
  const transcript = part("transcript", root);
  const form = part("prompt", root);
  const input = find(HTMLInputElement, "#command", root);
  const ghost = part("ghost", root);
  const where = part("console-where", root);
  const usualWhere = where.textContent;
  /** @type {Map<string, Session>} By the instance's id. */
  const sessions = new Map();
  /** @type {Session | null} */
  let session = null;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void type(input.value);
  });
  input.addEventListener("keydown", browse);
  find(HTMLElement, ".tries", root).addEventListener("click", (event) => {
    const line = closest(event, "[data-try]")?.dataset.try;
    if (line) void type(line);
  });
  // As in a terminal, a click anywhere goes to the prompt, but not away from a text being selected.
  part("terminal", root).addEventListener("click", () => {
    if (getSelection()?.isCollapsed) input.focus({ preventScroll: true });
  });

  /** @param {string} typed */
  async function type(typed) {
    const line = typed.trim();
    const own = session;
    if (!own || own.isBusy) return;
    remember(own, line);
    input.value = "";
    if (/^clear$/i.test(line)) {
      empty(own);
      return;
    }
    show(own, entry("typed", line, "", promptOf(own)));
    if (line === "") return;
    if (/^help$/i.test(line)) {
      show(own, entry("reply", HELP, "note"));
      return;
    }
    setBusy(own, true);
    const { value, problem } = await api.run(own.instance, {
      command: line,
      session: own.key,
      database: own.database,
      transaction: own.transaction,
    });
    setBusy(own, false);
    if (problem) {
      show(own, entry("reply", `${problem.title}. ${problem.detail}`, "note"));
      onRefused(own.instance.id);
      return;
    }
    own.database = value.database;
    own.transaction = value.transaction;
    if (value.text !== "") show(own, entry("reply", value.text, value.tone));
    if (value.cutFromBytes) {
      const size = `${bytesInWords(value.cutFromBytes)}${value.warning ? " or more" : ""}`;
      show(own, entry("reply", `Cut here: the whole reply has ${size}.`, "note"));
    }
    if (value.warning) show(own, entry("reply", value.warning, "note"));
    showPrompt();
  }

  /**
   * @param {Held} instance
   * @returns {Session}
   */
  function begun(instance) {
    /** @type {Session} */
    const own = {
      instance,
      key: randomKey(),
      entries: [entry("reply", "Type a command, or choose one of those below.", "hint")],
      lines: [],
      at: 0,
      draft: "",
      database: 0,
      transaction: "none",
      isBusy: false,
    };
    sessions.set(instance.id, own);
    return own;
  }

  /**
   * @param {Session} own
   * @param {HTMLElement} line
   */
  function show(own, line) {
    own.entries.push(line);
    const oldest = own.entries.length > MOST_ENTRIES ? own.entries.shift() : undefined;
    if (own !== session) return;
    oldest?.remove();
    transcript.append(line);
    transcript.scrollTop = transcript.scrollHeight;
  }

  /** @param {Session} own */
  function empty(own) {
    own.entries = [];
    transcript.replaceChildren();
  }

  /**
   * @param {Session} own
   * @param {string} line
   */
  function remember(own, line) {
    if (line !== "" && own.lines.at(-1) !== line) own.lines.push(line);
    own.lines = own.lines.slice(-MOST_REMEMBERED);
    own.at = own.lines.length;
    own.draft = "";
  }

  /**
   * Up and down go through earlier lines, and back to the one being typed.
   * @param {KeyboardEvent} event
   */
  function browse(event) {
    if (!session) return;
    if (event.key === "l" && event.ctrlKey) {
      event.preventDefault();
      empty(session);
      return;
    }
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (step === 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { lines, at } = session;
    if (at === lines.length) session.draft = input.value;
    session.at = Math.min(lines.length, Math.max(0, at + step));
    input.value = lines[session.at] ?? session.draft;
    input.setSelectionRange(input.value.length, input.value.length);
  }

  /**
   * @param {Session} own
   * @param {boolean} isBusy
   */
  function setBusy(own, isBusy) {
    own.isBusy = isBusy;
    if (own === session) showPrompt();
  }

  function showPrompt() {
    part("prompt-word", root).textContent = promptOf(session);
    form.setAttribute("aria-busy", String(session?.isBusy ?? false));
  }

  return {
    /** Continues the session of this instance, or begins it; null leaves the console blank. */
    use(instance) {
      if (instance?.id === session?.instance.id) return;
      session = instance && (sessions.get(instance.id) ?? begun(instance));
      input.disabled = !session;
      for (const button of findAll(HTMLButtonElement, ".run, [data-try]", root)) button.disabled = !session;
      input.value = "";
      where.textContent = instance ? `${instance.host}:${instance.port}` : usualWhere;
      transcript.replaceChildren(...(session ? session.entries : [ghost]));
      transcript.scrollTop = transcript.scrollHeight;
      showPrompt();
    },
  };
}

/**
 * One line typed, or one reply.
 * @param {"typed" | "reply"} kind
 * @param {string} text
 * @param {string} tone
 * @param {string} [prompt]
 */
function entry(kind, text, tone, prompt) {
  const line = document.createElement(kind === "typed" ? "p" : "pre");
  line.className = kind;
  if (tone) line.dataset.tone = tone;
  if (prompt) {
    const word = document.createElement("span");
    word.textContent = prompt;
    line.append(word, " ");
  }
  line.append(text);
  return line;
}

/**
 * As redis-cli shows it: the database when not the first, and whether commands are being queued.
 * @param {Session | null} session
 */
function promptOf(session) {
  const database = session?.database ? `[${session.database}]` : "";
  return `redis${database}${session?.transaction === "begun" ? "(TX)" : ""}>`;
}
