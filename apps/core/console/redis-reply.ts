import { createValueSkipper, LEAST_VALUE_BYTES, type ValueSkipper } from "./value-skipper.ts";

/**
 * A reply in Redis's protocol (RESP2). A string or array of which not all is kept is cut; its `length` is that of
 * the whole.
 */
export type RedisReply =
  | { readonly kind: "status" | "error"; readonly text: string }
  | { readonly kind: "integer"; readonly text: string }
  | { readonly kind: "string"; readonly bytes: Buffer; readonly length: number }
  | { readonly kind: "array"; readonly items: readonly RedisReply[]; readonly length: number }
  | { readonly kind: "nil" };

/** A reply with what it takes on the wire. */
export type SizedReply = {
  readonly reply: RedisReply;
  /** Bytes that were read of it. */
  readonly readBytes: number;
  /** Bytes that it has; where it was not read to its end, the least that it can have, and more than were read. */
  readonly sizeBytes: number;
};

/** How much of a reply is read, and how much of that is kept. */
export type ReplyBounds = {
  readonly readBytes: number;
  /** What comes after these is only counted. */
  readonly keptBytes: number;
};

/** Arrays that are kept in each other; Lua can nest thousands. */
export const MOST_DEPTH = 128;
/** Bytes that each item of an array counts as beside its own: replies of many small items cost memory too. */
const ITEM_BYTES = 16;
/** The longest line that announces a string or an array. */
const HEAD_BYTES = 64;
const NEWLINE = 0x0a;

type OpenArray = { readonly items: RedisReply[]; toCome: number };
type OpenString = { readonly reply: { bytes: Buffer }; keptBytes: number; toCome: number };

/** Reads one reply out of the chunks of a connection, see {@link createReplyReader}. */
export type ReplyReader = ReturnType<typeof createReplyReader>;

/**
 * Reads one reply at a cost that is bounded whatever comes: values are made of what is kept alone, the rest is only
 * counted to find the end, and where the end is out of reach reading stops at once. What it gives does not depend on
 * how the bytes are cut into chunks.
 */
