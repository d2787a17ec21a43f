/** @import { Api, Bench, ConsoleEntry, Held, HeldInstances, Session } from "../home-types.ts" */
import { bytesInWords } from "./bytes.js";
import { closest, find, findAll, part } from "./elements.js";
import { randomKey } from "./random-key.js";
import { forgetTranscripts, keepTranscript, keptTranscript } from "./transcripts.js";

/** Older lines are dropped. */
const MOST_ENTRIES = 300;
const MOST_REMEMBERED = 200;
/** A command that takes longer than this is said to be waiting, and can be cancelled by a button. */
const PATIENCE_MS = 500;
const TOO_MANY_REQUESTS = 429;
const HELP =
  "Type a Redis command, such as SET greeting hello. HELP SET tells what SET takes.\n" +
  "Tab completes, and Shift+Tab goes back. The up and down keys bring back earlier commands.\n" +
  "Ctrl+C or Escape cancels a command that waits. Ctrl+L or CLEAR empties the console.\n" +
  "Several lines that are pasted run one after the other.\n" +
  "All commands: https://redis.io/commands";
const WAITING = "Waiting for the reply. To cancel: the button, Ctrl+C or Escape.";
const HINT = "Type a command, or choose one of those below. HELP tells more.";

/**
 * A console like redis-cli. Replies are data of strangers: they reach the page as text alone.
 * @param {HTMLElement} root
 * @param {Api} api
 * @param {(id: string) => void} onRefused
 * @param {HeldInstances} held
 * @returns {Bench}
 */
