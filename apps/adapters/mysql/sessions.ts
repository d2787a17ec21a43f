import type { Database } from "./database.ts";

/** Sessions of the dashboard, known by hashes alone. */
export function sessionStatements(database: Database) {
  /** Begins a session, and forgets those that are over. */
  async function beginSession(sessionHash: Buffer, opsTokenHash: Buffer, now: Date, endsAt: Date): Promise<void> {
    await database.query(async (session) => {
      await session.run("DELETE FROM ops_sessions WHERE ends_at <= ?", [now]);
      await session.run(
        "INSERT INTO ops_sessions (session_hash, ops_token_hash, began_at, ends_at) VALUES (?, ?, ?, ?)",
        [sessionHash, opsTokenHash, now, endsAt],
      );
    });
  }

  /** Whether a session goes on that was begun with this very token of the operator's. */
  function isSession(sessionHash: Buffer, opsTokenHash: Buffer, now: Date): Promise<boolean> {
    return database.query(
      async (session) =>
        (
          await session.rows(
            "SELECT 1 FROM ops_sessions WHERE session_hash = ? AND ops_token_hash = ? AND ends_at > ?",
            [sessionHash, opsTokenHash, now],
          )
        ).length === 1,
    );
  }

  async function endSession(sessionHash: Buffer): Promise<void> {
    await database.query((session) => session.run("DELETE FROM ops_sessions WHERE session_hash = ?", [sessionHash]));
  }

  return { beginSession, isSession, endSession };
}
