const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const BACKSLASH = 0x5c;
/** Characters that separate words; two words may have several of them between them. */
const ENDS: ReadonlySet<number> = new Set(Buffer.from(" \n\r\t"));
const SPACES: ReadonlySet<number> = new Set(Buffer.from(" \n\r\t\v\f"));
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };

/**
 * The words of a typed line, split as redis-cli does: quotes keep blanks together; "…" knows the escapes \n \r
 * \t \b \a \xHH, '…' only \'. Words are bytes, because \xHH may be any byte.
 * @returns undefined when a quote is not closed, or when its closing quote is followed by something else than a
 *   blank
 */
export function splitCommandLine(line: string): Buffer[] | undefined {
  const bytes = Buffer.from(line);
  const words: Buffer[] = [];
  for (let at = 0; ;) {
    while (SPACES.has(bytes[at] ?? -1)) at++;
    if (at === bytes.length) return words;
    const word = readWord(bytes, at);
    if (!word) return undefined;
    words.push(Buffer.from(word.bytes));
    at = word.end;
  }
}

/** One word from `at` on, with the place after it. */
function readWord(bytes: Buffer, at: number): { readonly bytes: number[]; readonly end: number } | undefined {
  const word: number[] = [];
  while (at < bytes.length && !ENDS.has(bytes[at] ?? -1)) {
    const byte = bytes[at] ?? 0;
    at++;
    if (byte !== QUOTE && byte !== APOSTROPHE) {
      word.push(byte);
      continue;
    }
    const end = byte === QUOTE ? readQuoted(bytes, at, word) : readApostrophed(bytes, at, word);
    // A closing quote is the end of its word.
    return end !== undefined && (end === bytes.length || SPACES.has(bytes[end] ?? -1))
      ? { bytes: word, end }
      : undefined;
  }
  return { bytes: word, end: at };
}

/** Adds the text up to the closing quote; returns the place after it, or undefined when there is none. */
function readQuoted(bytes: Buffer, at: number, word: number[]): number | undefined {
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) return at + 1;
    const hex = /^\\x([0-9a-f]{2})/i.exec(bytes.toString("latin1", at, at + 4))?.[1];
    if (hex !== undefined) {
      word.push(Number.parseInt(hex, 16));
      at += 4;
    } else if (byte === BACKSLASH && at + 1 < bytes.length) {
      const escaped = bytes[at + 1] ?? 0;
      word.push(ESCAPES[String.fromCharCode(escaped)]?.charCodeAt(0) ?? escaped);
      at += 2;
    } else {
      word.push(byte);
      at++;
    }
  }
  return undefined;
}

function readApostrophed(bytes: Buffer, at: number, word: number[]): number | undefined {
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (byte === APOSTROPHE) return at + 1;
    if (byte === BACKSLASH && bytes[at + 1] === APOSTROPHE) at++;
    word.push(bytes[at] ?? 0);
    at++;
  }
  return undefined;
}
