import { randomKey } from "./random-key.js";
import { bytesInWords } from "./words.js";

/** More lines than these nobody scrolls back through. */
const MOST_ENTRIES = 300;
const MOST_REMEMBERED = 200;
const HELP =
  "Type any Redis command. The up and down keys bring back earlier ones, clear empties the console. All commands: https://redis.io/commands";

/**
 * A console like redis-cli. Replies are data of strangers: they reach the page as text alone.
 * @param {HTMLElement} root
 * @param {(id: string) => void} onRefused
 */
export function createConsole(root, api, onRefused) {
  const part = (name) => root.querySelector(`[data-${name}]`);
  const [transcript, form] = [part("transcript"), part("prompt")];
  const input = form.querySelector("input");
  const ghost = part("ghost");
  const usualWhere = part("console-where").textContent;
  /** Sessions by the instance's id: what was said, and what the connection holds. */
  const sessions = new Map();
  let session = null;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    type(input.value);
  });
  input.addEventListener("keydown", browse);
  root.querySelector(".tries").addEventListener("click", (event) => {
    const line = event.target.closest("[data-try]")?.dataset.try;
    if (line) type(line);
  });
  // As in a terminal, a click anywhere goes to the prompt, but not away from a text being selected.
  part("terminal").addEventListener("click", () => getSelection().isCollapsed && input.focus({ preventScroll: true }));

  async function type(typed) {
    const line = typed.trim();
    const own = session;
    if (!own || own.isBusy) return;
    remember(own, line);
    input.value = "";
    if (/^clear$/i.test(line)) return empty(own);
    show(own, entry("typed", line, promptOf(own)));
    if (line === "") return;
    if (/^help$/i.test(line)) return show(own, entry("reply", HELP, "", "note"));
    setBusy(own, true);
    const { value, problem } = await api.run(own.instance, {
      command: line,
      session: own.key,
      database: own.database,
      transaction: own.transaction,
    });
    setBusy(own, false);
    if (problem) {
      show(own, entry("reply", `${problem.title}. ${problem.detail}`, "", "note"));
      return onRefused(own.instance.id);
    }
    own.database = value.database;
    own.transaction = value.transaction;
    if (value.text !== "") show(own, entry("reply", value.text, "", value.tone));
    if (value.cutFromBytes)
      show(own, entry("reply", `Cut here: the whole reply has ${bytesInWords(value.cutFromBytes)}.`, "", "note"));
    showPrompt();
  }

  function begun(instance) {
    const entries = [entry("reply", "Type a command, or take one of those below.", "", "hint")];
    const own = {
      instance,
      key: randomKey(),
      entries,
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

  /** One line typed, or one reply. */
  function entry(kind, text, prompt, tone) {
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

  function show(own, line) {
    own.entries.push(line);
    const [oldest] = own.entries.length > MOST_ENTRIES ? own.entries.splice(0, 1) : [];
    if (own !== session) return;
    oldest?.remove();
    transcript.append(line);
    transcript.scrollTop = transcript.scrollHeight;
  }

  function empty(own) {
    own.entries = [];
    transcript.replaceChildren();
  }

  function remember(own, line) {
    if (line !== "" && own.lines.at(-1) !== line) own.lines.push(line);
    own.lines = own.lines.slice(-MOST_REMEMBERED);
    own.at = own.lines.length;
    own.draft = "";
  }

  /** Up and down go through earlier lines, and back to the one being typed. */
  function browse(event) {
    if (event.key === "l" && event.ctrlKey && session) {
      event.preventDefault();
      return empty(session);
    }
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step || !session || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { lines, at } = session;
    if (at === lines.length) session.draft = input.value;
    session.at = Math.min(lines.length, Math.max(0, at + step));
    input.value = lines[session.at] ?? session.draft;
    input.setSelectionRange(input.value.length, input.value.length);
  }

  function setBusy(own, isBusy) {
    own.isBusy = isBusy;
    if (own === session) showPrompt();
  }

  function showPrompt() {
    part("prompt-word").textContent = promptOf(session);
    form.setAttribute("aria-busy", String(session?.isBusy ?? false));
  }

  return {
    /** Goes on with the session of this instance, or begins it; null leaves the console blank. */
    use(instance) {
      if (instance?.id === session?.instance.id) return;
      session = instance && (sessions.get(instance.id) ?? begun(instance));
      for (const control of root.querySelectorAll("#command, .run, [data-try]")) control.disabled = !session;
      input.value = "";
      part("console-where").textContent = instance ? `${instance.host}:${instance.port}` : usualWhere;
      transcript.replaceChildren(...(session ? session.entries : [ghost]));
      transcript.scrollTop = transcript.scrollHeight;
      showPrompt();
    },
  };
}

/** As redis-cli shows it: the database when not the first, and whether commands are being queued. */
function promptOf(session) {
  const database = session?.database ? `[${session.database}]` : "";
  return `redis${database}${session?.transaction === "begun" ? "(TX)" : ""}>`;
}
