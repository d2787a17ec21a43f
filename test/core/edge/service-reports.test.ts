import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readAddress } from "../../../apps/core/balance/address.ts";
import type { CarriedMember } from "../../../apps/core/balance/servers.ts";
import type { Balanced, Member } from "../../../apps/core/balance/service.ts";
import { parseGateway } from "../../../apps/core/edge/gateway.ts";
import {
  MOST_MEMBERS_TOLD,
  MOST_MEMBERS_TOLD_IN_ALL,
  MOST_SERVICES_TOLD,
  parseServicesReport,
  reportServices,
} from "../../../apps/core/edge/service-reports.ts";
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

  const traffic = { connections: 4, accepted: 9, bytesIn: 10, bytesOut: 20 };
  const up = { state: "up" as const, fault: null, sessions: 4 };
  const retired = { state: "retired" as const, fault: "it refuses", sessions: 0 };
  const draining = { state: "draining" as const, fault: null, sessions: 1 };

  /** Carried by what does not tell how members are. */
  const untold = new Map([["web", { ...traffic, members: new Map() }]]);

  it("leaves out what is not carried", () => {
    const all = [service({}), service({ name: "other" })];
    const { serviceCount, services } = reportServices("gw-1", all, untold);
    assert.deepEqual([serviceCount, services.map(({ name }) => name)], [1, ["web"]]);
  });

  it("has members by state, those first that need a look, and what goes through", () => {
    const members = [member(a), member(b), member(c)];
    const states = new Map<string, CarriedMember>([
      [a, up],
      [b, retired],
      [c, draining],
    ]);
    const carried = new Map([["web", { ...traffic, members: states }]]);
    assert.deepEqual(reportServices("gw-1", [service({ members })], carried), {
      gateway: "gw-1",
      serviceCount: 1,
      services: [
        {
          ...{ name: "web", port: 443, protocol: "http", names: ["www.example.org"] },
          ...{ up: 1, retired: 1, draining: 1, unknown: 0 },
          members: [
            { address: b, ...retired },
            { address: c, ...draining },
            { address: a, ...up },
          ],
          ...traffic,
        },
      ],
    });
  });

  it("says that it does not know how members are whose plane does not tell, other than those that drain", () => {
    const members = [member(a), member(b, { isDraining: true })];
    const [told] = reportServices("gw-1", [service({ members })], untold).services;
    assert.deepEqual([told?.up, told?.retired, told?.draining, told?.unknown], [0, 0, 1, 1]);
  });

  it("stays short whatever there is, so that it can be told each second and read by others", () => {
    const members = Array.from({ length: 250 }, (_, number) => member(`10.0.0.${number + 1}:80`));
    const states = new Map(members.map(({ address }) => [address.text, retired]));
    const names = Array.from({ length: 100 }, (_, number) => `${"long-".repeat(10)}${number}.example.org`);
    const services = Array.from({ length: 2 * MOST_SERVICES_TOLD }, (_, number) =>
      service({ name: `web-${number}`, members, names }),
    );
    const carried = new Map(services.map(({ name }) => [name, { ...traffic, members: states }]));
    const all = reportServices("gw-1", services, carried);
    const { services: told } = all;
    assert.equal(told.length, MOST_SERVICES_TOLD);
    assert.equal(all.serviceCount, services.length);
    assert.equal(told[0]?.retired, 250);
    assert.equal(told[0].members.length, MOST_MEMBERS_TOLD);
    assert.equal(told.at(-1)?.retired, 250, "those whose members are not told are counted");
    assert.equal(told.flatMap((each) => each.members).length, MOST_MEMBERS_TOLD_IN_ALL);
    const value = JSON.stringify(all);
    assert.deepEqual(parseServicesReport("gw-1", value), all);
    assert.ok(value.length < 200_000);
  });

  it("is read by older programs, without what they do not know", () => {
    const told = reportServices("gw-1", [service({ members: [member(a)] })], untold);
    const newer = {
      ...told,
      news: 1,
      services: [
        ...told.services.map((each) => ({
          ...each,
          news: {},
          members: each.members.map((one) => ({ ...one, news: 1 })),
        })),
        { ...told.services[0], name: "quic", protocol: "quic" },
      ],
    };
    assert.deepEqual(parseServicesReport("gw-1", JSON.stringify(newer)), told);
    const one = gateway("gw-1");
    const newerGateway = { ...one, news: [], figures: { ...one.figures, news: 1 } };
    assert.deepEqual(parseGateway("gw-1", JSON.stringify(newerGateway)), one);
  });

  it("is nobody else's, and nothing that only looks like it", () => {
    const told = reportServices("gw-1", [], new Map());
    assert.equal(parseServicesReport("gw-2", JSON.stringify(told)), undefined);
    for (const value of ["{", "[]", JSON.stringify({ ...told, serviceCount: -1 })])
      assert.equal(parseServicesReport("gw-1", value), undefined);
  });
});
