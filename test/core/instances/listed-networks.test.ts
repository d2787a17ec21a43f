import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readListedNetworks } from "../../../apps/core/instances/listed-networks.ts";

const list = `
# Hosting
198.51.0.0/16 Example Hosting   # a comment
198.51.100.0/25  Example Labs
203.0.113.0/24
2001:db8::/32 Example Hosting
2001:db8:1:2::/64 One Customer
`;

describe("readListedNetworks", () => {
  const networks = readListedNetworks(list);

  const cases: [address: string, name: string | undefined][] = [
    ["198.51.1.1", "Example Hosting"],
    ["198.51.100.127", "Example Labs"],
    ["198.51.100.128", "Example Hosting"],
    ["203.0.113.255", "203.0.113.0/24"],
    ["203.0.114.0", undefined],
    ["198.52.0.0", undefined],
    ["2001:db8:9:9::/64", "Example Hosting"],
    ["2001:db8:1:2::/64", "One Customer"],
    ["2001:db9::/64", undefined],
    ["::/64", undefined],
  ];
  for (const [address, name] of cases)
    it(`finds ${name ?? "nothing"} for ${address}: the smallest network counts`, () => {
      assert.equal(networks(address), name);
    });

  it("takes prefixes that end inside a byte, and 0", () => {
    const odd = readListedNetworks("10.0.0.0/13 A\n0.0.0.0/0 Everybody\n2001:d00::/27 B\n");
    assert.deepEqual(["10.7.255.255", "10.8.0.0", "2001:d1f::/64", "2001:d20::/64"].map(odd), [
      "A",
      "Everybody",
      "B",
      undefined,
    ]);
  });

  it("names the line that is wrong, and why", () => {
    assert.throws(
      () => readListedNetworks("198.51.0.0/16\nExample Hosting\n"),
      /^Error: line 2, "Example Hosting": it/,
    );
    assert.throws(() => readListedNetworks("2001:db8::/65 x"), /must be a \/64 or larger/);
    assert.throws(() => readListedNetworks(`192.0.2.0/24 ${"x".repeat(57)}`), /56 ASCII characters at most/);
    assert.throws(() => readListedNetworks("192.0.2.0/24 Beispiel-Täler"), /ASCII/);
  });
});
