import type { Logins } from "../../core/operator/contract.ts";
import type { Login } from "../../core/operator/operators.ts";
import type { Database } from "./database.ts";
import { operatorColumns, toOperator, type OperatorRow } from "./operators.ts";

/** Rows of the dashboard's logins. */
export function loginStatements(database: Database): Logins {
  async function begin(secretHash: Buffer, tokenHash: Buffer, now: Date, endsAt: Date): Promise<void> {
    await database.query(async (sql) => {
      await sql.run("DELETE FROM ops_sessions WHERE ends_at <= ?", [now]);
      await sql.run("INSERT INTO ops_sessions (session_hash, ops_token_hash, began_at, ends_at) VALUES (?, ?, ?, ?)", [
        secretHash,
        tokenHash,
        now,
        endsAt,
      ]);
    });
  }

  function find(secretHash: Buffer, now: Date): Promise<Login | undefined> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<{ ops_token_hash: Buffer } & (OperatorRow | { name: null })>(
        `SELECT ops_token_hash, ${operatorColumns}
         FROM ops_sessions LEFT JOIN operators ON token_hash = ops_token_hash
         WHERE session_hash = ? AND ends_at > ?`,
        [secretHash, now],
      );
      return row && { tokenHash: row.ops_token_hash, operator: row.name === null ? undefined : toOperator(row) };
    });
  }

  async function end(secretHash: Buffer): Promise<void> {
    await database.query((sql) => sql.run("DELETE FROM ops_sessions WHERE session_hash = ?", [secretHash]));
  }

  return { begin, find, end };
}
