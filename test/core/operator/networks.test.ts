import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressKey } from "../../../apps/core/instances/quota.ts";
import { edgesOf, holds, networksAround, readNetwork } from "../../../apps/core/operator/networks.ts";

const reasonOf = (text: string): string => {
  const reading = readNetwork(text);
  return reading.kind === "refused" ? reading.reason : assert.fail(`${text} was taken as ${reading.network}`);
};
const networkIn = (text: string): string => {
  const reading = readNetwork(text);
  return reading.kind === "network" ? reading.network : assert.fail(reading.reason);
};

describe("a network to be blocked", () => {
  it("has one form, which for a single address is the key that quotas count by", () => {
    for (const [text, network] of [
      ["203.0.113.9", "203.0.113.9"],
      [" 203.0.113.9/32 ", "203.0.113.9"],
      ["203.0.113.0/24", "203.0.113.0/24"],
      ["10.0.0.0/8", "10.0.0.0/8"],
      ["2001:DB8:0:0::/64", "2001:db8::/64"],
      ["2001:db8::7", "2001:db8::/64"],
      ["2001:0db8::/32", "2001:db8::/32"],
      ["::ffff:203.0.113.9", "203.0.113.9"],
    ] as const)
      assert.equal(networkIn(text), network, text);
  });

  it("is refused with the reason when it is none, too wide, too narrow, or an address inside it", () => {
    assert.match(reasonOf("0.0.0.0/0"), /too wide: \/8 is the widest/);
    assert.match(reasonOf("10.0.0.0/7"), /too wide/);
    assert.match(reasonOf("::/0"), /too wide: \/16 is the widest/);
    assert.match(reasonOf("2000::/15"), /too wide/);
    assert.match(reasonOf("203.0.113.0/33"), /32 bits at most/);
    assert.match(reasonOf("2001:db8::1/128"), /too narrow: .* here 2001:db8::\/64/);
    assert.match(reasonOf("::ffff:203.0.113.0/120"), /too narrow/);
    assert.match(reasonOf("203.0.113.9/24"), /name the network 203\.0\.113\.0\/24, or the address alone/);
    assert.match(reasonOf("2001:db8::1/64"), /name the network 2001:db8::\/64/);
    for (const text of ["", "/", "/24", "example.org", "203.0.113", "203.0.113.0/", "203.0.113.0/-1", "1.2.3.4/2/4"])
      assert.match(reasonOf(text), /neither an IP address nor a network/, text);
    assert.ok(reasonOf("x".repeat(5000)).length < 200, "a long text is not repeated whole");
  });

  it("is found among those around an address exactly when it holds it", () => {
    for (const [network, address, isInside] of [
      ["203.0.113.0/24", "203.0.113.255", true],
      ["203.0.113.0/24", "203.0.114.0", false],
      ["203.0.113.128/25", "203.0.113.127", false],
      ["203.0.113.9", "203.0.113.9", true],
      ["203.0.113.9", "203.0.113.8", false],
      ["128.0.0.0/8", "128.255.1.1", true],
      ["2001:db8::/32", "2001:db8:ffff:1::5", true],
      ["2001:db8::/63", "2001:db8:0:2::5", false],
      ["2001:db8:0:1::/64", "2001:db8:0:1:2:3:4:5", true],
      // An IPv4 network is none of IPv6, whatever its bytes.
      ["32.1.0.0/16", "2001:db8::1", false],
      ["2001::/16", "32.1.13.184", false],
    ] as const) {
      const key = addressKey(address);
      assert.equal(holds(network, key), isInside, `${network} ${address}`);
      assert.equal(networksAround(key).includes(network), isInside, `${network} around ${address}`);
    }
    assert.equal(holds("203.0.113.0/24", ""), false, "an address that is erased");
    assert.equal(networksAround("203.0.113.9").length, 25);
    assert.equal(networksAround("2001:db8::/64").length, 49);
    assert.deepEqual(networksAround("203.0.0.0/10"), ["203.0.0.0/10", "203.0.0.0/9", "203.0.0.0/8"]);
  });

  it("has edges that order as its addresses do", () => {
    const edges = (network: string) => {
      const { first, last } = edgesOf(network);
      return [first.toString("hex"), last.toString("hex")];
    };
    assert.deepEqual(edges("203.0.113.9"), ["cb007109", "cb007109"]);
    assert.deepEqual(edges("203.0.112.0/20"), ["cb007000", "cb007fff"]);
    assert.deepEqual(edges("2001:db8::/35"), [`20010db8${"0".repeat(24)}`, `20010db81fff${"f".repeat(20)}`]);
  });
});
