import { splitCommandLine } from "./command-line.ts";
import { judgeCommand, type ConsoleState } from "./command-rules.ts";
import type { Leases } from "../instances/contract.ts";
import { shownState, type Instance } from "../instances/instance.ts";
import type { Consoles } from "./contract.ts";
import { replyText } from "./reply-text.ts";

/** Time a command of a console may take. */
export const COMMAND_TIMEOUT_MS = 10_000;
/** Characters of a reply that are shown. */
const MOST_CHARACTERS = 64 * 1024;

/** What running commands needs of the store and of the connections. */
export type ConsolePorts = {
  readonly store: { readonly leases: Pick<Leases, "findAddress"> };
  readonly consoles: Consoles;
  readonly clock: () => Date;
};

/** A line typed into a console. */
export type TypedCommand = {
  readonly line: string;
  readonly password: string;
  /** Commands of the same name share a connection. */
  readonly session: string;
  /** The connection's state as the console knows it. */
  readonly state: ConsoleState;
};

/** Why an instance was not asked at all. */
export type ConsoleRefusal = { readonly kind: "not-running" | "wrong-password" | "busy" | "unreachable" };

/** What a console shows for a line: the server's reply, its error, or a message of the console itself. */
export type ConsoleAnswer = {
  readonly kind: "answered";
  readonly tone: "reply" | "error" | "note";
  readonly text: string;
  /** Bytes of the reply on the wire where only its beginning is shown, else null. */
  readonly cutFromBytes: number | null;
  readonly state: ConsoleState;
};

/** Runs a typed line on an instance with its owner's password, hence with its owner's rights. */
export async function runCommand(
  ports: ConsolePorts,
  instance: Instance,
  { line, password, session, state }: TypedCommand,
): Promise<ConsoleAnswer | ConsoleRefusal> {
  if (shownState(instance, ports.clock()) !== "running") return { kind: "not-running" };
  const words = splitCommandLine(line);
  if (!words) return { kind: "answered", tone: "error", text: "Invalid argument(s)", cutFromBytes: null, state };
  if (words.length === 0) return { kind: "answered", tone: "reply", text: "", cutFromBytes: null, state };
  const verdict = judgeCommand(words);
  if (verdict.kind === "refuse")
    return { kind: "answered", tone: "note", text: verdict.why, cutFromBytes: null, state };
  if (verdict.kind === "close") {
    ports.consoles.close(instance.id, session);
    return {
      kind: "answered",
      tone: "reply",
      text: verdict.answer,
      cutFromBytes: null,
      state: { database: 0, transaction: "none" },
    };
  }
  const address = await ports.store.leases.findAddress(instance.id);
  if (!address) return { kind: "not-running" };
  const outcome = await ports.consoles.run({ instanceId: instance.id, session, ...address, password, words, state });
  switch (outcome.kind) {
    case "replied": {
      const { text, isCut } = replyText(outcome.reply, words, MOST_CHARACTERS);
      return {
        kind: "answered",
        tone: outcome.reply.kind === "error" ? "error" : "reply",
        text,
        cutFromBytes: isCut ? outcome.sizeBytes : null,
        state: outcome.state,
      };
    }
    case "transaction-lost":
    case "too-slow":
    case "closed":
      return {
        kind: "answered",
        tone: "note",
        text: notes[outcome.kind],
        cutFromBytes: null,
        state: { database: state.database, transaction: "none" },
      };
    default:
      return { kind: outcome.kind };
  }
}

const notes = {
  "transaction-lost":
    "The connection that held the transaction is gone, so this was not run. Begin the transaction again.",
  "too-slow":
    `No reply within ${COMMAND_TIMEOUT_MS / 1000} s, so the connection was closed. ` +
    "Whether the command had an effect is unknown.",
  closed: "The connection closed before a reply came. Whether the command had an effect is unknown.",
} as const;
