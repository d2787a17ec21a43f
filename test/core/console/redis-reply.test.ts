import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  createReplyReader,
  encodeCommand,
  MOST_DEPTH,
  type RedisReply,
  type ReplyBounds,
  type SizedReply,
} from "../../../apps/core/console/redis-reply.ts";

const KB = 1024;
const WIDE: ReplyBounds = { readBytes: 1024 * KB, keptBytes: 64 * KB };

/** Feeds the bytes in chunks of these sizes, over and over, until the reader has its reply. */
function read(
  bytes: Buffer,
  { chunks = [bytes.length], bounds = WIDE }: { chunks?: readonly number[]; bounds?: ReplyBounds } = {},
): SizedReply | undefined {
  const reader = createReplyReader(bounds);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = chunks[turn % chunks.length] ?? 1;
    const reply = reader.push(bytes.subarray(at, at + size));
    at += size;
    if (reply) return reply;
  }
  return undefined;
}

const text = (kind: "status" | "error" | "integer", value: string): RedisReply => ({ kind, text: value });
const string = (value: Buffer | string): RedisReply => {
  const bytes = Buffer.from(value);
  return { kind: "string", bytes, length: bytes.length };
};
const array = (...items: RedisReply[]): RedisReply => ({ kind: "array", items, length: items.length });

/** A reply as a server sends it. */
function onWire(reply: RedisReply): Buffer {
  const line = (type: string, content: string | number) => Buffer.from(`${type}${content}\r\n`);
  switch (reply.kind) {
    case "status":
      return line("+", reply.text);
    case "error":
      return line("-", reply.text);
    case "integer":
      return line(":", reply.text);
    case "nil":
      return line("$", -1);
    case "string":
      return Buffer.concat([line("$", reply.length), reply.bytes, Buffer.from("\r\n")]);
    case "array":
      return Buffer.concat([line("*", reply.length), ...reply.items.map(onWire)]);
  }
}

/** Whether `kept` is a beginning of `whole`: of its items, of their bytes, and both tell the whole lengths. */
function isBeginning(kept: RedisReply, whole: RedisReply): boolean {
  if (kept.kind === "string" && whole.kind === "string")
    return kept.length === whole.length && kept.bytes.equals(whole.bytes.subarray(0, kept.bytes.length));
  if (kept.kind === "array" && whole.kind === "array")
    return (
      kept.length === whole.length &&
      kept.items.every((item, index) => isBeginning(item, whole.items[index] ?? { kind: "nil" }))
    );
  if ((kept.kind === "status" || kept.kind === "error") && kept.kind === whole.kind)
    return whole.text.startsWith(kept.text);
  return kept.kind === whole.kind && JSON.stringify(kept) === JSON.stringify(whole);
}

/** Values kept, the reply itself among them, and the bytes in them. */
function weigh(reply: RedisReply): { values: number; bytes: number } {
  const own = reply.kind === "string" ? reply.bytes.length : "text" in reply ? reply.text.length : 0;
  const items = reply.kind === "array" ? reply.items.map(weigh) : [];
  return {
    values: items.reduce((sum, { values }) => sum + values, 1),
    bytes: items.reduce((sum, { bytes }) => sum + bytes, own),
  };
}

const anyLine = fc.string({ unit: fc.constantFrom("a", " ", "$", "*", "\r"), maxLength: 90 });
const anyReply = fc.letrec<{ reply: RedisReply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 5, depthSize: "medium" },
    anyLine.map((line) => text("status", line.replaceAll("\r", ""))),
    anyLine.map((line) => text("error", line.replaceAll("\r", ""))),
    fc.integer().map((integer) => text("integer", String(integer))),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => string(Buffer.from(bytes))),
    fc.constant<RedisReply>({ kind: "nil" }),
    fc.array(tie("reply"), { maxLength: 12 }).map((items) => array(...items)),
  ),
})).reply;
const anyChunks = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
const anyBounds = fc
  .record({ keptBytes: fc.integer({ min: 1, max: 300 }), more: fc.integer({ min: 64, max: 600 }) })
  .map(({ keptBytes, more }) => ({ keptBytes, readBytes: keptBytes + more }));

