import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EdgeOverview } from "../../apps/core/operator/edge-overview.ts";
import type { FleetOverview } from "../../apps/core/operator/fleet-overview.ts";
import {
  announcedLines,
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
  unroutable: 0,
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
  connections: 5,
  memberList: [],
};
const [good, bad] = [
  { address: "10.0.0.4:80", state: "up" as const, fault: null, sessions: 1, gateways: ["gw-1", "gw-2"] },
  { address: "10.0.0.5:80", state: "retired" as const, fault: "it refuses", sessions: 0, gateways: ["gw-2"] },
];
const edge = (over: Partial<EdgeOverview> = {}): EdgeOverview => ({
  hasEdge: true,
  gateways: [gateway],
  services: [],
  announced: null,
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
    assert.deepEqual(gatewayLine(gateway).facts, [
      "192.0.2.1",
      "1,200 routes",
      "7 of 10,000 connections",
      "version 0.2.0",
    ]);
    const unreadable = { ...gateway, addresses: [], routes: null, connections: null, mostConnections: null };
    const { facts, why } = gatewayLine({ ...unreadable, state: "unreadable", version: null });
    assert.deepEqual(facts, []);
    assert.match(why, /cannot be read/);
    assert.equal(
      gatewayLine({ ...gateway, unroutable: 2 }).why,
      "It cannot lead to 2 instances: the host is known by a name and no IP address.",
    );
    const degraded = serviceLine({ ...web, state: "degraded", members: 14, up: 13, memberList: [bad, good] });
    assert.deepEqual(degraded.facts.slice(-3), ["13 of 14 members up", "5 connections", "on 2 gateways"]);
    assert.deepEqual(degraded.parts, [
      { name: "10.0.0.5:80", state: "retired", facts: "0 connections", why: "it refuses, on gw-2" },
      { name: "10.0.0.4:80", state: "up", facts: "1 connection", why: "" },
    ]);
    assert.equal(degraded.morePartsCount, 12);
    const port = { host: "host-a", port: 8080, image: "web:1", imagePort: 80, children: 1 };
    const refused = portLine({ ...port, state: "refused", fault: "its file is no map" });
    assert.deepEqual(refused.facts, ["web:1 port 80", "and 1 port of other hosts"]);
    assert.equal(refused.why, "its file is no map");
    const workload = { host: "host-a", name: "web", image: "web:1", copies: 2, state: "running" as const, fault: null };
    assert.deepEqual(workloadLine(workload).facts, ["2 containers", "web:1"]);
  });
});

describe("what hosts announce, on the page", () => {
  const announced = { hosts: 2, applications: 1, refusedCount: 0, refused: [], conflictCount: 0, conflicts: [] };

  it("is one line with its numbers, and none while nobody announces anything", () => {
    assert.deepEqual(announcedLines(null), []);
    assert.deepEqual(announcedLines({ ...announced, hosts: 0, applications: 0 }), []);
    const [line] = announcedLines(announced);
    assert.deepEqual([line?.name, line?.state, line?.parts], ["2 hosts announce 1 application", "followed", []]);
  });

  it("has below it what is not followed, conflicts first", () => {
    const faulty = { ...announced, refusedCount: 9, refused: ["web-2: bad"], conflictCount: 1, conflicts: ["taken"] };
    const [line] = announcedLines(faulty);
    assert.equal(line?.state, "partly");
    assert.deepEqual(line.facts, ["1 conflict", "9 refused"]);
    assert.deepEqual(
      line.parts?.map(({ why }) => why),
      ["taken", "web-2: bad"],
    );
    assert.equal(line.morePartsCount, 8);
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

  it("names gateways that cannot lead to all instances, and members that do not answer", () => {
    assert.deepEqual(
      notes(edge({ gateways: [{ ...gateway, unroutable: 3 }] })).at(0),
      "Gateway gw-1: no way to 3 instances",
    );
    const degraded = { ...web, state: "degraded" as const, memberList: [bad, good] };
    assert.equal(notes(edge({ services: [degraded] }))[0], "Service web: 10.0.0.5:80 not answering");
  });

  it("names services without an answer, and does not fill the page with them", () => {
    const down = Array.from({ length: 9 }, (_, number) => ({ ...web, name: `web-${number}`, state: "down" as const }));
    const told = notes(edge({ services: down }));
    assert.equal(told[0], "Service web-0: no member answers");
    assert.equal(told.at(-1), "5 more things at the edge are not well.");
    assert.equal(told.length, 5);
  });
});
