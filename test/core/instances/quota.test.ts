import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { addressKey, networkKey } from "../../../apps/core/instances/quota.ts";

describe("addressKey", () => {
  it("counts an IPv4 address as it is", () => {
    assert.equal(addressKey("203.0.113.9"), "203.0.113.9");
  });

  it("counts an IPv4 address the same when it comes mapped into IPv6", () => {
    for (const mapped of ["::ffff:203.0.113.9", "::FFFF:203.0.113.9", "::ffff:cb00:7109", "0:0:0:0:0:ffff:203.0.113.9"])
      assert.equal(addressKey(mapped), "203.0.113.9");
  });

  it("counts IPv6 addresses by their /64, in one spelling", () => {
    for (const address of ["2001:db8:1:2::1", "2001:0DB8:0001:0002:ffff:ffff:ffff:ffff", "2001:db8:1:2:0:0:0:0"])
      assert.equal(addressKey(address), "2001:db8:1:2::/64");
    assert.equal(addressKey("::1"), "::/64");
  });

  it("keeps neighbouring /64 networks apart", () => {
    assert.notEqual(addressKey("2001:db8:1:2::1"), addressKey("2001:db8:1:3::1"));
  });

  it("passes over the zone of a link-local address", () => {
    assert.equal(addressKey("fe80::1%eth0"), "fe80::/64");
    assert.equal(addressKey("fe80::1%25eth0.100"), addressKey("fe80::2"));
  });

  it("throws on what is no address", () => {
    for (const address of [
      "",
      "unknown",
      "203.0.113.9:4711",
      "[::1]",
      "2001:db8::/64",
      "203.0.113.9, 198.51.100.1",
      "%eth0",
    ])
      assert.throws(() => addressKey(address), `"${address}"`);
  });

  it("gives all addresses of one /64 one key, and it fits the column that keeps it", () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((part) => part.toString(16));
    const groups = (length: number) => fc.array(group, { minLength: length, maxLength: length });
    fc.assert(
      fc.property(groups(4), groups(4), groups(4), (network, one, other) => {
        const key = addressKey([...network, ...one].join(":"));
        // Mapped IPv4 addresses are the one case where the lower half counts.
        fc.pre(key.endsWith("/64"));
        assert.equal(addressKey([...network, ...other].join(":")), key);
        assert.ok(key.length <= 45);
        assert.equal(addressKey(key.replace("/64", "")), key);
      }),
    );
  });

  it("gives different IPv4 addresses different keys", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), (one, other) => {
        assert.equal(addressKey(one) === addressKey(other), one === other);
      }),
    );
  });
});

describe("networkKey", () => {
  it("is the /24 of an IPv4 address and the /48 of an IPv6 one, in one spelling", () => {
    const keys = ["203.0.113.9", "::ffff:203.0.113.200", "2001:db8:1:2::1", "2001:DB8:1:ffff::", "::1"];
    assert.deepEqual(
      keys.map((address) => networkKey(addressKey(address))),
      ["203.0.113.0/24", "203.0.113.0/24", "2001:db8:1::/48", "2001:db8:1::/48", "::/48"],
    );
  });
});
