import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EdgeOverview } from "../../apps/core/operator/edge-overview.ts";
import type { FleetOverview } from "../../apps/core/operator/fleet-overview.ts";
import {
  gatewayLine,
  isWorthShowing,
  portLine,
  serviceLine,
  summaryOf,
  workloadLine,
} from "../../public/assets/ops/edge-lines.js";
import { verdictOf } from "../../public/assets/ops/verdict.js";

const gateway = {
  name: "gw-1",
  state: "live" as const,
  addresses: ["192.0.2.1"],
  routes: 1_200,
  connections: 7,
  mostConnections: 10_000,
  version: "0.2.0",
};
const web = {
  name: "web",
  kind: "declared" as const,
  port: 443,
  protocol: "http" as const,
  names: ["www.example.org"],
  policy: "round-robin" as const,
  poolKey: null,
  state: "up" as const,
  gateways: 2,
  members: 2,
  up: 2,
  retired: [],
};
const edge = (over: Partial<EdgeOverview> = {}): EdgeOverview => ({
  hasEdge: true,
  gateways: [gateway],
  services: [],
  ports: [],
  workloads: [],
  ...over,
});

describe("the edge on the page", () => {
  it("is there when there is an edge, or anything that is carried without one", () => {
    assert.ok(isWorthShowing(edge()));
    const none = edge({ hasEdge: false, gateways: [] });
    assert.ok(!isWorthShowing(none));
    assert.ok(isWorthShowing({ ...none, services: [web] }));
  });

  it("is told in a few words, which say what is unknown", () => {
    assert.equal(summaryOf(edge({ services: [web] })), "1 gateway, 7 connections, 1 service");
    assert.equal(summaryOf(edge({ gateways: null })), "gateways unknown");
  });

  it("tells of each thing what it does, and why not", () => {
    assert.deepEqual(gatewayLine(gateway).facts, ["192.0.2.1", "1,200 routes", "7 of 10,000 connections", "0.2.0"]);
    const unreadable = { ...gateway, addresses: [], routes: null, connections: null, mostConnections: null };
    const { facts, why } = gatewayLine({ ...unreadable, state: "unreadable", version: null });
    assert.deepEqual(facts, []);
    assert.match(why, /cannot be read/);
    const degraded = serviceLine({ ...web, state: "degraded", up: 1, retired: ["10.0.0.5:80"] });
    assert.deepEqual(degraded.facts.slice(-2), ["1 of 2 members up", "on 2 gateways"]);
    assert.equal(degraded.why, "Not answering: 10.0.0.5:80");
    const port = { host: "host-a", port: 8080, image: "web:1", imagePort: 80, children: 1 };
    const refused = portLine({ ...port, state: "refused", fault: "its file is no map" });
    assert.deepEqual(refused.facts, ["web:1 port 80", "and 1 port of other hosts"]);
    assert.equal(refused.why, "its file is no map");
    const workload = { host: "host-a", name: "web", image: "web:1", copies: 2, state: "running" as const, fault: null };
    assert.deepEqual(workloadLine(workload).facts, ["2 containers", "web:1"]);
  });
});

describe("the verdict on the edge", () => {
  const fleet = {
    at: "2026-11-26T00:00:00Z",
    isBlind: false,
    rules: { isFleet: false, standbys: 0, cap: 1, bootTimeoutSeconds: 600 },
    hosts: [{ name: "host-a", standing: "open", capacity: 4, occupied: 0, warm: 0, inUse: 0, isStandby: true }],
    slotLegend: {},
    running: 0,
    startedEver: 0,
    switches: [],
    jobs: [],
  } as unknown as FleetOverview;
  const notes = (told: EdgeOverview | undefined) =>
    verdictOf({ ...fleet, ...(told && { edge: told }) }, [], Date.parse(fleet.at)).notes.map(({ text }) => text);

  it("says nothing of an edge that is well, and of none", () => {
    const [text] = notes(undefined);
    assert.match(text ?? "", /1 host up/);
    assert.deepEqual(notes(edge({ services: [web] })), [text]);
  });

  it("says when no gateway lives, and nothing of the kind while that is unknown", () => {
    assert.deepEqual(notes(edge({ gateways: [] })), [
      "No gateway lives: no instance can be reached, and none is handed out.",
    ]);
    assert.equal(notes(edge({ gateways: null })).filter((text) => text.includes("gateway")).length, 0);
  });

  it("names services without an answer, and does not fill the page with them", () => {
    const down = Array.from({ length: 9 }, (_, number) => ({ ...web, name: `web-${number}`, state: "down" as const }));
    const told = notes(edge({ services: down }));
    assert.equal(told[0], "Service web-0: no member answers");
    assert.equal(told.at(-1), "5 more things at the edge are not well.");
    assert.equal(told.length, 5);
  });
});
