import type { Blocks } from "../../core/operator/contract.ts";
import type { Block } from "../../core/operator/operator.ts";
import type { Database } from "./database.ts";

const LONGEST_REASON = 255;

/** Rows of blocked addresses. Hand-outs read them within their own transaction. */
export function blockStatements(database: Database): Blocks {
  function list(): Promise<Block[]> {
    return database.query((sql) =>
      sql.rows<Block>("SELECT address, reason, blocked_at AS blockedAt FROM blocks ORDER BY blocked_at DESC, address"),
    );
  }

  async function add(address: string, reason: string, now: Date): Promise<void> {
    const text = reason.slice(0, LONGEST_REASON);
    await database.query((sql) =>
      sql.run("INSERT INTO blocks (address, reason, blocked_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE reason = ?", [
        address,
        text,
        now,
        text,
      ]),
    );
  }

  function remove(address: string): Promise<boolean> {
    return database.query(async (sql) => (await sql.run("DELETE FROM blocks WHERE address = ?", [address])) === 1);
  }

  return { list, add, remove };
}
