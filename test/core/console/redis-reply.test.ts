import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  createReplyReader,
  encodeCommand,
  type RedisReply,
  type SizedReply,
} from "../../../apps/core/console/redis-reply.ts";

const MUCH = 1024 * 1024;

/** Feeds the bytes in chunks of this size; gives what the last one gave. */
function read(bytes: Buffer, { chunkBytes = bytes.length, mostBytes = MUCH } = {}): SizedReply | undefined {
  const reader = createReplyReader(mostBytes);
  let read: SizedReply | undefined;
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    assert.equal(read, undefined, "it was whole before");
    read = reader.push(bytes.subarray(at, at + chunkBytes));
  }
  return read;
}

const text = (kind: "status" | "error", value: string): RedisReply => ({ kind, text: value });
const string = (value: string): RedisReply => ({ kind: "string", bytes: Buffer.from(value), length: value.length });
const array = (...items: RedisReply[]): RedisReply => ({ kind: "array", items, length: items.length });

describe("a reply's reader", () => {
  const replies: [wire: string, reply: RedisReply][] = [
    ["+OK\r\n", text("status", "OK")],
    ["-ERR no <b>\r\n", text("error", "ERR no <b>")],
    [":-12\r\n", { kind: "integer", text: "-12" }],
    ["$5\r\nhe\r\no\r\n", string("he\r\no")],
    ["$0\r\n\r\n", string("")],
    ["$-1\r\n", { kind: "nil" }],
    ["*-1\r\n", { kind: "nil" }],
    ["*0\r\n", array()],
    [
      "*3\r\n*2\r\n:1\r\n$-1\r\n*0\r\n-ERR x\r\n",
      array(array({ kind: "integer", text: "1" }, { kind: "nil" }), array(), text("error", "ERR x")),
    ],
  ];
  for (const [wire, reply] of replies) {
    it(`reads ${JSON.stringify(wire)} however it is cut into chunks`, () => {
      for (let chunkBytes = 1; chunkBytes <= wire.length; chunkBytes++)
        assert.deepEqual(read(Buffer.from(wire), { chunkBytes }), { reply, sizeBytes: wire.length });
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

  it("keeps the beginning of a string that is too long, and its length", () => {
    const wire = Buffer.from(`$1000\r\n${"x".repeat(1000)}\r\n`);
    for (const chunkBytes of [1, 7, 100, 1007, 2000]) {
      assert.deepEqual(read(wire, { chunkBytes, mostBytes: 100 })?.reply, {
        kind: "string",
        bytes: Buffer.from("x".repeat(100)),
        length: 1000,
      });
    }
  });

  it("keeps the first items of an array that is too long, and their number", () => {
    const { reply } = read(Buffer.from(`*1000\r\n${":1\r\n".repeat(1000)}`), { mostBytes: 160 }) ?? {};
    assert.deepEqual(reply, {
      kind: "array",
      items: Array.from({ length: 10 }, () => ({ kind: "integer", text: "1" })),
      length: 1000,
    });
  });

  it("keeps the beginning of a line that is too long", () => {
    const { reply } = read(Buffer.from(`+${"x".repeat(100_000)}\r\n`), { mostBytes: 1000, chunkBytes: 999 }) ?? {};
    assert.ok(reply?.kind === "status" && reply.text.length < 1100 && reply.text.startsWith("xxx"));
  });

  it("throws or reads, whatever comes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("+", "-", ":", "$", "*", "1", "2", "-1", "\r\n", "x")),
        fc.integer({ min: 1, max: 9 }),
        (parts, chunkBytes) => {
          const reader = createReplyReader(100);
          const wire = Buffer.from(parts.join(""));
          try {
            for (let at = 0; at < wire.length; at += chunkBytes)
              if (reader.push(wire.subarray(at, at + chunkBytes))) break;
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