export function createReplyReader(bounds: ReplyBounds) {
  let room = bounds.keptBytes;
  let readBytes = 0;
  let stopAt = bounds.readBytes;
  let root: RedisReply | undefined;
  let isWhole = false;
  /** Arrays whose items have not all begun, and those around them. */
  const open: OpenArray[] = [];
  // At most one of these is under way: a line, a string, or values that are passed over.
  let line: Buffer[] = [];
  let lineRoom = 0;
  let string: OpenString | undefined;
  let skipper: ValueSkipper | undefined;

  /**
   * Takes the next bytes; returns the reply once it is whole, or once all is read that will be.
   * @throws when the bytes are no RESP2, or more than one reply
   */
  function push(chunk: Buffer): SizedReply | undefined {
    for (let at = 0; at < chunk.length;) {
      const rest = chunk.subarray(at, at + stopAt - readBytes);
      at += skipper ? skip(skipper, rest) : string ? readString(string, rest) : readLine(rest);
      if (isWhole && at < chunk.length) throw new Error("more came than one reply");
      if (isWhole && root) return { reply: root, readBytes, sizeBytes: readBytes };
      if (readBytes === stopAt) return cut();
    }
    return undefined;
  }

  function readLine(rest: Buffer): number {
    const end = rest.indexOf(NEWLINE);
    const used = end === -1 ? rest.length : end + 1;
    // The head is kept in any case: it announces what follows.
    if (line.length === 0) lineRoom = Math.max(room, HEAD_BYTES);
    const kept = Math.min(used, lineRoom);
    lineRoom -= kept;
    readBytes += used;
    if (line.length === 0 && end !== -1) {
      begin(rest.toString("utf8", 0, kept));
    } else {
      line.push(Buffer.from(rest.subarray(0, kept)));
      if (end !== -1) begin(takeLine());
    }
    return used;
  }

  function takeLine(): string {
    const text = Buffer.concat(line).toString("utf8");
    line = [];
    return text;
  }

  /** Begins the value that a line is, or announces. */
  function begin(text: string): void {
    const type = text[0];
    const content = text.slice(1).replace(/\r?\n$/, "");
    if (type === "+" || type === "-") beginSimple({ kind: type === "+" ? "status" : "error", text: content });
    else if (type === ":") beginSimple({ kind: "integer", text: content });
    else if (type !== "$" && type !== "*") throw new Error("this is no reply of Redis");
    else if (lengthOf(content) === -1) beginSimple({ kind: "nil" });
    else if (type === "$") beginString(lengthOf(content));
    else beginArray(lengthOf(content));
  }

  function beginSimple(value: Exclude<RedisReply, { kind: "string" | "array" }>): void {
    place(value);
    if (value.kind !== "nil") room -= value.text.length;
    complete();
  }

  function beginString(length: number): void {
    const bytes = Buffer.alloc(Math.min(length, Math.max(0, room)));
    const value = { kind: "string" as const, bytes, length };
    place(value);
    room -= bytes.length;
    // Its own line's end comes with it.
    string = { reply: value, keptBytes: 0, toCome: length + 2 };
    if (bytes.length < length && leastBytes() > bounds.readBytes) stopAt = Math.min(stopAt, readBytes + bytes.length);
  }

  function beginArray(length: number): void {
    const items: RedisReply[] = [];
    place({ kind: "array", items, length });
    if (open.length === MOST_DEPTH && length > 0) {
      startSkipping(length);
    } else {
      open.push({ items, toCome: length });
      complete();
    }
  }

  /** Puts a value into the array it belongs to. */
  function place(value: RedisReply): void {
    const parent = open.at(-1);
    if (!parent) {
      root = value;
      return;
    }
    parent.items.push(value);
    parent.toCome--;
    room -= ITEM_BYTES;
  }

  /** A value is complete, and with it the arrays that it was the last of. */
  function complete(): void {
    while (open.at(-1)?.toCome === 0) open.pop();
    isWhole = open.length === 0;
    if (!isWhole && room <= 0) startSkipping(open.splice(0).reduce((sum, { toCome }) => sum + toCome, 0));
  }

  function readString(current: OpenString, rest: Buffer): number {
    const used = Math.min(rest.length, current.toCome);
    current.keptBytes += rest.copy(current.reply.bytes, current.keptBytes, 0, used);
    current.toCome -= used;
    readBytes += used;
    if (current.toCome === 0) {
      string = undefined;
      complete();
    }
    return used;
  }

  /** Passes over the next values. What is in them is not kept, so reading ends where they are too long. */
  function startSkipping(count: number): void {
    skipper = createValueSkipper(count, bounds.readBytes - readBytes);
    if (skipper.isTooLong()) stopAt = readBytes;
  }

  function skip(current: ValueSkipper, rest: Buffer): number {
    const used = current.pass(rest);
    readBytes += used;
    if (current.isDone()) {
      skipper = undefined;
      complete();
    } else if (current.isTooLong()) {
      stopAt = readBytes;
    }
    return used;
  }

  /** What is there of a reply that is not read to its end. */
  function cut(): SizedReply {
    if (string) string.reply.bytes = string.reply.bytes.subarray(0, string.keptBytes);
    if (!root) begin(takeLine());
    if (!root) throw new Error("this is no reply of Redis");
    return { reply: root, readBytes, sizeBytes: Math.max(leastBytes(), readBytes + 1) };
  }

  /** The least that the reply can have in all. */
  function leastBytes(): number {
    const values = open.reduce((sum, { toCome }) => sum + toCome, 0) * LEAST_VALUE_BYTES;
    const inLine = line.length === 0 ? 0 : LEAST_VALUE_BYTES - 1;
    return readBytes + (string?.toCome ?? 0) + (skipper?.leastBytes() ?? 0) + values - inLine;
  }

  return { push };
}

/** A command as the server reads it. */
export function encodeCommand(words: readonly (string | Buffer)[]): Buffer {
  const parts = words.map((word) => Buffer.from(word));
  return Buffer.concat([
    Buffer.from(`*${parts.length}\r\n`),
    ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")]),
  ]);
}

function lengthOf(text: string): number {
  if (!/^(-1|\d{1,12})$/.test(text)) throw new Error("this is no reply of Redis");
  return Number(text);
}
