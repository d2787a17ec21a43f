import type { RedisReply } from "./redis-reply.ts";

/** A reply as text, and whether all of it is there. */
export type ReplyText = { readonly text: string; readonly isCut: boolean };

/** Commands whose reply is a text made for people: redis-cli prints it as it is. */
const PLAIN_TEXT = /^(info|client (list|info)|memory (doctor|malloc-stats))$/;
const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  '"': '\\"',
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x07": "\\a",
  "\b": "\\b",
};
/** Each byte as it stands between quotes: what is not printable ASCII is spelt out. */
const QUOTED: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (/[ !#-[\]-~]/.test(character)) return character;
  return ESCAPES[character] ?? `\\x${byte.toString(16).padStart(2, "0")}`;
});
/** Bytes, each as a character, in pieces: a character of several bytes as UTF-8 writes it, or else a single byte. */
const PIECES = new RegExp(
  [
    "[\\xc2-\\xdf][\\x80-\\xbf]",
    "\\xe0[\\xa0-\\xbf][\\x80-\\xbf]",
    "[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}",
    "\\xed[\\x80-\\x9f][\\x80-\\xbf]",
    "\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}",
    "[\\xf1-\\xf3][\\x80-\\xbf]{3}",
    "\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}",
    "[^]",
  ].join("|"),
  "g",
);
/** The most bytes of UTF-8 that a character as JavaScript counts them can have. */
const BYTES_PER_CHARACTER = 3;
/**
 * Characters that are shown as they are: those that can be seen, blanks, and those that join others. Neither control
 * characters nor those that turn the direction of text, with which a value could look like another one.
 */
const SHOWN = /^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}\u200c\u200d]$/u;

/**
 * A reply as redis-cli prints it in a terminal, but with UTF-8 as text, cut after about `mostCharacters`.
 * @param words the command it answers: INFO and its like are not quoted
 */
export function replyText(reply: RedisReply, words: readonly Buffer[], mostCharacters: number): ReplyText {
  const isPlain = PLAIN_TEXT.test(wordsOf(words, 1)) || PLAIN_TEXT.test(wordsOf(words, 2));
  if (isPlain && reply.kind === "string") {
    const text = reply.bytes.toString("utf8").replaceAll("\r\n", "\n").trimEnd();
    return {
      text: text.slice(0, mostCharacters),
      isCut: text.length > mostCharacters || reply.bytes.length < reply.length,
    };
  }
  const page = { text: "", isCut: false };
  write(reply, "");
  return { text: page.text.slice(0, mostCharacters), isCut: page.isCut || page.text.length > mostCharacters };

  /** @param indent of the lines after the first */
  function write(value: RedisReply, indent: string): void {
    switch (value.kind) {
      case "status":
        page.text += value.text;
        return;
      case "error":
        page.text += `(error) ${value.text}`;
        return;
      case "integer":
        page.text += `(integer) ${value.text}`;
        return;
      case "nil":
        page.text += "(nil)";
        return;
      case "string":
        page.text += quoted(value.bytes, mostCharacters - page.text.length);
        page.isCut ||= value.bytes.length < value.length;
        return;
      case "array":
        writeArray(value, indent);
    }
  }

  function writeArray({ items, length }: Extract<RedisReply, { kind: "array" }>, indent: string): void {
    page.isCut ||= items.length < length;
    if (length === 0) page.text += "(empty array)";
    else if (items.length === 0) page.text += "(not shown)";
    const width = String(length).length;
    for (const [index, item] of items.entries()) {
      if (page.text.length > mostCharacters) return;
      page.text += `${index === 0 ? "" : `\n${indent}`}${String(index + 1).padStart(width)}) `;
      write(item, indent + " ".repeat(width + 2));
    }
  }
}

/** The first words of a command in lower case, a blank between them. */
export function wordsOf(words: readonly Buffer[], count: number): string {
  return words.slice(0, count).join(" ").toLowerCase();
}

/** Bytes in quotes, as many of them as `mostCharacters` can show. */
function quoted(bytes: Buffer, mostCharacters: number): string {
  let text = '"';
  const characters = bytes.toString("latin1", 0, Math.max(0, mostCharacters) * BYTES_PER_CHARACTER);
  for (const [piece] of characters.matchAll(PIECES)) {
    text += shownPiece(piece);
    if (text.length > mostCharacters) break;
  }
  return `${text}"`;
}

function shownPiece(piece: string): string {
  if (piece.length > 1) {
    const character = Buffer.from(piece, "latin1").toString("utf8");
    if (SHOWN.test(character)) return character;
  }
  return Array.from(piece, (byte) => QUOTED[byte.charCodeAt(0)] ?? "").join("");
}
