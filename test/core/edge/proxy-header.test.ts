import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { proxyHeader, readProxyHeader } from "../../../apps/core/edge/proxy-header.ts";

const addresses = Buffer.from([192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x34, 0x18, 0xeb]);
const header = { family: 0x11, addresses, authority: "5sq9fsfr26iw58ze.redis.example.org" };

describe("a header of the PROXY protocol", () => {
  it("is read as it was written, whatever comes after it", () => {
    for (const each of [
      header,
      { ...header, authority: undefined },
      { family: 0x21, addresses: Buffer.alloc(36, 7), authority: "a.b" },
    ]) {
      const text = proxyHeader(each);
      assert.deepEqual(readProxyHeader(Buffer.concat([text, Buffer.from("PING\r\n")])), {
        header: each,
        bytes: text.length,
      });
    }
  });

  it("is waited for while it comes in pieces", () => {
    const text = proxyHeader(header);
    for (let length = 0; length < text.length; length++)
      assert.equal(readProxyHeader(text.subarray(0, length)), "part", `${length} bytes`);
  });

  it("is passed over other fields", () => {
    const text = proxyHeader({ ...header, authority: undefined });
    const other = Buffer.from([0x05, 0, 2, 1, 2]);
    const name = Buffer.from([0x02, 0, 3, 0x61, 0x2e, 0x62]);
    const whole = Buffer.concat([text, other, name]);
    whole.writeUInt16BE(addresses.length + other.length + name.length, 14);
    const read = readProxyHeader(whole);
    assert.ok(typeof read === "object");
    assert.equal(read.header.authority, "a.b");
  });

  it("is none when it is something else, too long, or of no connection", () => {
    assert.equal(readProxyHeader(Buffer.from("PROXY TCP4 192.0.2.1")), undefined);
    const text = proxyHeader(header);
    const changed = (at: number, value: number) => {
      const copy = Buffer.from(text);
      copy.writeUInt8(value, at);
      return readProxyHeader(copy);
    };
    assert.equal(changed(12, 0x20), undefined, "LOCAL");
    assert.equal(changed(13, 0x31), undefined, "a unix socket");
    assert.equal(changed(14, 0x7f), undefined, "32 KB");
    assert.equal(changed(15, 3), undefined, "too short for its addresses");
  });
});
