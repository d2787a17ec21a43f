import type { DropletLife, KeptMinute, MinuteFigures } from "../../core/figures/figures.ts";
import type { EndCause } from "../../core/instances/instance.ts";
import type { Database } from "./database.ts";

/** Figures of each minute, and what they are taken from. */
export function figureStatements(database: Database) {
  /** Keeps the figures of a minute in place of those that the same source has kept of it before. */
  async function keepMinute(minute: Date, source: string, figures: MinuteFigures): Promise<void> {
    const text = JSON.stringify(figures);
    await database.query((session) =>
      session.run(
        "INSERT INTO minutes (minute, source, figures) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE figures = ?",
        [minute, source, text, text],
      ),
    );
  }

  /** Last minute that a source has kept figures of; undefined when it has none. */
  function lastMinute(source: string): Promise<Date | undefined> {
    return database.query(async (session) => {
      // By the key's order: the newest rows are looked at, not all.
      const [row] = await session.rows<{ minute: Date }>(
        "SELECT minute FROM minutes WHERE source = ? ORDER BY minute DESC LIMIT 1",
        [source],
      );
      return row?.minute;
    });
  }

  /** What was kept of the minutes since `from`, of all sources, in no order. */
  function readMinutes(from: Date): Promise<KeptMinute[]> {
    return database.query(async (session) => {
      const rows = await session.rows<{ minute: Date; figures: string }>(
        "SELECT minute, figures FROM minutes WHERE minute >= ?",
        [from],
      );
      return rows.map(({ minute, figures }) => ({ minute, figures: JSON.parse(figures) as MinuteFigures }));
    });
  }

  /** How many instances ended in each minute from `from` until before `to`, by cause. */
  function countEnds(
    from: Date,
    to: Date,
  ): Promise<{ readonly minute: Date; readonly cause: EndCause; readonly ends: number }[]> {
    return database.query(async (session) => {
      const rows = await session.rows<{ since: number; cause: EndCause; ends: number }>(
        "SELECT TIMESTAMPDIFF(MINUTE, ?, ended_at) AS since, end_cause AS cause, COUNT(*) AS ends FROM instances WHERE ended_at >= ? AND ended_at < ? AND end_cause IS NOT NULL GROUP BY since, end_cause",
        [from, from, to],
      );
      return rows.map(({ since, cause, ends }) => ({ minute: new Date(from.getTime() + since * 60_000), cause, ends }));
    });
  }

  /** Droplets that are there, and those gone since `since`. */
  function listDropletLives(since: Date): Promise<DropletLife[]> {
    return database.query(async (session) => {
      const rows = await session.rows<Omit<DropletLife, "hourlyPrice"> & { hourlyPrice: string | null }>(
        `SELECT name, state, droplet_id AS dropletId, region, size, hourly_price AS hourlyPrice, ordered_at AS orderedAt, joined_at AS joinedAt, gone_at AS goneAt
           FROM droplets WHERE name IS NOT NULL AND (state <> 'gone' OR gone_at >= ?) ORDER BY number`,
        [since],
      );
      return rows.map((row) => ({ ...row, hourlyPrice: row.hourlyPrice === null ? null : Number(row.hourlyPrice) }));
    });
  }

  return { keepMinute, lastMinute, readMinutes, countEnds, listDropletLives };
}
