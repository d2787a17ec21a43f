import { splitCommandLine } from "./command-line.ts";
import { judgeCommand, noTransaction, type ConsoleState } from "./command-rules.ts";
import type { Leases } from "../instances/contract.ts";
import { shownState, type Instance } from "../instances/instance.ts";
import type { ConsoleOutcome, Consoles } from "./contract.ts";
import { explainError } from "./explain-error.ts";
import type { ReplyBudget } from "./reply-budget.ts";
import { replyText } from "./reply-text.ts";

/** Time a command of a console may take. */
export const COMMAND_TIMEOUT_MS = 10_000;
/** Characters of a reply that are shown. */
const MOST_CHARACTERS = 64 * 1024;
/** Bytes of a reply that are kept: each is shown as one character at least. */
export const KEPT_REPLY_BYTES = MOST_CHARACTERS;

/** What running commands needs of the store and of the connections. */
export type ConsolePorts = {
  readonly store: { readonly leases: Pick<Leases, "findAddress"> };
  readonly consoles: Consoles;
  readonly replyBudget: Pick<ReplyBudget, "waitMs" | "charge">;
  readonly clock: () => Date;
};

/** A line typed into a console. */
export type TypedCommand = {
  /** Address that it comes from, as addresses are counted. */
  readonly address: string;
  readonly line: string;
  readonly password: string;
  /** Commands of the same name share a connection. */
  readonly session: string;
  /** The connection's state as the console knows it. */
  readonly state: ConsoleState;
  /** Aborts when whoever typed it waits no longer. */
  readonly signal?: AbortSignal;
};

/** Why an instance has not answered, or was not asked at all. */
export type ConsoleRefusal = {
  readonly kind: "not-running" | "wrong-password" | "busy" | "unreachable" | "script-running";
};

/** The replies of the last minute were too long to read another one now. */
export type RepliesSpent = { readonly kind: "replies-spent"; readonly retryAfterMs: number };

/**
 * What a console shows for a line: the server's reply, its error, or a message of the console itself, which may be that
 * the connection is lost.
 */
export type ConsoleAnswer = {
  readonly kind: "answered";
  readonly tone: "reply" | "error" | "note" | "lost";
  readonly text: string;
  /** Bytes of the reply on the wire where only its beginning is shown, else null; at least as many with a warning. */
  readonly cutFromBytes: number | null;
  /** What became of the connection at a reply that was not read to its end, else null. */
  readonly warning: string | null;
  readonly state: ConsoleState;
};

/** Runs a typed line on an instance with its owner's password, hence with its owner's rights. */
export async function runCommand(
  ports: ConsolePorts,
  instance: Instance,
  { line, password, session, state, address: caller, signal }: TypedCommand,
): Promise<ConsoleAnswer | ConsoleRefusal | RepliesSpent> {
  const { store, consoles, replyBudget, clock } = ports;
  if (shownState(instance, clock()) !== "running") return { kind: "not-running" };
  const words = splitCommandLine(line);
  if (!words) return said("error", "Invalid argument(s)", state);
  if (words.length === 0) return said("reply", "", state);
  const verdict = judgeCommand(words);
  if (verdict.kind === "refuse") return said("note", verdict.why, state);
  if (verdict.kind === "close") {
    consoles.close(instance.id, session);
    return said("reply", verdict.answer, { database: 0, transaction: "none" });
  }
  // The instance counts as well, for its owner may have many addresses.
  const payers = [`address ${caller}`, `instance ${instance.id}`];
  const retryAfterMs = replyBudget.waitMs(payers, clock());
  if (retryAfterMs > 0) return { kind: "replies-spent", retryAfterMs };
  const address = await store.leases.findAddress(instance.id);
  if (!address) return { kind: "not-running" };
  const request = { instanceId: instance.id, session, ...address, password, words, state };
  const outcome = await consoles.run({ ...request, ...(signal && { signal }) });
  switch (outcome.kind) {
    case "replied": {
      const answer = shown(outcome, words);
      // What is shown takes time as well: a few bytes of a reply can become many characters.
      replyBudget.charge(payers, outcome.readBytes + answer.text.length, clock());
      return answer;
    }
    case "transaction-lost":
    case "too-slow":
    case "closed":
      return said("lost", notes[outcome.kind], noTransaction(state));
    default:
      return { kind: outcome.kind };
  }
}

function said(tone: ConsoleAnswer["tone"], text: string, state: ConsoleState): ConsoleAnswer {
  return { kind: "answered", tone, text, cutFromBytes: null, warning: null, state };
}

function shown(outcome: Extract<ConsoleOutcome, { kind: "replied" }>, words: readonly Buffer[]): ConsoleAnswer {
  const { reply, readBytes, sizeBytes, state } = outcome;
  const explanation = reply.kind === "error" ? explainError(reply.text) : undefined;
  if (explanation !== undefined) return said("note", explanation, state);
  const { text, isCut } = replyText(reply, words, MOST_CHARACTERS);
  const isUnread = readBytes < sizeBytes;
  return {
    kind: "answered",
    tone: reply.kind === "error" ? "error" : "reply",
    text,
    cutFromBytes: isCut || isUnread ? sizeBytes : null,
    warning: isUnread ? notes.unread : null,
    state,
  };
}

const notes = {
  "transaction-lost":
    "The connection with the transaction has closed, so this command was not run. Start the transaction again.",
  "too-slow":
    `No reply within ${COMMAND_TIMEOUT_MS / 1000} s, so the connection was closed. The command may still have had an ` +
    "effect. A script goes on until it ends; SCRIPT KILL stops it.",
  closed: "The connection closed before the reply came. The command may still have had an effect.",
  unread:
    "The command was run, but its reply is too long for this console, so the connection was closed. " +
    "The next command opens a new one in the same database, and no keys are watched. " +
    "Read such a reply in parts, or with redis-cli or a client.",
} as const;
