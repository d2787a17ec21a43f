import type { Logins } from "../../core/operator/contract.ts";
import type { Database } from "./database.ts";

/** Rows of the dashboard's logins. */
export function loginStatements(database: Database): Logins {
  async function begin(secretHash: Buffer, opsTokenHash: Buffer, now: Date, endsAt: Date): Promise<void> {
    await database.query(async (sql) => {
      await sql.run("DELETE FROM ops_sessions WHERE ends_at <= ?", [now]);
      await sql.run("INSERT INTO ops_sessions (session_hash, ops_token_hash, began_at, ends_at) VALUES (?, ?, ?, ?)", [
        secretHash,
        opsTokenHash,
        now,
        endsAt,
      ]);
    });
  }

  function isOpen(secretHash: Buffer, opsTokenHash: Buffer, now: Date): Promise<boolean> {
    return database.query(
      async (sql) =>
        (
          await sql.rows("SELECT 1 FROM ops_sessions WHERE session_hash = ? AND ops_token_hash = ? AND ends_at > ?", [
            secretHash,
            opsTokenHash,
            now,
          ])
        ).length === 1,
    );
  }

  async function end(secretHash: Buffer): Promise<void> {
    await database.query((sql) => sql.run("DELETE FROM ops_sessions WHERE session_hash = ?", [secretHash]));
  }

  return { begin, isOpen, end };
}
