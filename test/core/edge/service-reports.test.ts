import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readAddress } from "../../../apps/core/balance/address.ts";
import type { Balanced, Member } from "../../../apps/core/balance/service.ts";
import { MOST_SERVICES_TOLD, MOST_TOLD, parseGateway } from "../../../apps/core/edge/gateway.ts";
import { reportServices } from "../../../apps/core/edge/service-reports.ts";
import { gateway } from "../../../apps/twins/gateways.ts";

describe("what a gateway tells of services", () => {
  const member = (text: string, over: Partial<Member> = {}): Member => {
    const reading = readAddress(text, { own: { ips: [], ports: [] } });
    assert.ok(reading.kind === "address");
    return { address: reading.address, weight: 1, zone: null, isDraining: false, ...over };
  };
  const service = (over: Partial<Balanced>): Balanced => ({
    name: "web",
    port: 443,
    protocol: "http",
    names: ["www.example.org"],
    policy: "round-robin",
    probe: { kind: "tcp" },
    members: [],
    ...over,
  });
  const [a, b, c] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"] as const;

  it("counts members by state, and names those that get no connections", () => {
    const members = [member(a), member(b), member(c)];
    const states = new Map([
      [
        "web",
        new Map([
          [a, "up" as const],
          [b, "retired" as const],
          [c, "draining" as const],
        ]),
      ],
    ]);
    assert.deepEqual(reportServices([service({ members })], states).services, [
      {
        name: "web",
        port: 443,
        protocol: "http",
        names: ["www.example.org"],
        up: 1,
        retired: 1,
        draining: 1,
        unknown: 0,
        retiredMembers: [b],
      },
    ]);
  });

  it("says that it does not know how members are whose plane does not tell, other than those that drain", () => {
    const members = [member(a), member(b, { isDraining: true })];
    const [told] = reportServices([service({ members })], new Map()).services;
    assert.deepEqual([told?.up, told?.retired, told?.draining, told?.unknown], [0, 0, 1, 1]);
  });

  it("stays short whatever there is, so that it can be told each second and read by others", () => {
    const members = Array.from({ length: 250 }, (_, number) => member(`10.0.0.${number + 1}:80`));
    const states = new Map(members.map(({ address }) => [address.text, "retired" as const]));
    const names = Array.from({ length: 100 }, (_, number) => `${"long-".repeat(10)}${number}.example.org`);
    const services = Array.from({ length: 2 * MOST_SERVICES_TOLD }, (_, number) =>
      service({ name: `web-${number}`, members, names }),
    );
    const all = reportServices(services, new Map(services.map(({ name }) => [name, states])));
    const { services: told } = all;
    assert.equal(told.length, MOST_SERVICES_TOLD);
    assert.equal(all.serviceCount, services.length);
    assert.equal(told[0]?.retired, 250);
    assert.equal(told[0].retiredMembers.length, MOST_TOLD);
    const value = JSON.stringify({ ...gateway("gw-1"), ...all });
    assert.deepEqual(parseGateway("gw-1", value)?.services, told);
    assert.ok(value.length < 200_000);
  });
});
