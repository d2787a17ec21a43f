/** A column of a table: its heading, and what it shows of a row. */
export type Column<Row> = {
  readonly title: string;
  readonly of: (row: Row) => string;
  /** Whether it is cut where the terminal is too narrow for all. */
  readonly isCut?: boolean;
  readonly tone?: (row: Row) => Tone;
};

/** What a cell is to tell at a glance, where there is colour. */
export type Tone = "good" | "watch" | "bad" | "faint" | "none";

/** How a table is drawn. */
export type Look = {
  /** Columns to keep to; undefined: as many as it takes. */
  readonly width: number | undefined;
  readonly paint: (tone: Tone | "heading", text: string) => string;
};

const GAP = "  ";
const LEAST = 8;

/** Rows below headings, each column as wide as what is in it; cut to the width where there is one. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], { width, paint }: Look): string {
  const cells = rows.map((row) => columns.map(({ of }) => onOneLine(of(row))));
  const widths = fitting(
    columns.map(({ title, isCut }, index) => ({
      width: Math.max(lengthOf(title), ...cells.map((row) => lengthOf(row[index] ?? ""))),
      isCut: isCut === true,
    })),
    width,
  );
  const line = (texts: readonly string[], tones: readonly (Tone | "heading")[]) =>
    texts
      .map((text, index) => {
        const shown = cut(text, widths[index] ?? 0);
        const isLast = index === texts.length - 1;
        const padding = isLast ? "" : " ".repeat((widths[index] ?? 0) - lengthOf(shown));
        return `${paint(tones[index] ?? "none", shown)}${padding}`;
      })
      .join(GAP)
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title),
      columns.map(() => "heading"),
    ),
    ...rows.map((row, index) =>
      line(
        cells[index] ?? [],
        columns.map(({ tone }) => tone?.(row) ?? "none"),
      ),
    ),
    "",
  ].join("\n");
}

/** Names and what they stand for, one a line. */
export function fields(pairs: readonly (readonly [name: string, text: string])[], { paint }: Look): string {
  const width = Math.max(0, ...pairs.map(([name]) => lengthOf(name)));
  return pairs
    .map(([name, text]) => `${paint("heading", name)}${" ".repeat(width - lengthOf(name))}${GAP}${onOneLine(text)}\n`)
    .join("");
}

/** Widths that fit, taken from the widest of the columns that may be cut. */
function fitting(columns: readonly { readonly width: number; readonly isCut: boolean }[], most: number | undefined) {
  const widths = columns.map(({ width }) => width);
  if (most === undefined) return widths;
  let tooMany = widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1)) - most;
  for (; tooMany > 0; tooMany--) {
    const widest = columns.reduce<number | undefined>((best, { isCut }, index) => {
      const width = widths[index] ?? 0;
      return isCut && width > LEAST && (best === undefined || width > (widths[best] ?? 0)) ? index : best;
    }, undefined);
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/**
 * Without what a terminal would take for more than text: what strangers or hosts have written must not move its cursor,
 * change its title or turn lines around.
 */
export function onOneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/gu, "�");
}

function cut(text: string, width: number): string {
  const letters = Array.from(text);
  return letters.length <= width ? text : `${letters.slice(0, width - 1).join("")}…`;
}

function lengthOf(text: string): number {
  return Array.from(text).length;
}
