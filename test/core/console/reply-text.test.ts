import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { RedisReply } from "../../../apps/core/console/redis-reply.ts";
import { replyText } from "../../../apps/core/console/reply-text.ts";

const GET = ["GET", "k"].map((word) => Buffer.from(word));
const string = (value: Uint8Array | string): RedisReply => {
  const bytes = Buffer.from(value as string);
  return { kind: "string", bytes, length: bytes.length };
};
const array = (items: RedisReply[], length = items.length): RedisReply => ({ kind: "array", items, length });

describe("a reply's text", () => {
  it("spells out what is not printable ASCII", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const { text, isCut } = replyText(string(bytes), GET, 2000);
    assert.ok(!isCut && text.startsWith(String.raw`"\x00\x01\x02\x03\x04\x05\x06\a\b\t\n\x0b\x0c\r\x0e`));
    assert.ok(text.includes(String.raw` !\"#$%&'()*`) && text.includes(String.raw`Z[\\]^`));
    assert.ok(
      text.endsWith(String.raw`z{|}~\x7f${[...bytes.slice(128)].map((byte) => `\\x${byte.toString(16)}`).join("")}"`),
    );
  });

  it("shows UTF-8 as text, and spells out what is no UTF-8 or cannot be seen", () => {
    const text = (value: string | Uint8Array) => replyText(string(value), GET, 2000).text;
    for (const seen of ["€ é ß", "日本語", "नमस्ते", "👩‍👧", "🇪🇺", "\u00a0"]) assert.equal(text(seen), `"${seen}"`);
    for (const [unseen, spelt] of [
      ["\u0085", String.raw`\xc2\x85`],
      ["\u202e", String.raw`\xe2\x80\xae`],
      ["\u2028", String.raw`\xe2\x80\xa8`],
      ["\ufeff", String.raw`\xef\xbb\xbf`],
      ["\ue000", String.raw`\xee\x80\x80`],
    ] as const)
      assert.equal(text(unseen), `"${spelt}"`);
    for (const [bytes, spelt] of [
      [[0xe2, 0x82], String.raw`\xe2\x82`],
      [[0xc0, 0xaf], String.raw`\xc0\xaf`],
      [[0xed, 0xa0, 0x80], String.raw`\xed\xa0\x80`],
      [[0xf4, 0x90, 0x80, 0x80], String.raw`\xf4\x90\x80\x80`],
      [[0xe2, 0x82, 0xac, 0xff, 0x41], String.raw`€\xffA`],
    ] as const)
      assert.equal(text(Uint8Array.from(bytes)), `"${spelt}"`);
  });

  it("reads as UTF-8 exactly what a strict decoder does", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        const bytes = Buffer.from(value);
        const spelt = replyText(string(bytes), GET, 100_000).text.slice(1, -1);
        const read = spelt.replaceAll(/(?:\\x[0-9a-f]{2})+/g, (hex) =>
          decoder.decode(Buffer.from(hex.replaceAll("\\x", ""), "hex")),
        );
        const escapes: Record<string, string> = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b" };
        assert.equal(
          read.replaceAll(/\\(.)/g, (_, letter: string) => escapes[letter] ?? letter),
          bytes.toString("utf8"),
        );
      }),
    );
  });

  it("is the beginning of the whole text wherever it is cut, and says so", () => {
    const anyReply = fc.letrec<{ reply: RedisReply }>((tie) => ({
      reply: fc.oneof(
        { maxDepth: 3 },
        fc.uint8Array({ maxLength: 30 }).map(string),
        fc.string({ unit: "grapheme", maxLength: 30 }).map(string),
        fc.integer().map((integer): RedisReply => ({ kind: "integer", text: String(integer) })),
        fc.constant<RedisReply>({ kind: "nil" }),
        fc.array(tie("reply"), { maxLength: 12 }).map((items) => array(items)),
      ),
    })).reply;
    fc.assert(
      fc.property(anyReply, fc.integer({ min: 1, max: 400 }), (reply, mostCharacters) => {
        const whole = replyText(reply, GET, 1_000_000);
        assert.equal(whole.isCut, false);
        assert.deepEqual(replyText(reply, GET, mostCharacters), {
          text: whole.text.slice(0, mostCharacters),
          isCut: whole.text.length > mostCharacters,
        });
      }),
    );
  });

  it("says of an array whose items were not kept that it is not shown", () => {
    assert.deepEqual(replyText(array([array([], 3), string("x")]), GET, 1000), {
      text: '1) (not shown)\n2) "x"',
      isCut: true,
    });
    assert.deepEqual(replyText(array([]), GET, 1000), { text: "(empty array)", isCut: false });
  });
});
