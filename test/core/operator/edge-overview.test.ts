import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readAddress } from "../../../apps/core/balance/address.ts";
import type { DeclaredService } from "../../../apps/core/balance/desired.ts";
import type { ServiceReport, ServicesReport } from "../../../apps/core/edge/service-reports.ts";
import { readEdgeOverview, type EdgeOverviewPorts } from "../../../apps/core/operator/edge-overview.ts";
import { serviceOverviews, toldServices } from "../../../apps/core/operator/service-overview.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinBalance } from "../../../apps/twins/balance.ts";
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
    ...{ name: "web", port: 443, protocol: "http", names: ["www.example.org"] },
    ...{ up: 2, retired: 0, draining: 0, unknown: 0 },
    members: [],
    ...{ connections: 3, accepted: 5, bytesIn: 10, bytesOut: 20 },
    ...over,
  };
}

const carrying = (...services: ServiceReport[]) => ({ serviceCount: services.length, services });
const [up, retired] = [
  { state: "up" as const, fault: null, sessions: 2 },
  { state: "retired" as const, fault: "it refuses", sessions: 1 },
];

describe("services, over all gateways", () => {
  /** Services as the gateways gw-1, gw-2 ... tell; null: it is unknown what they tell. */
  const all = (told: readonly Omit<ServicesReport, "gateway">[] | null, service = declared()) => {
    const reports = told && told.map((each, index) => ({ ...each, gateway: `gw-${index + 1}` }));
    return serviceOverviews([service], toldServices(reports && reports.map(({ gateway }) => gateway), reports));
  };
  const one = (...args: Parameters<typeof all>) => {
    const overview = all(...args).find(({ kind }) => kind === "declared");
    assert.ok(overview);
    return overview;
  };

  it("are up while all members get connections on each gateway", () => {
    const { state, gateways, members, up, kind, connections } = one([carrying(report()), carrying(report())]);
    assert.deepEqual([state, gateways, members, up, kind, connections], ["up", 2, 2, 2, "declared", 6]);
  });

  it("are as the gateway sees them that sees least of them", () => {
    const some = report({ up: 1, retired: 1 });
    const degraded = one([carrying(report()), carrying(some)]);
    assert.deepEqual([degraded.state, degraded.up], ["degraded", 1]);
    const none = report({ up: 0, retired: 2 });
    const down = one([carrying(some), carrying(none)]);
    assert.deepEqual([down.state, down.up], ["down", 0]);
  });

  it("have members as the gateway sees each that sees it worst, those first that need a look", () => {
    const first = report({
      members: [
        { address: A, ...up },
        { address: B, ...up },
      ],
    });
    const second = report({
      members: [
        { address: B, ...retired },
        { address: A, ...up },
      ],
    });
    assert.deepEqual(one([carrying(first), carrying(second)]).memberList, [
      { address: B, state: "retired", fault: "it refuses", sessions: 3, gateways: ["gw-2"] },
      { address: A, state: "up", fault: null, sessions: 4, gateways: ["gw-1", "gw-2"] },
    ]);
  });

  it("are not called lost while a gateway that lives does not tell of any", () => {
    const [unknown] = serviceOverviews(
      [declared()],
      toldServices(["gw-1", "gw-2"], [{ gateway: "gw-1", ...carrying() }]),
    );
    assert.equal(unknown?.state, "unknown");
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
    assert.deepEqual(
      all([carrying(report(), shop)]).map(({ name, kind, policy }) => [name, kind, policy]),
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

  const balance = createTwinBalance({ clock: () => at });
  const announcer = (name: string) => ({
    ...{ name, applications: null, nonce: Buffer.alloc(0), createdAt: at, createdBy: "admin" },
  });
  const rules = { networks: ["10.0.0.0/8"], listenPorts: [80, 443], reservedDomains: [] };
  const read = (over?: Partial<EdgeOverviewPorts>) => readEdgeOverview(ports(over), rules);

  function ports(over: Partial<EdgeOverviewPorts> = {}): EdgeOverviewPorts {
    return {
      edge: { list: () => Promise.resolve([gateway("gw-1"), { name: "gw-2", state: "unreadable" }]) },
      serviceReports: { list: () => Promise.resolve([{ gateway: "gw-1", ...carrying(report()) }]) },
      board: balance.board,
      store: {
        announcers: { list: () => Promise.resolve(["web-1", "web-2"].map(announcer)) },
        gatewayDroplets: { list: () => Promise.resolve([]) },
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

  it("has gateways on droplets once each: as they tell while they live, else as far as they have come", async () => {
    const row = { dropletId: 1, plan: "", orderedAt: at, joinedAt: null, silentSince: null, drainingSince: null };
    const states = { "gw-1": "joined", "gw-3": "ordered", "gw-4": "booting", "gw-5": "joined", "gw-6": "destroying" };
    const rows = Object.entries(states).map(([name, state]) => ({ ...row, name, state: state as "joined" }));
    const gatewayDroplets = { list: () => Promise.resolve(rows) };
    const { gateways } = await read({ store: { ...ports().store, gatewayDroplets } });
    assert.deepEqual(
      gateways?.map(({ name, state }) => `${name} ${state}`),
      ["gw-1 live", "gw-2 unreadable", "gw-3 ordered", "gw-4 booting", "gw-5 silent", "gw-6 destroying"],
    );
  });

  it("has gateways as they tell, ports as their hosts report, and workloads as they were carried out", async () => {
    const overview = await read();
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

  it("has what hosts announce in numbers, what is wrong with it, and who does not get what another one owns", async () => {
    const announce = async (host: string, name: string, port: number) => {
      const shop = {
        name,
        "listen-port": port,
        "application-port": 8080,
        protocol: "http",
        domains: ["shop.example.org"],
      };
      balance.announce(host, JSON.stringify({ address: "10.0.0.5", applications: [shop] }), 10_000);
      await balance.board.changeOwners([{ claim: "domain:shop.example.org", from: null, to: "shop" }]);
    };
    await announce("web-1", "shop", 443);
    assert.deepEqual((await read()).announced, {
      ...{ hosts: 1, applications: 1, refusedCount: 0, refused: [], conflictCount: 0, conflicts: [] },
    });
    await announce("web-2", "other", 443);
    const conflict =
      "shop.example.org belongs to shop, which announced it first: application other of web-2 cannot have it";
    assert.deepEqual((await read()).announced?.conflicts, [conflict]);
    await announce("web-2", "other", 8443);
    const { announced } = await read();
    assert.deepEqual(announced?.refused, ["web-2, other: listen-port 8443 must be one of 80, 443"]);
    assert.deepEqual([announced.hosts, announced.applications, announced.refusedCount], [2, 1, 1]);
    balance.restart();
  });

  it("says what is unknown while Redis does not answer, and shows what MySQL knows", async () => {
    const away = () => Promise.reject(new Unavailable("redis", new Error("gone")));
    const overview = await read({
      ...{ edge: { list: away }, serviceReports: { list: away } },
      ...{ board: { read: away }, portMaps: { read: away } },
    });
    assert.deepEqual([overview.gateways, overview.announced], [null, null]);
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
    const overview = await read({ edge: undefined });
    assert.deepEqual([overview.hasEdge, overview.gateways], [false, []]);
  });
});
