import type { Switches } from "../../core/operator/contract.ts";
import type { Switch } from "../../core/operator/operator.ts";
import type { SwitchName } from "../../core/events/names.ts";
import type { Database } from "./database.ts";

const names: readonly SwitchName[] = ["handouts", "scaling"];

/** Rows of switches. Hand-outs read theirs within their own transaction. */
export function switchStatements(database: Database): Switches {
  function list(): Promise<Switch[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<{ name: SwitchName; paused: number; changed_at: Date }>(
        "SELECT name, paused, changed_at FROM switches",
      );
      return names.map((name) => {
        const row = rows.find((each) => each.name === name);
        return { name, paused: row?.paused === 1, changedAt: row?.changed_at ?? null };
      });
    });
  }

  function set(name: SwitchName, paused: boolean, now: Date): Promise<boolean> {
    return database.transaction(async (sql) => {
      const [row] = await sql.rows<{ paused: number }>("SELECT paused FROM switches WHERE name = ? FOR UPDATE", [name]);
      if ((row?.paused === 1) === paused) return false;
      await sql.run(
        `INSERT INTO switches (name, paused, changed_at)
         VALUES (?, ?, ?)
         ON DUPLICATE KEY UPDATE paused = ?, changed_at = ?`,
        [name, paused ? 1 : 0, now, paused ? 1 : 0, now],
      );
      return true;
    });
  }

  return { list, set };
}
