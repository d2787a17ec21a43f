import { hashSecret, matchesHash } from "../../../lib/secrets.ts";
import {
  ASK_DATABASE,
  databaseIn,
  noTransaction,
  stateAfter,
  stopsScripts,
  type ConnectionState,
} from "../../../core/console/command-rules.ts";
import type { ConsoleOutcome, ConsoleRequest } from "../../../core/console/contract.ts";
import type { ReplyBounds, SizedReply } from "../../../core/console/redis-reply.ts";
import { NoReply, openConnection, type RedisConnection } from "./connection.ts";
import { REDIS_USERNAME } from "../../../core/services/redis.ts";

/** Bounds of the connections that this process keeps to instances. */
export type ConsoleLimits = {
  /** Connections to all instances together. */
  readonly most: number;
  /** Connections to one instance; the owner's own connections share its limit with them. */
  readonly mostPerInstance: number;
  /** Commands that may wait for the one before them in a session. */
  readonly mostWaiting: number;
  /** Time after which an unused connection is closed. */
  readonly idleMs: number;
  readonly connectTimeoutMs: number;
  /** Time that a command may take; the connection is closed after it, so that the command does not go on. */
  readonly commandTimeoutMs: number;
  readonly reply: ReplyBounds;
};

type Session = {
  readonly instanceId: string;
  readonly passwordHash: Buffer;
  connection: RedisConnection | undefined;
  state: ConnectionState;
  /** Ends when all commands so far have. */
  tail: Promise<unknown>;
  waiting: number;
  idle: NodeJS.Timeout | undefined;
  isEnded: boolean;
};

/**
 * Connections of consoles to instances, logged in as user `default` with the given password, and so with that
 * user's rights only.
 */
