import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inNetworks } from "../../apps/lib/http/networks.ts";

describe("inNetworks", () => {
  it("knows addresses, networks and their names, and IPv4 addresses as sockets of both families tell them", () => {
    const isIn = inNetworks(["loopback", "uniquelocal", "203.0.113.7", "198.51.100.9/24", "2001:db8::/32"]);
    for (const address of [
      "127.0.0.1",
      "127.9.9.9",
      "::1",
      "::ffff:127.0.0.1",
      "10.1.2.3",
      "172.31.0.1",
      "192.168.7.7",
      "fd00::1",
      "203.0.113.7",
      "::ffff:203.0.113.7",
      "198.51.100.200",
      "2001:db8:9::1",
    ])
      assert.ok(isIn(address), address);
    for (const address of [
      "128.0.0.1",
      "172.32.0.1",
      "203.0.113.8",
      "2001:db9::1",
      "169.254.1.1",
      "",
      "unknown",
      undefined,
    ])
      assert.equal(isIn(address), false, address);
  });
});
