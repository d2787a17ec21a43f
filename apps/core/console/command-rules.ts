import type { RedisReply } from "./redis-reply.ts";
import { wordsOf } from "./reply-text.ts";

/** What a console's connection remembers between two commands, beyond its login. */
export type ConsoleState = {
  /** Number of the database that SELECT chose. */
  readonly database: number;
  /** Keys are watched, or commands are being queued: lost with the connection. */
  readonly transaction: "none" | "watched" | "begun";
};

/** The same as the connection itself has to know it. */
export type ConnectionState = ConsoleState & {
  /**
   * Whether the server has to be asked which database is selected: no reply told it. "later" while a SELECT waits in
   * the queue, "now" once the queue was run.
   */
  readonly askDatabase?: "later" | "now";
};

/** What a console does with a command: send it on, answer it itself, or close the connection as asked. */
export type ConsoleVerdict =
  | { readonly kind: "run" }
  | { readonly kind: "refuse"; readonly why: string }
  | { readonly kind: "close"; readonly answer: string };

const needsStream = (name: string) => ({
  kind: "refuse" as const,
  why:
    `${name.toUpperCase()} turns the connection into a stream of messages, which this console cannot show. ` +
    "Use redis-cli or a client.",
});

/**
 * Decides which commands a console cannot send on, because each command must have exactly one reply. It does
 * not check rights: Redis does that for the user that is logged in.
 */
export function judgeCommand(words: readonly Buffer[]): ConsoleVerdict {
  const name = wordsOf(words, 1);
  switch (name) {
    case "subscribe":
    case "psubscribe":
    case "ssubscribe":
    case "unsubscribe":
    case "punsubscribe":
    case "sunsubscribe":
    case "monitor":
    case "sync":
    case "psync":
      return needsStream(name);
    case "hello":
      return {
        kind: "refuse",
        why: "This console speaks RESP2 only, so HELLO is not available. Use redis-cli or a client.",
      };
    case "client":
      return wordsOf(words, 2) === "client reply"
        ? { kind: "refuse", why: "This console needs a reply to each command, so CLIENT REPLY is not available." }
        : { kind: "run" };
    case "quit":
    case "exit":
      return { kind: "close", answer: "OK" };
    // It would log the connection out, so the next command gets a new one, logged in.
    case "reset":
      return { kind: "close", answer: "RESET" };
    default:
      return { kind: "run" };
  }
}

/** Whether a command ends a script that runs; Redis takes it while it takes no other. */
export function stopsScripts(words: readonly (string | Buffer)[]): boolean {
  const name = wordsOf(
    words.map((word) => Buffer.from(word)),
    2,
  );
  return name === "script kill" || name === "function kill";
}

/** What the connection remembers after this command got this reply. */
export function stateAfter(state: ConnectionState, words: readonly Buffer[], reply: RedisReply): ConnectionState {
  const isOk = reply.kind === "status" && reply.text === "OK";
  switch (wordsOf(words, 1)) {
    case "select":
      if (isOk) return { ...state, database: Number(words[1]) };
      return reply.kind === "status" && reply.text === "QUEUED" ? { ...state, askDatabase: "later" } : state;
    case "multi":
      return isOk ? { ...state, transaction: "begun" } : state;
    case "watch":
      return isOk && state.transaction === "none" ? { ...state, transaction: "watched" } : state;
    case "unwatch":
      return isOk && state.transaction === "watched" ? { ...state, transaction: "none" } : state;
    case "discard":
      return isOk ? noTransaction(state) : state;
    case "exec":
      // An EXEC with words too many, or while a script is running, leaves the queue as it is.
      if (reply.kind === "error") return reply.text.startsWith("EXECABORT") ? noTransaction(state) : state;
      return reply.kind === "array" && state.askDatabase
        ? { ...noTransaction(state), askDatabase: "now" }
        : noTransaction(state);
    default:
      return state;
  }
}

/** What the console keeps of a connection's state when its transaction is over, or the connection itself. */
export function noTransaction({ database }: ConsoleState): ConsoleState {
  return { database, transaction: "none" };
}

/** The command that asks which database is selected. */
export const ASK_DATABASE = ["CLIENT", "INFO"] as const;

/** The database that the answer to {@link ASK_DATABASE} tells; undefined when it tells none. */
export function databaseIn(reply: RedisReply): number | undefined {
  const text = reply.kind === "string" ? reply.bytes.toString("latin1") : "";
  const [, database] = / db=(\d{1,5})(?: |$)/m.exec(text) ?? [];
  return database === undefined ? undefined : Number(database);
}
