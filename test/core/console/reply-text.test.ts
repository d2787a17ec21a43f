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

  it("is the beginning of the whole text wherever it is cut, and says so", () => {
    const anyReply = fc.letrec<{ reply: RedisReply }>((tie) => ({
      reply: fc.oneof(
        { maxDepth: 3 },
        fc.uint8Array({ maxLength: 30 }).map(string),
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
