import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readAddress } from "../../../apps/core/balance/address.ts";
import { gatewayAddresses } from "../../../apps/core/edge/gateway-addresses.ts";
import { gateway } from "../../../apps/twins/gateways.ts";

describe("the addresses of gateways", () => {
  const peer = { ...gateway("gw-2"), addresses: ["198.51.100.2"], machineAddresses: ["10.0.0.2", "fd00::2"] };
  const ips = gatewayAddresses(["10.0.0.1", "198.51.100.1"], [peer, { name: "gw-3", state: "unreadable" }]);
  const kindOf = (text: string) => readAddress(text, { own: { ips, ports: [6379, 7000] } }).kind;

  it("are no members, on the ports that gateways listen on: private ones and public ones, of this one and of peers", () => {
    for (const ip of ["10.0.0.1", "198.51.100.1", "10.0.0.2", "198.51.100.2", "[fd00::2]", "[::ffff:10.0.0.2]"])
      for (const port of [6379, 7000]) assert.equal(kindOf(`${ip}:${port}`), "refused", `${ip}:${port}`);
  });

  it("may be members with other ports, as what runs beside a gateway may", () => {
    assert.equal(kindOf("10.0.0.2:8080"), "address");
    assert.equal(kindOf("10.0.0.3:6379"), "address");
  });
});
