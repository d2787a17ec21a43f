import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { openAnswer, sealAnswer } from "../../../apps/core/instances/sealed-answer.ts";

const sealing = {
  serverSecret: "a secret of the server",
  idempotencyKey: "order-4711",
  instanceId: "0123456789abcdef",
};
const nonce = () => randomBytes(12);

describe("sealAnswer and openAnswer", () => {
  it("give back what was sealed, whatever it was", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (answer) =>
        assert.equal(openAnswer(sealAnswer(answer, sealing, nonce()), sealing), answer),
      ),
    );
  });

  it("show nothing of the answer", () => {
    const sealed = sealAnswer("password=hunter2", sealing, nonce());
    assert.ok(!sealed.includes("hunter2"));
  });

  it("seal the same answer differently each time", () => {
    assert.notDeepEqual(sealAnswer("answer", sealing, nonce()), sealAnswer("answer", sealing, nonce()));
  });

  it("open with nothing but the same server secret, key and instance", () => {
    const sealed = sealAnswer("answer", sealing, nonce());
    for (const change of [
      { serverSecret: "another secret" },
      { idempotencyKey: "order-4712" },
      { instanceId: "0123456789abcdeg" },
    ]) {
      assert.throws(() => openAnswer(sealed, { ...sealing, ...change }));
    }
  });

  it("do not let parts of one key run over into the next", () => {
    const sealed = sealAnswer("answer", { serverSecret: "s", idempotencyKey: "ab", instanceId: "c" }, nonce());
    assert.throws(() => openAnswer(sealed, { serverSecret: "s", idempotencyKey: "b", instanceId: "ca" }));
  });

  it("refuse bytes that were changed, cut or added to, wherever", () => {
    const sealed = sealAnswer("answer", sealing, nonce());
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(sealed);
        changed.writeUInt8(changed.readUInt8(at) ^ flip, at);
        assert.throws(() => openAnswer(changed, sealing));
      }),
    );
    for (let length = 0; length < sealed.length; length++)
      assert.throws(() => openAnswer(sealed.subarray(0, length), sealing), `cut to ${length} bytes`);
    assert.throws(() => openAnswer(Buffer.concat([sealed, Buffer.from("x")]), sealing));
    // Without an answer the tag is all there is, and a part of it must not do.
    const empty = sealAnswer("", sealing, nonce());
    for (let length = 0; length < empty.length; length++)
      assert.throws(() => openAnswer(empty.subarray(0, length), sealing), `empty, cut to ${length} bytes`);
  });
});