describe("a reply's reader", () => {
  const replies: [wire: string, reply: RedisReply][] = [
    ["+OK\r\n", text("status", "OK")],
    ["-ERR no <b>\r\n", text("error", "ERR no <b>")],
    [":-12\r\n", text("integer", "-12")],
    ["$5\r\nhe\r\no\r\n", string("he\r\no")],
    ["$0\r\n\r\n", string("")],
    ["$-1\r\n", { kind: "nil" }],
    ["*-1\r\n", { kind: "nil" }],
    ["*0\r\n", array()],
    [
      "*3\r\n*2\r\n:1\r\n$-1\r\n*0\r\n-ERR x\r\n",
      array(array(text("integer", "1"), { kind: "nil" }), array(), text("error", "ERR x")),
    ],
  ];
  for (const [wire, reply] of replies) {
    it(`reads ${JSON.stringify(wire)} however it is cut into chunks`, () => {
      for (let size = 1; size <= wire.length; size++) {
        const sizes = { readBytes: wire.length, sizeBytes: wire.length };
        assert.deepEqual(read(Buffer.from(wire), { chunks: [size] }), { reply, ...sizes });
      }
    });
  }

  for (const wire of [
    "HTTP/1.1 400 Bad Request\r\n",
    "$x\r\n",
    "$-2\r\n",
    "*1e3\r\n",
    "\r\n",
    "%1\r\n",
    "+OK\r\n+OK\r\n",
  ]) {
    it(`throws at ${JSON.stringify(wire)}, which is no one reply`, () => assert.throws(() => read(Buffer.from(wire))));
  }

  it("reads any reply whole, in any chunks", () => {
    fc.assert(
      fc.property(anyReply, anyChunks, (reply, chunks) => {
        const wire = onWire(reply);
        assert.deepEqual(read(wire, { chunks }), { reply, readBytes: wire.length, sizeBytes: wire.length });
      }),
    );
  });

  it("keeps a beginning of any reply within any bounds, and the same one in any chunks", () => {
    fc.assert(
      fc.property(anyReply, anyBounds, anyChunks, (reply, bounds, chunks) => {
        const wire = onWire(reply);
        const got = read(wire, { bounds });
        assert.ok(got && isBeginning(got.reply, reply));
        assert.deepEqual(read(wire, { bounds, chunks }), got);
        assert.ok(got.readBytes <= bounds.readBytes && got.sizeBytes <= wire.length);
        assert.equal(got.readBytes < wire.length, got.readBytes < got.sizeBytes, "it says whether more is to come");
        assert.ok(got.readBytes === wire.length || wire.length > bounds.readBytes, "what can be read whole is");
        const { values, bytes } = weigh(got.reply);
        // The last line may end beyond the bound; the reply itself counts as no item.
        assert.ok(bytes + (values - 1) * 16 < bounds.keptBytes + 90 + 16);
      }),
      { numRuns: 500 },
    );
  });

  it("keeps the beginning of a string that is too long, and its length", () => {
    const wire = Buffer.from(`$1000\r\n${"x".repeat(1000)}\r\n`);
    for (const size of [1, 7, 100, 1007, 2000]) {
      assert.deepEqual(read(wire, { chunks: [size], bounds: { readBytes: 2000, keptBytes: 100 } }), {
        reply: { kind: "string", bytes: Buffer.from("x".repeat(100)), length: 1000 },
        readBytes: wire.length,
        sizeBytes: wire.length,
      });
    }
  });

  it("reads no more of a string than is kept when its end is out of reach, and knows its size", () => {
    const wire = Buffer.from(`$20000000\r\n${"x".repeat(200)}`);
    assert.deepEqual(read(wire, { bounds: { readBytes: 1000, keptBytes: 100 } }), {
      reply: { kind: "string", bytes: Buffer.from("x".repeat(100)), length: 20_000_000 },
      readBytes: "$20000000\r\n".length + 100,
      sizeBytes: "$20000000\r\n\r\n".length + 20_000_000,
    });
  });

  it("keeps the first items of an array that is too long, and their number", () => {
    const wire = Buffer.from(`*1000\r\n${":1\r\n".repeat(1000)}`);
    const { reply, readBytes } = read(wire, { bounds: { readBytes: 5000, keptBytes: 160 } }) ?? {};
    const items = Array.from({ length: 10 }, () => text("integer", "1"));
    assert.deepEqual(reply, { kind: "array", items, length: 1000 });
    assert.equal(readBytes, wire.length);
  });

  it("makes a few thousand values of 450,000 integers, and reads a tenth of a megabyte of them", () => {
    const wire = Buffer.from(`*450000\r\n${":1\r\n".repeat(450_000)}`);
    const { reply, readBytes, sizeBytes } = read(wire, { chunks: [64 * KB] }) ?? {};
    assert.ok(reply?.kind === "array" && reply.items.length <= 4096 && reply.length === 450_000);
    assert.ok(Number(readBytes) < 100 * KB && Number(sizeBytes) > 1024 * KB);
  });

  it("stops within its bound also where a reply's length is not told beforehand", () => {
    const strings = Array.from({ length: 2000 }, () => `$1000\r\n${"x".repeat(1000)}\r\n`).join("");
    const got = read(Buffer.from(`*2000\r\n${strings}`), { chunks: [64 * KB] });
    assert.ok(got?.reply.kind === "array" && got.readBytes <= WIDE.readBytes && got.sizeBytes > WIDE.readBytes);
    const line = read(Buffer.from(`+${"x".repeat(2 * 1024 * KB)}\r\n`), { chunks: [64 * KB] });
    assert.ok(line?.reply.kind === "status" && line.reply.text.length <= WIDE.keptBytes);
    assert.equal(line.readBytes, WIDE.readBytes);
  });

  it("keeps the beginning of a line that is too long", () => {
    const bounds = { readBytes: 1024 * KB, keptBytes: 1000 };
    const { reply } = read(Buffer.from(`+${"v".repeat(100_000)}\r\n`), { bounds, chunks: [999] }) ?? {};
    assert.ok(reply?.kind === "status" && reply.text.length < 1100 && reply.text.startsWith("vvv"));
  });

  it("keeps arrays nested so deep and no deeper, and goes on behind them", () => {
    for (const depth of [MOST_DEPTH, MOST_DEPTH + 1, 100_000]) {
      const wire = Buffer.from(`*2\r\n${"*1\r\n".repeat(depth - 1)}:7\r\n+behind\r\n`);
      const { reply, readBytes } = read(wire, { chunks: [1000, 3] }) ?? {};
      assert.ok(reply?.kind === "array" && readBytes === wire.length);
      assert.deepEqual(reply.items[1], text("status", "behind"));
      let deepest: RedisReply = reply;
      let arrays = 0;
      for (; deepest.kind === "array"; arrays++) {
        const first: RedisReply | undefined = deepest.items[0];
        if (!first) break;
        deepest = first;
      }
      assert.deepEqual([arrays, deepest.kind], [MOST_DEPTH, depth === MOST_DEPTH ? "integer" : "array"], String(depth));
    }
  });

  it("throws or reads, whatever comes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("+", "-", ":", "$", "*", "1", "2", "-1", "\r\n", "x")),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(1, 100),
        (parts, size, keptBytes) => {
          try {
            read(Buffer.from(parts.join("")), { chunks: [size], bounds: { readBytes: 200, keptBytes } });
          } catch (fault) {
            assert.match(String(fault), /no reply of Redis|more came/);
          }
        },
      ),
    );
  });
});

describe("encodeCommand", () => {
  it("counts bytes, not characters, and takes any", () => {
    assert.equal(
      encodeCommand(["SET", "ключ", Buffer.from([0, 13, 10, 255])]).toString("latin1"),
      Buffer.from("*3\r\n$3\r\nSET\r\n$8\r\nключ\r\n$4\r\n\0\r\n").toString("latin1") + "\xff\r\n",
    );
  });
});
