import { createPool, type ExecuteValues, type PoolConnection, type ResultSetHeader, type RowDataPacket } from "mysql2";
import { TimeoutError } from "p-timeout";
import { Unavailable } from "../../lib/unavailable.ts";

const CONNECT_TIMEOUT_MS = 2_000;
const ANSWER_TIMEOUT_MS = 5_000;
const CONNECTIONS = 10;
const TRIES = 6;

/** One statement after another on one connection. */
export type Sql = {
  /** Rows of a SELECT. */
  readonly rows: <Row>(sql: string, values?: ExecuteValues) => Promise<Row[]>;
  /** Number of rows that an INSERT, UPDATE or DELETE touched; an UPDATE counts matched rows. */
  readonly run: (sql: string, values?: ExecuteValues) => Promise<number>;
};

/** A pool of connections; `query` and `transaction` throw {@link Unavailable} when the server does not answer. */
export type Database = ReturnType<typeof openDatabase>;

/**
 * Opens a pool on `mysqlUrl`. Connects when first used; after the server is lost, each call tries again.
 * @param answerMs time that the server gets for each answer
 */
export function openDatabase(mysqlUrl: string, answerMs = ANSWER_TIMEOUT_MS) {
  const pool = createPool({
    uri: mysqlUrl,
    timezone: "Z",
    connectTimeout: CONNECT_TIMEOUT_MS,
    connectionLimit: CONNECTIONS,
    maxIdle: CONNECTIONS,
  });
  const prepared = new WeakSet<object>();

  /**
   * Runs `work` on one connection, outside a transaction; a
   * statement again when the server broke a deadlock with it.
   */
  function query<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return withConnection((connection) => {
      const { rows, run } = sqlOn(connection, answerMs);
      return work({
        rows: (sql, values) => despiteDeadlocks(() => rows(sql, values)),
        run: (sql, values) => despiteDeadlocks(() => run(sql, values)),
      });
    });
  }

  /** Runs `work` in one transaction; again from its start when the server broke a deadlock with it. */
  function transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return despiteDeadlocks(() =>
      withConnection(async (connection) => {
        await command(connection, "START TRANSACTION", answerMs);
        try {
          const result = await work(sqlOn(connection, answerMs));
          await command(connection, "COMMIT", answerMs);
          return result;
        } catch (fault) {
          if (!isLost(fault)) await command(connection, "ROLLBACK", answerMs);
          throw fault;
        }
      }),
    );
  }

  async function withConnection<T>(work: (connection: PoolConnection) => Promise<T>): Promise<T> {
    let connection: PoolConnection | undefined;
    try {
      connection = await acquire();
      if (!prepared.has(connection)) {
        // Without gap locks, hand-outs to different addresses and slots do not meet.
        await command(connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", answerMs);
        // The server's own times are compared by us: without an hour that comes twice a year.
        await command(connection, "SET SESSION time_zone = '+00:00'", answerMs);
        prepared.add(connection);
      }
      const result = await work(connection);
      connection.release();
      return result;
    } catch (fault) {
      // A connection that timed out may still answer the old query: it must not be used for another.
      if (isLost(fault)) connection?.destroy();
      else connection?.release();
      throw isLost(fault) ? new Unavailable("mysql", fault) : fault;
    }
  }

  function acquire(): Promise<PoolConnection> {
    return answerTo<PoolConnection>(
      answerMs,
      (done) => pool.getConnection(done),
      // It may still be handed to this call after it has given up.
      (connection) => connection.release(),
    );
  }

  return { query, transaction, close: () => pool.promise().end() };
}

/** Repeats the work from its start when the server has rolled it back to end a deadlock. */
async function despiteDeadlocks<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (fault) {
      if (codeOf(fault) !== "ER_LOCK_DEADLOCK" || attempt === TRIES) throw fault;
    }
  }
}

function sqlOn(connection: PoolConnection, answerMs: number): Sql {
  return {
    rows: async <Row>(sql: string, values: ExecuteValues = []) =>
      (await answerTo<RowDataPacket[]>(answerMs, (done) => connection.execute(sql, values, done))) as Row[],
    run: async (sql, values = []) =>
      (await answerTo<ResultSetHeader>(answerMs, (done) => connection.execute(sql, values, done))).affectedRows,
  };
}

function command(connection: PoolConnection, sql: string, answerMs: number): Promise<ResultSetHeader> {
  return answerTo(answerMs, (done) => connection.query(sql, done));
}

/** Server errors that mean "not now" although the connection works. */
const refusals = new Set([
  "ER_CON_COUNT_ERROR",
  "ER_SERVER_SHUTDOWN",
  "ER_LOCK_WAIT_TIMEOUT",
  "ER_OPTION_PREVENTS_STATEMENT",
  "ER_CONNECTION_KILLED",
  "ER_ACCESS_DENIED_ERROR",
  "ER_NORMAL_SHUTDOWN",
]);

/** Whether a fault means that the server is away or refuses to work, not that a statement is wrong. */
function isLost(fault: unknown): boolean {
  if (fault instanceof TimeoutError) return true;
  if (!(fault instanceof Error)) return false;
  const { fatal, sqlState } = fault as { fatal?: boolean; sqlState?: string };
  const code = codeOf(fault);
  return fatal === true || refusals.has(code) || (sqlState === undefined && code !== "");
}

/** MySQL's name of an error, such as ER_DUP_ENTRY; "" when it is none of MySQL's. */
export function codeOf(fault: unknown): string {
  return typeof fault === "object" && fault !== null && "code" in fault ? String(fault.code) : "";
}

/**
 * Whether a text can stand in a column of names and addresses: those are ASCII, and the server refuses to compare
 * them with anything else.
 */
export function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

/**
 * The answer to a call of the driver, in time: its own time-out leaves out the preparing of a statement, and the wait
 * for a connection. Written out, because the driver's promises and p-timeout each make an error with its stack ahead
 * of every call: that was a third of a hand-out's processor time.
 * @param late gets an answer that comes after the time
 * @throws TimeoutError when none comes
 */
function answerTo<Answer>(
  answerMs: number,
  call: (done: (fault: Error | null, answer: Answer) => void) => void,
  late?: (answer: Answer) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new TimeoutError());
    }, answerMs);
    call((fault, answer) => {
      clearTimeout(timer);
      if (fault) reject(fault);
      else if (isLate) late?.(answer);
      else resolve(answer);
    });
  });
}
