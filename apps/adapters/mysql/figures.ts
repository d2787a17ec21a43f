import type { Figures } from "../../core/figures/contract.ts";
import type { Bucket, KeptMinute, MinuteFigures } from "../../core/figures/figures.ts";
import type { EndCause } from "../../core/events/names.ts";
import type { Database } from "./database.ts";

type FigureName = keyof MinuteFigures;
type FigureRow = { readonly figure: FigureName; readonly label: string; readonly value: number };

const SLOWEST = "+Inf";

/** Rows of figures: one for each figure of a minute and a source. */
export function figureStatements(database: Database): Figures {
  async function keepMinute(minute: Date, source: string, figures: MinuteFigures): Promise<void> {
    const rows = rowsOf(figures);
    await database.transaction(async (sql) => {
      // Two processes that keep the same source's figures at once each remove the other's extra rows. In this
      // order, the later one waits for the earlier one's rows before it searches for them.
      if (rows.length > 0)
        await sql.run(
          `INSERT INTO minute_figures (minute, source, figure, label, value)
           VALUES ${rows.map(() => "(?, ?, ?, ?, ?)").join(", ")}
           ON DUPLICATE KEY UPDATE value = VALUES(value)`,
          rows.flatMap(({ figure, label, value }) => [minute, source, figure, label, value]),
        );
      const others = rows.length === 0 ? "" : `AND (figure, label) NOT IN (${rows.map(() => "(?, ?)").join(", ")})`;
      await sql.run(`DELETE FROM minute_figures WHERE minute = ? AND source = ? ${others}`, [
        minute,
        source,
        ...rows.flatMap(({ figure, label }) => [figure, label]),
      ]);
    });
  }

  function lastMinute(source: string): Promise<Date | undefined> {
    return database.query(async (sql) => {
      // In the key's order, so that only the newest row is read, not all.
      const [row] = await sql.rows<{ minute: Date }>(
        "SELECT minute FROM minute_figures WHERE source = ? ORDER BY minute DESC LIMIT 1",
        [source],
      );
      return row?.minute;
    });
  }

  function readMinutes(from: Date): Promise<KeptMinute[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<FigureRow & { readonly minute: Date; readonly source: string }>(
        "SELECT minute, source, figure, label, value FROM minute_figures WHERE minute >= ?",
        [from],
      );
      const kept = Map.groupBy(rows, ({ minute, source }) => `${minute.getTime()} ${source}`);
      return [...kept.values()].flatMap((some) =>
        some.slice(0, 1).map(({ minute }) => ({ minute, figures: figuresOf(some) })),
      );
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

function rowsOf({ took, leases, slots, ...counts }: MinuteFigures): FigureRow[] {
  return [
    ...Object.entries(counts).flatMap(([figure, each]) =>
      Object.entries(each).map(([label, value]) => ({ figure: figure as keyof typeof counts, label, value })),
    ),
    ...(took ?? []).map(({ boundSeconds, count }) => ({
      figure: "took" as const,
      label: boundSeconds === Infinity ? SLOWEST : String(boundSeconds),
      value: count,
    })),
    ...(leases === undefined ? [] : [{ figure: "leases" as const, label: "", value: leases }]),
    ...(slots === undefined
      ? []
      : [
          { figure: "slots" as const, label: "in_use", value: slots.inUse },
          { figure: "slots" as const, label: "all", value: slots.all },
        ]),
  ];
}

/** Labels are read as they were written: new ones of a later replica are shown as well. */
function figuresOf(rows: readonly FigureRow[]): MinuteFigures {
  const of = Map.groupBy(rows, ({ figure }) => figure);
  const counts = (figure: "handouts" | "began" | "ends" | "hosts" | "droplets") => {
    const some = of.get(figure);
    return some && { [figure]: Object.fromEntries(some.map(({ label, value }) => [label, value])) };
  };
  const took = of.get("took")?.map(bucketOf);
  const leases = of.get("leases")?.[0]?.value;
  const slots = of.get("slots");
  const slotsOf = (label: string) => slots?.find((row) => row.label === label)?.value ?? 0;
  return {
    ...counts("handouts"),
    ...counts("began"),
    ...(took && { took: took.sort((a, b) => a.boundSeconds - b.boundSeconds) }),
    ...counts("ends"),
    ...(leases !== undefined && { leases }),
    ...(slots && { slots: { inUse: slotsOf("in_use"), all: slotsOf("all") } }),
    ...counts("hosts"),
    ...counts("droplets"),
  };
}

function bucketOf({ label, value }: FigureRow): Bucket {
  return { boundSeconds: label === SLOWEST ? Infinity : Number(label), count: value };
}
