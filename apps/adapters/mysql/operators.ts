import type { Operators } from "../../core/operator/contract.ts";
import type { NewOperator, Operator, OperatorChange, OperatorRole } from "../../core/operator/operators.ts";
import { codeOf, isAscii, type Database } from "./database.ts";

/** Columns of an operator, as {@link toOperator} reads them. */
export const operatorColumns = "name, role, created_at, created_by, expires_at, last_used_at";

/** A row of {@link operatorColumns}. */
export type OperatorRow = {
  readonly name: string;
  readonly role: OperatorRole;
  readonly created_at: Date;
  readonly created_by: string;
  readonly expires_at: Date | null;
  readonly last_used_at: Date | null;
};

/** Rows of operators with a token of their own. */
export function operatorStatements(database: Database): Operators {
  function list(): Promise<Operator[]> {
    return database.query(async (sql) =>
      (await sql.rows<OperatorRow>(`SELECT ${operatorColumns} FROM operators ORDER BY name`)).map(toOperator),
    );
  }

  function find(tokenHash: Buffer): Promise<Operator | undefined> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<OperatorRow>(`SELECT ${operatorColumns} FROM operators WHERE token_hash = ?`, [
        tokenHash,
      ]);
      return row && toOperator(row);
    });
  }

  async function add(operator: NewOperator, now: Date): Promise<boolean> {
    const { name, role, tokenHash, createdBy, expiresAt } = operator;
    try {
      await database.query((sql) =>
        sql.run(
          `INSERT INTO operators (name, role, token_hash, created_at, created_by, expires_at)
           VALUES (?, ?, ?, ?, ?, ?)`,
          [name, role, tokenHash, now, createdBy, expiresAt],
        ),
      );
      return true;
    } catch (fault) {
      if (codeOf(fault) === "ER_DUP_ENTRY") return false;
      throw fault;
    }
  }

  async function change(name: string, { role, expiresAt }: OperatorChange): Promise<Operator | undefined> {
    if (!isAscii(name)) return undefined;
    return database.transaction(async (sql) => {
      const [row] = await sql.rows<OperatorRow & { token_hash: Buffer }>(
        `SELECT ${operatorColumns}, token_hash FROM operators WHERE name = ? FOR UPDATE`,
        [name],
      );
      if (!row) return undefined;
      const changed = {
        ...toOperator(row),
        ...(role !== undefined && { role }),
        ...(expiresAt !== undefined && { expiresAt }),
      };
      await sql.run("UPDATE operators SET role = ?, expires_at = ? WHERE name = ?", [
        changed.role,
        changed.expiresAt,
        name,
      ]);
      if (changed.role !== row.role)
        await sql.run("DELETE FROM ops_sessions WHERE ops_token_hash = ?", [row.token_hash]);
      return changed;
    });
  }

  async function remove(name: string): Promise<boolean> {
    if (!isAscii(name)) return false;
    return database.transaction(async (sql) => {
      const [row] = await sql.rows<{ token_hash: Buffer }>(
        "SELECT token_hash FROM operators WHERE name = ? FOR UPDATE",
        [name],
      );
      if (!row) return false;
      await sql.run("DELETE FROM operators WHERE name = ?", [name]);
      await sql.run("DELETE FROM ops_sessions WHERE ops_token_hash = ?", [row.token_hash]);
      return true;
    });
  }

  async function noteUse(tokenHash: Buffer, now: Date): Promise<void> {
    await database.query((sql) =>
      sql.run(
        "UPDATE operators SET last_used_at = ? WHERE token_hash = ? AND (last_used_at IS NULL OR last_used_at < ?)",
        [now, tokenHash, now],
      ),
    );
  }

  return { list, find, add, change, remove, noteUse };
}

/** An operator of its row. */
export function toOperator(row: OperatorRow): Operator {
  return {
    name: row.name,
    role: row.role,
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  };
}
