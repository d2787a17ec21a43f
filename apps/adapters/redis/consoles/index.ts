import { hashSecret, matchesHash } from "../../../lib/secrets.ts";
import { stateAfter, type ConsoleState } from "../../../core/console/command-rules.ts";
import type { SizedReply } from "../../../core/console/redis-reply.ts";
import { NoReply, openConnection, type RedisConnection } from "./connection.ts";
import { REDIS_USERNAME } from "../../../core/services/redis.ts";

/** Bounds of the connections that this process keeps to instances. */
export type ConsoleLimits = {
  /** Connections to all instances together. */
  readonly most: number;
  /** Connections to one instance: they count among those it lets its owner have. */
  readonly mostPerInstance: number;
  /** Commands that may wait for the one before them in a session. */
  readonly mostWaiting: number;
  /** Time after which an unused connection is closed. */
  readonly idleMs: number;
  readonly connectTimeoutMs: number;
  /** Time a command may take; the connection is closed then, so that it does not linger. */
  readonly commandTimeoutMs: number;
  /** Bytes kept of a reply. */
  readonly mostReplyBytes: number;
};

/** A command for an instance. */
export type ConsoleRequest = {
  readonly instanceId: string;
  /** Whose connection is used again: a name that the caller made up. */
  readonly session: string;
  readonly host: string;
  readonly port: number;
  readonly password: string;
  readonly words: readonly (string | Buffer)[];
  /** What the caller takes the connection's state to be; a new connection is brought there. */
  readonly state: ConsoleState;
};

/**
 * How a command came out: with a reply (of whatever kind); not run, because the password is wrong, too
 * much is going on, nobody listens there, or the connection that held the transaction is gone; or cut
 * short, when whether it had an effect is unknown.
 */
export type ConsoleOutcome =
  | ({ readonly kind: "replied"; readonly state: ConsoleState } & SizedReply)
  | { readonly kind: "wrong-password" | "busy" | "unreachable" | "transaction-lost" | "too-slow" | "closed" };

type Session = {
  readonly instanceId: string;
  readonly passwordHash: Buffer;
  connection: RedisConnection | undefined;
  state: ConsoleState;
  /** Ends when all commands so far have. */
  tail: Promise<unknown>;
  waiting: number;
  idle: NodeJS.Timeout | undefined;
  isEnded: boolean;
};

/** Connections of consoles to instances, as user `default` with the password given: with its rights, no more. */
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
    const turn = session.tail.then(() => runNow(session, request));
    session.tail = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      session.waiting--;
      if (session.waiting === 0) rest(key, session);
    }
  }

  /** A new session, for which one at rest may have to go; undefined when none is at rest. */
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

  async function runNow(session: Session, request: ConsoleRequest): Promise<ConsoleOutcome> {
    if (!session.connection?.isOpen()) {
      // Outside of its transaction the command would do something else.
      if (request.state.transaction !== "none") return { kind: "transaction-lost" };
      // Its connection would be one beyond all limits. Asked again, it gets one of a new session.
      if (session.isEnded) return { kind: "busy" };
      const refusal = await login(session, request);
      if (refusal) return refusal;
    }
    try {
      const { connection } = session;
      if (!connection) return { kind: "closed" };
      const read = await connection.ask(request.words, limits.mostReplyBytes, limits.commandTimeoutMs);
      session.state = stateAfter(
        session.state,
        request.words.map((word) => Buffer.from(word)),
        read.reply,
      );
      return { kind: "replied", ...read, state: session.state };
    } catch (fault) {
      if (!(fault instanceof NoReply)) throw fault;
      return { kind: fault.reason };
    }
  }

  /** Connects and logs in. Gives what came in the way, also a reply that the command would have got. */
  async function login(
    session: Session,
    { host, port, password, state }: ConsoleRequest,
  ): Promise<ConsoleOutcome | undefined> {
    let connection: RedisConnection | undefined;
    try {
      connection = await openConnection(host, port, limits.connectTimeoutMs);
      session.connection = connection;
      session.state = { database: 0, transaction: "none" };
      const auth = await connection.ask(
        ["AUTH", REDIS_USERNAME, password],
        limits.mostReplyBytes,
        limits.connectTimeoutMs,
      );
      if (auth.reply.kind === "error") {
        connection.close();
        return auth.reply.text.startsWith("WRONGPASS")
          ? { kind: "wrong-password" }
          : { kind: "replied", ...auth, state: session.state };
      }
      if (state.database === 0) return undefined;
      const select = await connection.ask(
        ["SELECT", String(state.database)],
        limits.mostReplyBytes,
        limits.connectTimeoutMs,
      );
      if (select.reply.kind === "error") {
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

  /** Keeps an open connection for the next command, for a while; not that of a session ended while it was made. */
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

/** {@link createRedisConsoles} */
export type RedisConsoles = ReturnType<typeof createRedisConsoles>;
