import type { HandoutCounts, History } from "../../core/figures/contract.ts";
import type { Database } from "./database.ts";

const BATCH = 1000;

/** History of all instances. */
export function historyStatements(database: Database): History {
  // Counting reads an index over all history, and anybody may ask for it: calls that come meanwhile share the result.
  let counting: Promise<HandoutCounts> | undefined;

  function countHandouts(now: Date): Promise<HandoutCounts> {
    counting ??= countNow(now).finally(() => (counting = undefined));
    return counting;
  }

  function countNow(now: Date): Promise<HandoutCounts> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<{ running: number; started: number | string }>(
        `SELECT (SELECT COUNT(*) FROM instances WHERE state = 'running' AND expires_at > ?) AS running,
                (SELECT pruned_handouts FROM deployment)
                  + (SELECT COUNT(handed_out_at) FROM instances WHERE handed_out_at IS NOT NULL) AS started`,
        [now],
      );
      return { running: row?.running ?? 0, startedEver: Number(row?.started ?? 0) };
    });
  }

  async function prune(before: Date): Promise<number> {
    let forgotten = 0;
    for (let batch = BATCH; batch === BATCH; forgotten += batch) {
      batch = await database.transaction(async (sql) => {
        // Two pruners must not count the same row: the second skips what the first holds.
        const rows = await sql.rows<{ id: string; handed: number }>(
          `SELECT id, handed_out_at IS NOT NULL AS handed
           FROM instances
           WHERE state = 'ended' AND ended_at < ?
           ORDER BY ended_at
           LIMIT ${BATCH}
           FOR UPDATE SKIP LOCKED`,
          [before],
        );
        for (const { id } of rows) await sql.run("DELETE FROM instances WHERE id = ?", [id]);
        const handed = rows.filter((row) => row.handed === 1).length;
        if (handed > 0) await sql.run("UPDATE deployment SET pruned_handouts = pruned_handouts + ?", [handed]);
        return rows.length;
      });
    }
    await database.query(async (sql) => {
      // A host's row is kept as long as an instance refers to it.
      await sql.run(
        `DELETE FROM hosts
         WHERE state = 'gone'
           AND name IN (SELECT name FROM droplets WHERE gone_at < ?)
           AND id NOT IN (SELECT host_id FROM instances)`,
        [before],
      );
      await sql.run(
        "DELETE FROM droplets WHERE state = 'gone' AND gone_at < ? AND name NOT IN (SELECT name FROM hosts)",
        [before],
      );
      await sql.run("DELETE FROM gateway_droplets WHERE state = 'gone' AND gone_at < ?", [before]);
      await sql.run(
        `DELETE FROM doomed_hosts
         WHERE asked_at < ? AND name NOT IN (SELECT name FROM droplets WHERE name IS NOT NULL)`,
        [before],
      );
      await sql.run("DELETE FROM events WHERE last_at < ?", [before]);
      await sql.run("DELETE FROM transfer_days WHERE day < DATE(?)", [before]);
      await sql.run("DELETE FROM minute_figures WHERE minute < ?", [before]);
      // Only a day of them is ever read.
      await sql.run("DELETE FROM starts WHERE hour < ?", [before]);
      await sql.run("DELETE FROM networks WHERE seen_at < ? AND network NOT IN (SELECT network FROM network_places)", [
        before,
      ]);
      // Older replicas still use this table; a later migration drops it.
      await sql.run("DELETE FROM minutes WHERE minute < ?", [before]);
    });
    await database.query((sql) =>
      sql.run("DELETE FROM addresses WHERE seen_at < ? AND address NOT IN (SELECT address FROM quota_places)", [
        before,
      ]),
    );
    return forgotten;
  }

  async function eraseHolders(before: Date): Promise<number> {
    let erased = 0;
    let from = new Date(0);
    for (let found = BATCH; found === BATCH;) {
      // One way through the ended ones, over their index, by when they ended.
      const rows = await database.query((sql) =>
        sql.rows<{ id: string; ended_at: Date }>(
          `SELECT id, ended_at FROM instances
           WHERE ended_at >= ? AND ended_at < ? AND address <> '' AND state = 'ended'
           ORDER BY ended_at
           LIMIT ${BATCH}`,
          [from, before],
        ),
      );
      found = rows.length;
      from = rows.at(-1)?.ended_at ?? from;
      for (const { id } of rows)
        erased += await database.query((sql) =>
          sql.run("UPDATE instances SET address = '', touched_at = touched_at WHERE id = ? AND address <> ''", [id]),
        );
    }
    await database.query(async (sql) => {
      // Named by address as well; only a day of them is ever read.
      await sql.run("DELETE FROM starts WHERE hour < ?", [before]);
      await sql.run("DELETE FROM addresses WHERE seen_at < ? AND address NOT IN (SELECT address FROM quota_places)", [
        before,
      ]);
    });
    return erased;
  }

  return { countHandouts, prune, eraseHolders };
}