export function createConsole(root, api, onRefused, held) {
  const transcript = part("transcript", root);
  const form = part("prompt", root);
  const input = find(HTMLInputElement, "#command", root);
  const runButton = find(HTMLButtonElement, ".run", root);
  const ghost = part("ghost", root);
  const where = part("console-where", root);
  const usualWhere = where.textContent;
  /** @type {Map<string, Session>} By the instance's id. */
  const sessions = new Map();
  const waiting = lineOf({ kind: "reply", text: WAITING, tone: "hint" });
  /** @type {Session | null} */
  let session = null;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (session?.isWaiting) cancel(session);
    else enter([input.value]);
  });
  input.addEventListener("paste", paste);
  part("terminal", root).addEventListener("keydown", browse);
  find(HTMLElement, ".tries", root).addEventListener("click", (event) => {
    const line = closest(event, "[data-try]")?.dataset.try;
    if (line) enter([line]);
  });
  // As in a terminal, a click anywhere goes to the prompt, but not away from a text being selected.
  part("terminal", root).addEventListener("click", () => {
    if (getSelection()?.isCollapsed) input.focus({ preventScroll: true });
  });
  input.addEventListener("focus", () => void complete(), { once: true });

  /** Completion comes with the first look at the prompt. */
  async function complete() {
    try {
      const { createCompletion } = await import("./completion.js");
      createCompletion(input);
    } catch {
      // The service did not answer: the next look tries again.
      input.addEventListener("focus", () => void complete(), { once: true });
    }
  }

  /**
   * Several lines run one after the other; a single one may still be changed.
   * @param {ClipboardEvent} event
   */
  function paste(event) {
    const pasted = event.clipboardData?.getData("text") ?? "";
    const { value, selectionStart, selectionEnd } = input;
    const whole = value.slice(0, selectionStart ?? 0) + pasted + value.slice(selectionEnd ?? 0);
    const lines = whole.split(/[\r\n]+/).filter((line) => line.trim() !== "");
    if (lines.length < 2 || !session) return;
    event.preventDefault();
    if (session.abort) show(session, note("A command still runs. Paste these lines when it has ended."));
    else enter(lines);
  }

  /** @param {string[]} lines */
  function enter(lines) {
    const own = session;
    if (!own || own.abort) return;
    put("");
    void runAll(own, lines);
  }

  /**
   * @param {Session} own
   * @param {string[]} lines
   */
  async function runAll(own, lines) {
    own.abort = new AbortController();
    const { signal } = own.abort;
    const slow = setTimeout(() => setWaiting(own, true), PATIENCE_MS);
    if (own === session) showPrompt();
    let left = lines.length;
    for (const line of lines) {
      left--;
      if (!(await run(own, line.trim(), signal, lines.length > 1))) break;
      if (signal.aborted) break;
    }
    clearTimeout(slow);
    own.abort = null;
    setWaiting(own, false);
    if (left > 0) show(own, note(`${left} more ${left === 1 ? "line was" : "lines were"} not run.`));
    keep(own);
    if (own === session) showPrompt();
  }

  /**
   * Runs a line; whether those after it may run as well.
   * @param {Session} own
   * @param {string} line
   * @param {AbortSignal} signal
   * @param {boolean} isOneOfMany
   * @returns {Promise<boolean>}
   */
  async function run(own, line, signal, isOneOfMany) {
    remember(own, line);
    if (/^clear$/i.test(line)) {
      empty(own);
      return true;
    }
    show(own, { kind: "typed", text: line, tone: "", prompt: promptOf(own) });
    if (line === "") return true;
    const [, topic] = /^help(?:\s+(.*))?$/i.exec(line) ?? [line, undefined];
    if (/^help\b/i.test(line)) {
      show(own, note(topic ? await helpOn(topic) : HELP));
      return true;
    }
    const isCancelled = () => signal.aborted;
    for (;;) {
      const { value, problem } = await api.run(own.instance, commandOf(own, line), signal);
      if (isCancelled()) {
        own.transaction = "none";
        show(own, note(cancelledNote(line)));
        return false;
      }
      if (value) {
        own.database = value.database;
        own.transaction = value.transaction;
        showAnswer(own, value);
        return value.tone !== "lost";
      }
      if (!isOneOfMany || problem.status !== TOO_MANY_REQUESTS || !problem.retryAfterSeconds) {
        show(own, note(`${problem.title}. ${problem.detail}`));
        onRefused(own.instance.id);
        return false;
      }
      show(own, note(`${problem.title}. Going on in ${problem.retryAfterSeconds} s.`));
      await wait(problem.retryAfterSeconds * 1000, signal);
      if (isCancelled()) {
        show(own, note("Cancelled. This line was not run."));
        return false;
      }
    }
  }

  /**
   * @param {Session} own
   * @param {import("../api-types.ts").ConsoleAnswer} answer
   */
  function showAnswer(own, { text, tone, cutFromBytes, warning }) {
    if (text !== "") show(own, { kind: "reply", text, tone });
    if (cutFromBytes) {
      const size = `${bytesInWords(cutFromBytes)}${warning ? " or more" : ""}`;
      show(own, note(`Cut here: the whole reply has ${size}.`));
    }
    if (warning) show(own, note(warning));
  }

  /** @param {Session} own */
  function cancel(own) {
    own.abort?.abort();
  }

  /**
   * The session of an instance: as it was before the page was loaded again, or new.
   * @param {Held} instance
   * @returns {Session}
   */
  function begun(instance) {
    const kept = keptTranscript(instance.id);
    /** @type {Session} */
    const own = {
      instance,
      key: randomKey(),
      entries: kept?.entries ?? [{ kind: "reply", text: HINT, tone: "hint" }],
      lines: kept?.lines ?? [],
      at: kept?.lines.length ?? 0,
      draft: "",
      database: kept?.database ?? 0,
      transaction: "none",
      abort: null,
      isWaiting: false,
    };
    if (kept?.entries.at(-1)?.kind === "typed" && kept.entries.at(-1)?.text !== "")
      own.entries.push(note("The page was loaded again before the reply came. The command may have had an effect."));
    if (kept && kept.transaction !== "none")
      own.entries.push(note("The page was loaded again, so the transaction is gone."));
    sessions.set(instance.id, own);
    return own;
  }

  /**
   * @param {Session} own
   * @param {ConsoleEntry} entry
   */
  function show(own, entry) {
    own.entries.push(entry);
    const isFull = own.entries.length > MOST_ENTRIES;
    if (isFull) own.entries.shift();
    keep(own);
    if (own !== session) return;
    if (isFull) transcript.firstElementChild?.remove();
    append(lineOf(entry));
  }

  /** @param {HTMLElement} line */
  function append(line) {
    if (waiting.isConnected) waiting.before(line);
    else transcript.append(line);
    transcript.scrollTop = transcript.scrollHeight;
  }

  /**
   * Of an instance that has ended, nothing is kept: a reply may come late.
   * @param {Session} own
   */
  function keep(own) {
    if (isHeld(own.instance.id)) keepTranscript(own);
  }

  /** @param {string} id */
  function isHeld(id) {
    return (held.find(id)?.state ?? "ended") !== "ended";
  }

  /** @param {Session} own */
  function empty(own) {
    own.entries = [];
    keep(own);
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
    if (!session || event.defaultPrevented) return;
    if (event.key === "l" && event.ctrlKey) {
      event.preventDefault();
      empty(session);
      return;
    }
    const copies = !getSelection()?.isCollapsed || input.selectionStart !== input.selectionEnd;
    if (session.abort && (event.key === "Escape" || (event.key === "c" && event.ctrlKey && !copies))) {
      event.preventDefault();
      cancel(session);
      return;
    }
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (step === 0 || event.target !== input || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { lines, at } = session;
    if (at === lines.length) session.draft = input.value;
    session.at = Math.min(lines.length, Math.max(0, at + step));
    put(lines[session.at] ?? session.draft);
  }

  /**
   * Completion looks at what stands in the prompt, also when nobody typed it.
   * @param {string} line
   */
  function put(line) {
    input.value = line;
    input.setSelectionRange(line.length, line.length);
    input.dispatchEvent(new Event("input"));
  }

  /**
   * @param {Session} own
   * @param {boolean} isWaiting
   */
  function setWaiting(own, isWaiting) {
    own.isWaiting = isWaiting;
    if (own === session) showPrompt();
  }

  function showPrompt() {
    part("prompt-word", root).textContent = promptOf(session);
    form.setAttribute("aria-busy", String(Boolean(session?.abort)));
    if (!session?.isWaiting) waiting.remove();
    else if (!waiting.isConnected) append(waiting);
    const word = session?.isWaiting ? "Cancel" : "Run";
    if (runButton.textContent !== word) runButton.textContent = word;
  }

  return {
    /** Continues the session of this instance, or begins it; null leaves the console blank. */
    use(instance) {
      forgetTranscripts(isHeld);
      if (instance?.id === session?.instance.id) return;
      session = instance && (sessions.get(instance.id) ?? begun(instance));
      input.disabled = !session;
      for (const button of findAll(HTMLButtonElement, ".run, [data-try]", root)) button.disabled = !session;
      put("");
      where.textContent = instance ? `${instance.host}:${instance.port}` : usualWhere;
      transcript.replaceChildren(...(session ? session.entries.map(lineOf) : [ghost]));
      transcript.scrollTop = transcript.scrollHeight;
      showPrompt();
    },
  };
}

/** @param {string} topic */
async function helpOn(topic) {
  try {
    const [{ helpOn }, { loadCommands }] = await Promise.all([
      import("./command-words.js"),
      import("./load-commands.js"),
    ]);
    return helpOn(topic, await loadCommands());
  } catch {
    return "The service does not answer. Try again in a moment.";
  }
}

/**
 * @param {Session} own
 * @param {string} command
 */
function commandOf({ key, database, transaction }, command) {
  return { command, session: key, database, transaction };
}

/** @param {string} line */
function cancelledNote(line) {
  const scripts = /^f?(eval|call)/i.test(line) ? " A script goes on until it ends; SCRIPT KILL stops it." : "";
  return `Cancelled: the command waits no longer. It may still have had an effect.${scripts}`;
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 */
function wait(ms, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    signal.addEventListener("abort", resolve);
  });
}

/**
 * What the console itself says.
 * @param {string} text
 * @returns {ConsoleEntry}
 */
function note(text) {
  return { kind: "reply", text, tone: "note" };
}

/**
 * One line typed, or one reply.
 * @param {ConsoleEntry} entry
 */
function lineOf({ kind, text, tone, prompt }) {
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
