import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readAddress } from "../../../apps/core/balance/address.ts";
import type { DeclaredService } from "../../../apps/core/balance/desired.ts";
import type { Gateway, ServiceReport } from "../../../apps/core/edge/gateway.ts";
import {
  readEdgeOverview,
  serviceOverviews,
  type EdgeOverviewPorts,
} from "../../../apps/core/operator/edge-overview.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { gateway } from "../../../apps/twins/gateways.ts";

const [A, B] = ["10.0.0.1:80", "10.0.0.2:80"] as const;

function declared(over: Partial<DeclaredService> = {}): DeclaredService {
  const members = [A, B].map((text) => {
    const reading = readAddress(text, { own: { ips: [], ports: [] } });
    assert.ok(reading.kind === "address");
    return { address: reading.address, weight: 1, zone: null, isDraining: false };
  });
  const listen = { name: "web", port: 443, protocol: "http" as const, names: ["www.example.org"] };
  return { ...listen, policy: "round-robin", probe: { kind: "tcp" }, poolKey: null, members, ...over };
}

function report(over: Partial<ServiceReport> = {}): ServiceReport {
  return {
    name: "web",
    port: 443,
    protocol: "http",
    names: ["www.example.org"],
    up: 2,
    retired: 0,
    draining: 0,
    unknown: 0,
    retiredMembers: [],
    ...over,
  };
}

const carrying = (...services: ServiceReport[]) => ({ serviceCount: services.length, services });

describe("services, over all gateways", () => {
  const one = (gateways: readonly Pick<Gateway, "serviceCount" | "services">[] | null, service = declared()) => {
    const overview = serviceOverviews([service], gateways).find(({ name }) => name === service.name);
    assert.ok(overview);
    return overview;
  };

  it("are up while all members get connections on each gateway", () => {
    const { state, gateways, members, up, kind } = one([carrying(report()), carrying(report())]);
    assert.deepEqual([state, gateways, members, up, kind], ["up", 2, 2, 2, "declared"]);
  });

  it("are as the gateway sees them that sees least of them", () => {
    const some = report({ up: 1, retired: 1, retiredMembers: [A] });
    const degraded = one([carrying(report()), carrying(some)]);
    assert.deepEqual([degraded.state, degraded.up, degraded.retired], ["degraded", 1, [A]]);
    const none = report({ up: 0, retired: 2, retiredMembers: [A, B] });
    const down = one([carrying(some), carrying(none)]);
    assert.deepEqual([down.state, down.up, down.retired], ["down", 0, [A, B]]);
  });

  it("are told apart when nobody carries them, when they have no members, and when nothing is known", () => {
    assert.equal(one([]).state, "not-carried");
    assert.equal(one([carrying()]).state, "not-carried");
    assert.equal(one([carrying(report({ up: 0 }))]).state, "empty");
    assert.equal(one([carrying(report({ up: 0, draining: 2 }))]).state, "draining");
    assert.equal(one([carrying(report({ up: 0, unknown: 2 }))]).state, "untold");
    assert.equal(one(null).state, "unknown");
    assert.equal(one([{ serviceCount: 200, services: [report({ name: "other" })] }]).state, "unknown");
    assert.equal(one(null).members, 2, "those that are declared");
  });

  it("are there by their names, those that hosts announce as well", () => {
    const shop = report({ name: "shop:443:shop.example.org", names: ["shop.example.org"] });
    const all = serviceOverviews([declared()], [carrying(report(), shop)]);
    assert.deepEqual(
      all.map(({ name, kind, policy }) => [name, kind, policy]),
      [
        ["shop:443:shop.example.org", "announced", null],
        ["web", "declared", "round-robin"],
      ],
    );
  });
});

describe("the overview of the edge", () => {
  const at = new Date("2026-11-26T00:00:00Z");
  const workload = {
    host: "host-a",
    name: "web",
    image: "web:1",
    command: null,
    memoryMb: 64,
    millicpus: 500,
    copies: 2,
    state: "running" as const,
    generation: 2,
  };
  const port = { host: "host-a", port: 8080, image: "web:1", imagePort: 80, state: "on" as const, children: [] };

  function ports(over: Partial<EdgeOverviewPorts> = {}): EdgeOverviewPorts {
    return {
      edge: { list: () => Promise.resolve([gateway("gw-1"), { name: "gw-2", state: "unreadable" }]) },
      store: {
        services: { list: () => Promise.resolve([declared()]) },
        ports: { list: () => Promise.resolve([port]) },
        workloads: {
          list: () =>
            Promise.resolve([
              { ...workload, done: { generation: 2, at, fault: null } },
              { ...workload, name: "old", done: { generation: 1, at, fault: null } },
              { ...workload, name: "bad", done: { generation: 2, at, fault: "no such image" } },
            ]),
        },
      },
      portMaps: {
        read: () =>
          Promise.resolve(
            new Map([["host-a", { wanted: "1", report: { revision: "1", result: "loaded" as const, reason: "" } }]]),
          ),
      },
      ...over,
    };
  }

  it("has gateways as they tell, ports as their hosts report, and workloads as they were carried out", async () => {
    const overview = await readEdgeOverview(ports());
    assert.ok(overview.hasEdge);
    assert.deepEqual(
      overview.gateways?.map(({ name, state, mostConnections }) => [name, state, mostConnections]),
      [
        ["gw-1", "live", 1_000],
        ["gw-2", "unreadable", null],
      ],
    );
    assert.deepEqual(
      overview.ports.map(({ state }) => state),
      ["on"],
    );
    assert.deepEqual(
      overview.workloads.map(({ name, state, fault }) => [name, state, fault]),
      [
        ["web", "running", null],
        ["old", "waiting", null],
        ["bad", "failed", "no such image"],
      ],
    );
  });

  it("says what is unknown while Redis does not answer, and shows what MySQL knows", async () => {
    const away = () => Promise.reject(new Unavailable("redis", new Error("gone")));
    const overview = await readEdgeOverview(ports({ edge: { list: away }, portMaps: { read: away } }));
    assert.equal(overview.gateways, null);
    assert.deepEqual(
      overview.services.map(({ state }) => state),
      ["unknown"],
    );
    assert.deepEqual(
      overview.ports.map(({ state }) => state),
      ["waiting"],
    );
  });

  it("has no gateways without an edge", async () => {
    const overview = await readEdgeOverview(ports({ edge: undefined }));
    assert.deepEqual([overview.hasEdge, overview.gateways], [false, []]);
  });
});
