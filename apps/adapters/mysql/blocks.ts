import type { Blocks } from "../../core/operator/contract.ts";
import { edgesOf, networksAround } from "../../core/operator/networks.ts";
import type { Block, NewBlock } from "../../core/operator/operator.ts";
import type { Database } from "./database.ts";
import { parts } from "./lists.ts";

const LONGEST_REASON = 255;
/** Rows that one statement writes; a list may have thousands. */
const BATCH = 500;
const isInForce = "(until_at IS NULL OR until_at > ?)";

/** Rows of blocked networks. Hand-outs read them within their own transaction, see
 * {@link isBlocked}. */
export function blockStatements(database: Database): Blocks {
  function list(now: Date): Promise<Block[]> {
    return database.query((sql) =>
      sql.rows<Block>(
        `SELECT address, reason, blocked_at AS blockedAt, until_at AS until, blocked_by AS \`by\`
         FROM blocks
         WHERE ${isInForce}
         ORDER BY blocked_at DESC, address`,
        [now],
      ),
    );
  }

  function add({ address, reason, until, by }: NewBlock, now: Date): Promise<void> {
    const { first, last } = edgesOf(address);
    return database.transaction(async (sql) => {
      // One that is over begins anew.
      await sql.run("DELETE FROM blocks WHERE address = ? AND until_at <= ?", [address, now]);
      await sql.run(
        `INSERT INTO blocks (address, reason, blocked_at, until_at, blocked_by, first_ip, last_ip)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE
           reason = VALUES(reason), until_at = VALUES(until_at), blocked_by = VALUES(blocked_by),
           first_ip = VALUES(first_ip), last_ip = VALUES(last_ip)`,
        [address, reason.slice(0, LONGEST_REASON), now, until, by, first, last],
      );
    });
  }

  function remove(address: string, now: Date): Promise<boolean> {
    return database.query(
      async (sql) => (await sql.run(`DELETE FROM blocks WHERE address = ? AND ${isInForce}`, [address, now])) === 1,
    );
  }

  function replaceListed(networks: readonly string[]): Promise<{ added: number; removed: number }> {
    return database.transaction(async (sql) => {
      const rows = await sql.rows<{ network: string }>("SELECT network FROM listed_networks");
      const wanted = new Set(networks);
      const kept = new Set(rows.map(({ network }) => network));
      const gone = [...kept].filter((network) => !wanted.has(network));
      let [added, removed] = [0, 0];
      for (const part of parts(gone, BATCH))
        removed += await sql.run(`DELETE FROM listed_networks WHERE network IN (${marks(part)})`, part);
      // Another process may be reading the same list: what it has written meanwhile is left as it is.
      for (const part of parts(
        [...wanted].filter((network) => !kept.has(network)),
        BATCH,
      ))
        added += await sql.run(
          `INSERT IGNORE INTO listed_networks (network) VALUES ${part.map(() => "(?)").join(", ")}`,
          part,
        );
      return { added, removed };
    });
  }

  function countListed(): Promise<number> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<{ listed: number }>("SELECT COUNT(*) AS listed FROM listed_networks");
      return row?.listed ?? 0;
    });
  }

  function findListed(networks: readonly string[]): Promise<string[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<{ network: string }>(
        `SELECT network FROM listed_networks WHERE network IN (${marks(networks)})`,
        [...networks],
      );
      return rows.map(({ network }) => network);
    });
  }

  return { list, add, remove, replaceListed, countListed, findListed };
}

/**
 * Condition that a block or the list holds an address at `now`: a look-up of keys, as many as there are prefixes.
 * @param key the address as it is counted, see `addressKey`
 */
export function isBlocked(key: string, now: Date): { readonly sql: string; readonly values: (string | Date)[] } {
  const networks = networksAround(key);
  return {
    sql: `(EXISTS (SELECT 1 FROM blocks WHERE address IN (${marks(networks)}) AND ${isInForce})
      OR EXISTS (SELECT 1 FROM listed_networks WHERE network IN (${marks(networks)})))`,
    values: [...networks, now, ...networks],
  };
}

/** Condition that no block of the operator in force at a moment, its one value, holds the address of an instance. */
export const isNotBlocked = `NOT EXISTS (
  SELECT 1 FROM blocks
  WHERE ${isInForce}
    AND LENGTH(first_ip) = LENGTH(INET6_ATON(SUBSTRING_INDEX(instances.address, '/', 1)))
    AND INET6_ATON(SUBSTRING_INDEX(instances.address, '/', 1)) BETWEEN first_ip AND last_ip)`;

function marks(values: readonly unknown[]): string {
  return values.map(() => "?").join(", ");
}
