import { styleText } from "node:util";
import type { StopProblem } from "../stopped.ts";
import type { Screen, World } from "../world.ts";
import { fields, onOneLine, table, type Column, type Look, type Tone } from "./table.ts";

/** Tells the outcome of a command, in JSON or for people. Only outcomes go to standard output. */
export type Show = {
  /** Whether its user has asked for JSON. */
  readonly isJson: () => boolean;
  /** Several things, as a table; `none` where there are none. As JSON they are themselves, or the value they are from. */
  readonly rows: <Row>(rows: readonly Row[], columns: readonly Column<Row>[], none: string, value?: unknown) => void;
  /** One thing, by the names of what it has. */
  readonly fields: (value: unknown, pairs: readonly (readonly [name: string, text: string])[]) => void;
  /** An act that is done, in a sentence. */
  readonly done: (value: unknown, sentence: string) => void;
  /** A text as it is, whatever form is asked for. */
  readonly text: (text: string) => void;
  /** One thing of a stream: JSON on one line, or for people. */
  readonly next: (value: unknown, text: string) => void;
  /** What people should know besides; nothing where JSON is asked for. */
  readonly note: (sentence: string) => void;
  /** What stopped the command. */
  readonly problem: (problem: StopProblem) => void;
  readonly look: Look;
};

const styles = {
  heading: "bold",
  good: "green",
  watch: "yellow",
  bad: "red",
  faint: "dim",
} as const;

/** @param isJson whether the user has asked for JSON; it is asked anew each time, as it is known late */
export function createShow({ stdout, stderr, env }: Pick<World, "stdout" | "stderr" | "env">, isJson: () => boolean) {
  const look = lookOf(stdout, env);
  const write = (value: unknown, text: () => string) => stdout.write(isJson() ? json(value) : text());

  const show: Show = {
    isJson,
    rows: (rows, columns, none, value = rows) =>
      write(value, () => (rows.length === 0 ? `${none}\n` : table(rows, columns, look))),
    fields: (value, pairs) => write(value, () => fields(pairs, look)),
    done: (value, sentence) => write(value, () => `${onOneLine(sentence)}\n`),
    text: (text) => stdout.write(text),
    next: (value, text) => stdout.write(isJson() ? `${JSON.stringify(value)}\n` : text),
    note: (sentence) => {
      if (!isJson()) stderr.write(`${onOneLine(sentence)}\n`);
    },
    problem: (problem) => stderr.write(isJson() ? json(problem) : `getaredis: ${onOneLine(sentenceOf(problem))}\n`),
    look,
  };
  return show;
}

/** Colour and a width only where a person looks at it, and colour only where nobody has asked for none. */
function lookOf({ isTerminal, columns }: Screen, env: World["env"]): Look {
  const isPlain = !isTerminal || (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  return {
    width: isTerminal ? columns : undefined,
    paint: (tone: Tone | "heading", text) =>
      isPlain || tone === "none" || text === "" ? text : styleText(styles[tone], text, { validateStream: false }),
  };
}

/** The title is left out where the detail says the same. */
function sentenceOf({ title, detail, contact }: StopProblem): string {
  const what = detail.toLowerCase().includes(title.toLowerCase()) ? detail : `${title}. ${detail}`;
  return `${what}${contact === undefined ? "" : ` Contact: ${contact}`}`;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
