import type { Figures } from "../../core/figures/contract.ts";
import type { KeptMinute, MinuteFigures } from "../../core/figures/figures.ts";
import type { EndCause } from "../../core/instances/instance.ts";
import type { Database } from "./database.ts";

/** Rows of figures, one a minute and source. */
export function figureStatements(database: Database): Figures {
  async function keepMinute(minute: Date, source: string, figures: MinuteFigures): Promise<void> {
    const text = JSON.stringify(figures);
    await database.query((sql) =>
      sql.run("INSERT INTO minutes (minute, source, figures) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE figures = ?", [
        minute,
        source,
        text,
        text,
      ]),
    );
  }

  function lastMinute(source: string): Promise<Date | undefined> {
    return database.query(async (sql) => {
      // By the key's order: the newest rows are looked at, not all.
      const [row] = await sql.rows<{ minute: Date }>(
        "SELECT minute FROM minutes WHERE source = ? ORDER BY minute DESC LIMIT 1",
        [source],
      );
      return row?.minute;
    });
  }

  function readMinutes(from: Date): Promise<KeptMinute[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<{ minute: Date; figures: string }>(
        "SELECT minute, figures FROM minutes WHERE minute >= ?",
        [from],
      );
      return rows.map(({ minute, figures }) => ({ minute, figures: JSON.parse(figures) as MinuteFigures }));
    });
  }

  function countEnds(
    from: Date,
    to: Date,
  ): Promise<{ readonly minute: Date; readonly cause: EndCause; readonly ends: number }[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<{ since: number; cause: EndCause; ends: number }>(
        `SELECT TIMESTAMPDIFF(MINUTE, ?, ended_at) AS since, end_cause AS cause, COUNT(*) AS ends
         FROM instances
         WHERE ended_at >= ? AND ended_at < ? AND end_cause IS NOT NULL
         GROUP BY since, end_cause`,
        [from, from, to],
      );
      return rows.map(({ since, cause, ends }) => ({ minute: new Date(from.getTime() + since * 60_000), cause, ends }));
    });
  }

  return { keepMinute, lastMinute, readMinutes, countEnds };
}
