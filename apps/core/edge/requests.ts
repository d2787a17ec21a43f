/** The next command in what a client has sent so far, with the number of bytes that it takes. */
export type NextRequest =
  | { readonly kind: "command"; readonly words: readonly Buffer[]; readonly bytes: number }
  /** More has to come. */
  | { readonly kind: "part" }
  /** It is none, and nothing after it can be understood. */
  | { readonly kind: "wrong"; readonly message: string };

/** As Redis bounds those who have not logged in. */
const MOST_WORDS = 10;
const MOST_WORD_BYTES = 16_384;
const MOST_INLINE_BYTES = 65_536;
const STAR = 0x2a;

/**
 * Reads the first command of a client that has not logged in: an array of RESP, or a line. Bounds and errors are those
 * of Redis.
 */
export function readRequest(sent: Buffer): NextRequest {
  if (sent.length === 0) return { kind: "part" };
  return sent[0] === STAR ? readArray(sent) : readLine(sent);
}

function readArray(sent: Buffer): NextRequest {
  const header = numberAt(sent, 1);
  if (header === undefined) return lineIsLong(sent, 1) ? wrong("too big mbulk count string") : { kind: "part" };
  if (header.value === undefined) return wrong("invalid multibulk length");
  if (header.value > MOST_WORDS) return wrong("unauthenticated multibulk length");
  const words: Buffer[] = [];
  let at = header.end;
  for (let count = 0; count < header.value; count++) {
    if (at >= sent.length) return { kind: "part" };
    if (sent[at] !== 0x24) return wrong(`expected '$', got '${printable(sent[at])}'`);
    const length = numberAt(sent, at + 1);
    if (length === undefined) return lineIsLong(sent, at + 1) ? wrong("too big bulk count string") : { kind: "part" };
    if (length.value === undefined || length.value < 0) return wrong("invalid bulk length");
    if (length.value > MOST_WORD_BYTES) return wrong("unauthenticated bulk length");
    if (sent.length < length.end + length.value + 2) return { kind: "part" };
    words.push(sent.subarray(length.end, length.end + length.value));
    at = length.end + length.value + 2;
  }
  return { kind: "command", words, bytes: at };
}

/** A number and a line end; `value` is undefined when it is no number. Undefined when the line has not ended. */
function numberAt(
  sent: Buffer,
  start: number,
): { readonly value: number | undefined; readonly end: number } | undefined {
  const lineEnd = sent.indexOf("\r\n", start);
  if (lineEnd === -1) return undefined;
  const text = sent.toString("latin1", start, lineEnd);
  return { value: /^-?\d{1,10}$/.test(text) ? Number(text) : undefined, end: lineEnd + 2 };
}

function lineIsLong(sent: Buffer, start: number): boolean {
  return sent.length - start > MOST_INLINE_BYTES;
}

/** Words as somebody types them; quotes are left as they are, since no word that matters here needs them. */
function readLine(sent: Buffer): NextRequest {
  const lineEnd = sent.indexOf("\n");
  if (lineEnd === -1) return sent.length > MOST_INLINE_BYTES ? wrong("too big inline request") : { kind: "part" };
  const line = sent.subarray(0, lineEnd).toString("latin1").trim();
  const words = line === "" ? [] : line.split(/\s+/).map((word) => Buffer.from(word, "latin1"));
  return { kind: "command", words, bytes: lineEnd + 1 };
}

function wrong(message: string): NextRequest {
  return { kind: "wrong", message: `-ERR Protocol error: ${message}\r\n` };
}

function printable(byte: number | undefined): string {
  return byte !== undefined && byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "?";
}
