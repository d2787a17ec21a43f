import type { Block, Switch, SwitchName } from "../../core/operator/operator.ts";
import type { Database } from "./database.ts";

const LONGEST_REASON = 255;
const names: readonly SwitchName[] = ["handouts", "scaling"];

/** What the operator has paused, and whom it has shut out. Hand-outs read both within their own transaction. */
export function switchStatements(database: Database) {
  /** All switches. */
  function listSwitches(): Promise<Switch[]> {
    return database.query(async (session) => {
      const rows = await session.rows<{ name: SwitchName; paused: number; changed_at: Date }>(
        "SELECT name, paused, changed_at FROM switches",
      );
      return names.map((name) => {
        const row = rows.find((each) => each.name === name);
        return { name, paused: row?.paused === 1, changedAt: row?.changed_at ?? null };
      });
    });
  }

  /** Pauses something, or lets it go on. False when it stood so already. */
  function setSwitch(name: SwitchName, paused: boolean, now: Date): Promise<boolean> {
    return database.transaction(async (session) => {
      const [row] = await session.rows<{ paused: number }>("SELECT paused FROM switches WHERE name = ? FOR UPDATE", [
        name,
      ]);
      if ((row?.paused === 1) === paused) return false;
      await session.run(
        "INSERT INTO switches (name, paused, changed_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE paused = ?, changed_at = ?",
        [name, paused ? 1 : 0, now, paused ? 1 : 0, now],
      );
      return true;
    });
  }

  /** Blocked addresses, the newest first. */
  function listBlocks(): Promise<Block[]> {
    return database.query((session) =>
      session.rows<Block>(
        "SELECT address, reason, blocked_at AS blockedAt FROM blocks ORDER BY blocked_at DESC, address",
      ),
    );
  }

  /** Gives an address no more instances. Again: the reason is the new one. */
  async function addBlock(address: string, reason: string, now: Date): Promise<void> {
    const text = reason.slice(0, LONGEST_REASON);
    await database.query((session) =>
      session.run(
        "INSERT INTO blocks (address, reason, blocked_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE reason = ?",
        [address, text, now, text],
      ),
    );
  }

  /** False when the address was not blocked. */
  function removeBlock(address: string): Promise<boolean> {
    return database.query(
      async (session) => (await session.run("DELETE FROM blocks WHERE address = ?", [address])) === 1,
    );
  }

  return { listSwitches, setSwitch, listBlocks, addBlock, removeBlock };
}
