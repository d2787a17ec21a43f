import { createConnection, type Connection, type RowDataPacket } from "mysql2/promise";
import pTimeout from "p-timeout";
import { Unavailable } from "../../lib/unavailable.ts";

const CONNECT_TIMEOUT_MS = 2_000;
const ANSWER_TIMEOUT_MS = 3_000;
const SIGN_OF_LIFE_MS = 5_000;
/** The server closes the connection of a leader that has been silent for this long, and frees its lock. */
const SILENCE_SECONDS = 20;

/** Names of locks are shared by the whole server, and have 64 characters at most. */
const LOCK_NAME = "CONCAT(LEFT(DATABASE(), 40), '.lead.', ?)";

/** One candidate for the leadership of a job among all replicas. */
export type Leadership = ReturnType<typeof createLeadership>;

/**
 * A candidate for leading `job`. The leader is the process that holds a lock of the server. The lock ends with
 * its connection: another replica leads as soon as the leader's process ends, and 20 s after it hangs or loses
 * its connection to the server.
 */
export function createLeadership(mysqlUrl: string, job: string) {
  let held: { readonly connection: Connection; readonly term: number } | undefined;
  let timer: NodeJS.Timeout | undefined;

  /**
   * The term of this process's leadership; undefined while another process leads.
   * @throws Unavailable when MySQL does not answer
   */
  async function term(): Promise<number | undefined> {
    if (held) return held.term;
    let connection: Connection | undefined;
    try {
      connection = await createConnection({ uri: mysqlUrl, timezone: "Z", connectTimeout: CONNECT_TIMEOUT_MS });
      connection.on("error", () => undefined);
      const gained = await pTimeout(candidate(connection), { milliseconds: ANSWER_TIMEOUT_MS });
      if (gained === undefined) {
        await connection.end();
        return undefined;
      }
      watch(connection, gained);
      return gained;
    } catch (fault) {
      connection?.destroy();
      throw new Unavailable("mysql", fault);
    }
  }

  async function candidate(connection: Connection): Promise<number | undefined> {
    await connection.query(`SET SESSION wait_timeout = ${SILENCE_SECONDS}`);
    const [[lock]] = await connection.query<RowDataPacket[]>(`SELECT GET_LOCK(${LOCK_NAME}, 0) AS held`, [job]);
    if (lock?.["held"] !== 1) return undefined;
    await connection.query("INSERT INTO leaders (job, term) VALUES (?, 1) ON DUPLICATE KEY UPDATE term = term + 1", [
      job,
    ]);
    const [[row]] = await connection.query<RowDataPacket[]>("SELECT term FROM leaders WHERE job = ?", [job]);
    return row?.["term"] as number;
  }

  function watch(connection: Connection, gained: number): void {
    held = { connection, term: gained };
    const lose = () => {
      if (held?.connection === connection) held = undefined;
      clearInterval(timer);
      connection.destroy();
    };
    connection.on("error", lose);
    (connection as unknown as { connection: NodeJS.EventEmitter }).connection.on("end", lose);
    const sayAlive = () => pTimeout(connection.query("DO 1"), { milliseconds: ANSWER_TIMEOUT_MS });
    timer = setInterval(() => void sayAlive().catch(lose), SIGN_OF_LIFE_MS);
    timer.unref();
  }

  /** Steps down at once. */
  async function resign(): Promise<void> {
    clearInterval(timer);
    const leaving = held;
    held = undefined;
    if (leaving === undefined) return;
    try {
      // The server frees a lock some time after its connection has ended; another process has to be able to
      // lead at once.
      await pTimeout(leaving.connection.query(`DO RELEASE_LOCK(${LOCK_NAME})`, [job]), {
        milliseconds: ANSWER_TIMEOUT_MS,
      });
      await leaving.connection.end();
    } catch {
      leaving.connection.destroy();
    }
  }

  return { term, resign };
}
