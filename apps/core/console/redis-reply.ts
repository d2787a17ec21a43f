/**
 * A reply in Redis's protocol (RESP2). A string or array that is too long to be kept is cut; its `length` is
 * that of the whole.
 */
export type RedisReply =
  | { readonly kind: "status" | "error"; readonly text: string }
  | { readonly kind: "integer"; readonly text: string }
  | { readonly kind: "string"; readonly bytes: Buffer; readonly length: number }
  | { readonly kind: "array"; readonly items: RedisReply[]; readonly length: number }
  | { readonly kind: "nil" };

/** A whole reply with the bytes it took on the wire. */
export type SizedReply = { readonly reply: RedisReply; readonly sizeBytes: number };

/** Bytes that each item of an array counts as beside its own: replies of many small items cost memory too. */
const ITEM_BYTES = 16;
const NEWLINE = 0x0a;

type Bulk = { readonly kept: Buffer[]; readonly length: number; keptBytes: number; toCome: number };
type OpenArray = { readonly reply: Extract<RedisReply, { kind: "array" }>; toCome: number };

/**
 * Reads one reply out of the chunks of a connection, in memory bounded by `mostBytes` however long the reply
 * is. {@link ReplyReader.push} returns it once it is whole.
 */
export type ReplyReader = ReturnType<typeof createReplyReader>;

/** @param mostBytes kept of the reply; the rest is read and dropped */
export function createReplyReader(mostBytes: number) {
  let room = mostBytes;
  let sizeBytes = 0;
  let line: Buffer = Buffer.alloc(0);
  let bulk: Bulk | undefined;
  const open: OpenArray[] = [];

  /** @throws when the bytes are no RESP2, or more than one reply */
  function push(chunk: Buffer): SizedReply | undefined {
    sizeBytes += chunk.length;
    for (let at = 0; at < chunk.length;) {
      const rest = chunk.subarray(at);
      const { used, value } = bulk ? readBulk(bulk, rest) : readLine(rest);
      at += used;
      const reply = value && placed(value);
      if (!reply) continue;
      if (at < chunk.length) throw new Error("more came than one reply");
      return { reply, sizeBytes };
    }
    return undefined;
  }

  function readLine(rest: Buffer): { used: number; value?: RedisReply } {
    const end = rest.indexOf(NEWLINE);
    const used = end === -1 ? rest.length : end + 1;
    // The head is kept in any case: it announces what follows.
    const keep = Math.max(0, Math.max(room, 64) - line.length);
    line = Buffer.concat([line, rest.subarray(0, Math.min(used, keep))]);
    if (end === -1) return { used };
    const text = line.toString("utf8").replace(/\r?\n$/, "");
    line = Buffer.alloc(0);
    const value = begun(text);
    return value ? { used, value } : { used };
  }

  /** The value of a line, or undefined when the line only announces one. */
  function begun(text: string): RedisReply | undefined {
    const content = text.slice(1);
    switch (text[0]) {
      case "+":
      case "-":
        room -= content.length;
        return { kind: text[0] === "+" ? "status" : "error", text: content };
      case ":":
        return { kind: "integer", text: content };
      case "$": {
        const length = lengthOf(content);
        if (length === -1) return { kind: "nil" };
        // Its own line's end comes with it.
        bulk = { kept: [], keptBytes: 0, length, toCome: length + 2 };
        return undefined;
      }
      case "*": {
        const length = lengthOf(content);
        if (length === -1) return { kind: "nil" };
        const reply = { kind: "array" as const, items: [], length };
        if (length === 0) return reply;
        open.push({ reply, toCome: length });
        return undefined;
      }
      default:
        throw new Error("this is no reply of Redis");
    }
  }

  function readBulk(current: Bulk, rest: Buffer): { used: number; value?: RedisReply } {
    const used = Math.min(rest.length, current.toCome);
    const kept = rest.subarray(0, Math.max(0, Math.min(used, current.toCome - 2, room)));
    current.kept.push(Buffer.from(kept));
    current.keptBytes += kept.length;
    room -= kept.length;
    current.toCome -= used;
    if (current.toCome > 0) return { used };
    bulk = undefined;
    return { used, value: { kind: "string", bytes: Buffer.concat(current.kept), length: current.length } };
  }

  /** Puts a value into the array it belongs to; returns the reply once all arrays are complete. */
  function placed(value: RedisReply): RedisReply | undefined {
    for (;;) {
      const parent = open.at(-1);
      if (!parent) return value;
      if (room > 0) parent.reply.items.push(value);
      room -= ITEM_BYTES;
      parent.toCome--;
      if (parent.toCome > 0) return undefined;
      open.pop();
      value = parent.reply;
    }
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
  if (!/^(-1|\d{1,15})$/.test(text)) throw new Error("this is no reply of Redis");
  return Number(text);
}