export function createRedisConsoles(limits: ConsoleLimits) {
  // In the order of their last use.
  const sessions = new Map<string, Session>();

  /** Runs a command on the session's connection, after those before it; opens one where there is none. */
  async function run(request: ConsoleRequest): Promise<ConsoleOutcome> {
    const key = `${request.instanceId} ${request.session}`;
    const session = sessions.get(key) ?? begun(key, request);
    if (!session || session.waiting > limits.mostWaiting) return { kind: "busy" };
    if (!matchesHash(request.password, session.passwordHash)) return { kind: "wrong-password" };
    sessions.delete(key);
    sessions.set(key, session);
    clearTimeout(session.idle);
    session.waiting++;
    const turn = session.tail.then(() => runUntilAborted(session, request));
    session.tail = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      session.waiting--;
      if (session.waiting === 0) rest(key, session);
    }
  }

  /** A new session, which may replace an idle one; undefined when there are too many and none is idle. */
  function begun(key: string, { instanceId, password, state }: ConsoleRequest): Session | undefined {
    const own = [...sessions].filter(([, session]) => session.instanceId === instanceId);
    const among = own.length >= limits.mostPerInstance ? own : sessions.size >= limits.most ? [...sessions] : undefined;
    if (among) {
      const oldest = among.find(([, session]) => session.waiting === 0);
      if (!oldest) return undefined;
      end(...oldest);
    }
    const session: Session = {
      instanceId,
      passwordHash: hashSecret(password),
      connection: undefined,
      state: { database: state.database, transaction: "none" },
      tail: Promise.resolve(),
      waiting: 0,
      idle: undefined,
      isEnded: false,
    };
    sessions.set(key, session);
    return session;
  }

  /** A command that nobody waits for must not wait itself: a closed connection takes it off the server's queues. */
  async function runUntilAborted(session: Session, request: ConsoleRequest): Promise<ConsoleOutcome> {
    const { signal } = request;
    if (signal?.aborted) return { kind: "closed" };
    const stop = () => session.connection?.close();
    signal?.addEventListener("abort", stop);
    try {
      return await runNow(session, request);
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  async function runNow(session: Session, request: ConsoleRequest): Promise<ConsoleOutcome> {
    if (!session.connection?.isOpen()) {
      // Outside of its transaction, the command would have another effect.
      if (request.state.transaction !== "none") return { kind: "transaction-lost" };
      // A new connection here would exceed the limits. When the caller tries again, a new session is opened.
      if (session.isEnded) return { kind: "busy" };
      const refusal = await login(session, request);
      if (refusal) return refusal;
    }
    try {
      const { connection } = session;
      if (!connection || request.signal?.aborted) return { kind: "closed" };
      const read = await connection.ask(request.words, limits.reply, limits.commandTimeoutMs);
      session.state = await stateNow(session.state, request, read, connection);
      if (stopsScripts(request.words) && session.state.database !== request.state.database) {
        // It was logged in without its database: the next command gets a connection that has it.
        connection.close();
        return { kind: "replied", ...read, state: noTransaction(request.state) };
      }
      const { database, transaction } = session.state;
      return { kind: "replied", ...read, state: { database, transaction } };
    } catch (fault) {
      if (!(fault instanceof NoReply)) throw fault;
      return { kind: fault.reason };
    }
  }

  /** The connection's state after a reply. When the server does not tell it, the connection is closed. */
  async function stateNow(
    before: ConnectionState,
    { words }: ConsoleRequest,
    { reply }: SizedReply,
    connection: RedisConnection,
  ): Promise<ConnectionState> {
    const state = stateAfter(
      before,
      words.map((word) => Buffer.from(word)),
      reply,
    );
    if (state.askDatabase === "now" && connection.isOpen()) {
      const told = await connection.ask(ASK_DATABASE, limits.reply, limits.connectTimeoutMs).catch(ifNoReply);
      const database = told && databaseIn(told.reply);
      if (database !== undefined) return { database, transaction: "none" };
      connection.close();
    }
    return connection.isOpen() ? state : noTransaction(state);
  }

  /** Connects and logs in. Returns what prevented it, also a reply that the command would have got. */
  async function login(
    session: Session,
    { host, port, password, state, words }: ConsoleRequest,
  ): Promise<ConsoleOutcome | undefined> {
    let connection: RedisConnection | undefined;
    try {
      connection = await openConnection(host, port, limits.connectTimeoutMs);
      session.connection = connection;
      session.state = { database: 0, transaction: "none" };
      const auth = await connection.ask(["AUTH", REDIS_USERNAME, password], limits.reply, limits.connectTimeoutMs);
      if (auth.reply.kind === "error") {
        connection.close();
        return auth.reply.text.startsWith("WRONGPASS")
          ? { kind: "wrong-password" }
          : { kind: "replied", ...auth, state: session.state };
      }
      if (state.database === 0) return undefined;
      const select = await connection.ask(["SELECT", String(state.database)], limits.reply, limits.connectTimeoutMs);
      if (select.reply.kind === "error") {
        // While a script runs, no database can be chosen; what stops the script needs none.
        if (select.reply.text.startsWith("BUSY ") && stopsScripts(words)) return undefined;
        connection.close();
        return { kind: "replied", ...select, state: session.state };
      }
      session.state = { database: state.database, transaction: "none" };
      return undefined;
    } catch (fault) {
      connection?.close();
      if (!(fault instanceof NoReply)) throw fault;
      return { kind: "unreachable" };
    }
  }

  /**
   * Keeps an open connection for the next command, for a while; that of a session which ended meanwhile is
   * closed.
   */
  function rest(key: string, session: Session): void {
    if (session.isEnded || !session.connection?.isOpen()) {
      end(key, session);
      return;
    }
    session.idle = setTimeout(() => end(key, session), limits.idleMs);
    session.idle.unref();
  }

  function end(key: string, session: Session): void {
    session.isEnded = true;
    clearTimeout(session.idle);
    session.connection?.close();
    if (sessions.get(key) === session) sessions.delete(key);
  }

  /** Closes the connection of a session, if there is one. */
  function close(instanceId: string, session: string): void {
    const key = `${instanceId} ${session}`;
    const open = sessions.get(key);
    if (open) end(key, open);
  }

  /** Closes all connections; commands under way get no reply. */
  function closeAll(): void {
    for (const [key, session] of sessions) end(key, session);
  }

  return { run, close, closeAll, count: () => sessions.size };
}

function ifNoReply(fault: unknown): undefined {
  if (!(fault instanceof NoReply)) throw fault;
}

/** {@link createRedisConsoles} */
export type RedisConsoles = ReturnType<typeof createRedisConsoles>;
