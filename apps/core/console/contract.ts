import type { ConsoleState } from "./command-rules.ts";
import type { SizedReply } from "./redis-reply.ts";

/** A command for an instance. */
export type ConsoleRequest = {
  readonly instanceId: string;
  /** Commands of the same session share a connection; its name is made up by the caller. */
  readonly session: string;
  readonly host: string;
  readonly port: number;
  readonly password: string;
  readonly words: readonly (string | Buffer)[];
  /** The connection's state as the caller knows it; a new connection is brought to that state. */
  readonly state: ConsoleState;
  /** Aborts when nobody waits for the reply any more: the command is not begun, or its connection is closed. */
  readonly signal?: AbortSignal;
};

/**
 * The outcome of a command: a reply (of any kind); not run, because the password is wrong, too many commands
 * are under way, nothing listens there, or the connection that held the transaction is gone; or cut short, when
 * it is unknown whether it had an effect.
 */
export type ConsoleOutcome =
  | ({ readonly kind: "replied"; readonly state: ConsoleState } & SizedReply)
  | { readonly kind: "wrong-password" | "busy" | "unreachable" | "transaction-lost" | "too-slow" | "closed" };

/** Connections of consoles to instances. */
export type Consoles = {
  /** Runs a command with the rights that the password gives. */
  readonly run: (request: ConsoleRequest) => Promise<ConsoleOutcome>;
  /** Closes a session's connection. */
  readonly close: (instanceId: string, session: string) => void;
};
