import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { findAlarms } from "../../apps/core/notifications/alarms.ts";
import type { EdgeOverview } from "../../apps/core/operator/edge-overview.ts";
import { readOverview } from "../../apps/core/operator/fleet-overview.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { verdictOf } from "../../public/assets/ops/verdict.js";
import { createTwinService, type TwinService } from "../bed/twin-service.ts";

const SECOND = 1000;
const rules = { isFleet: false, standbys: 0, cap: 1, bootTimeoutSeconds: 600 };

/** An edge that has gateways, and carries nothing besides instances. */
function edgeOf(gateways: readonly { readonly state: "live" }[]): EdgeOverview {
  const facts = { name: "gw-1", addresses: [], routes: 0, unroutable: 0, connections: 0 };
  return {
    hasEdge: true,
    gateways: gateways.map(({ state }) => ({ ...facts, mostConnections: 10, version: "1", state })),
    services: [],
    announced: null,
    ports: [],
    workloads: [],
  };
}

/** What the page calls trouble is what operators are told of: both look at the same service. */
describe("the page's verdict and the alarms that are told", () => {
  let service: TwinService;
  /** Gateways that live, where a situation has an edge. */
  let edge: { readonly state: "live" }[] | undefined;
  beforeEach(async () => {
    service = createTwinService();
    edge = undefined;
    await service.addHost("host-a");
    await service.addHost("host-b");
    await succeed();
  });

  async function succeed(): Promise<void> {
    for (const job of ["reap", "reconcile"] as const) {
      await service.store.runs.begin(job, service.clock());
      await service.store.runs.finish(job, service.clock(), undefined);
    }
  }

  /** Adds an instance that is ready for the next hand-out. */
  async function warm(id: string, hostName: string): Promise<void> {
    const [createdAt, hash] = [service.clock(), Buffer.alloc(32)];
    const deadline = new Date(createdAt.getTime() + 60 * SECOND);
    const draft = { id, passwordHash: hash, nonce: hash, recipe: hash, createdAt, deadline, latestEnd: deadline };
    assert.equal((await service.store.warmPool.begin(draft, hostName)).kind, "taken");
    assert.ok(await service.store.warmPool.ready(id, { engine: "redis", version: "7.0.15" }, createdAt));
  }

  /** Whether the page tells of trouble, and what alarms there are. */
  async function look(): Promise<{ level: string; alarms: string[] }> {
    const { store, fleet, clock } = service;
    await fleet.refresh(clock()).catch(() => undefined);
    const now = clock();
    const overview = { ...(await readOverview({ fleet, store, rules }, now)), ...(edge && { edge: edgeOf(edge) }) };
    const reported = await store.events.listAlarms(new Date(now.getTime() - 300_000), 20);
    const events = reported.map(({ host = null, reason }) => ({ host, reason }));
    const facts = {
      isBlind: fleet.isBlind(now),
      hosts: fleet.standings(now),
      jobs: await store.runs.list(),
      gateways: edge,
      reported,
    };
    return {
      level: verdictOf(overview, events as unknown as Parameters<typeof verdictOf>[1], now.getTime()).level,
      alarms: findAlarms(facts, now).map(({ key }) => key),
    };
  }

  const situations: Record<string, { happen: () => Promise<void> | void; alarms: string[] }> = {
    "all is well": { happen: () => undefined, alarms: [] },
    "a host is silent": { happen: () => void service.discovery.remove("host-b"), alarms: ["host:host-b"] },
    "an engine does not answer": {
      happen: () => service.discovery.beat("host-b", { containers: null }),
      alarms: ["host:host-b"],
    },
    "a host is cordoned and silent": {
      happen: async () => {
        await service.store.hosts.setState("host-b", "cordoned");
        service.discovery.remove("host-b");
      },
      alarms: [],
    },
    "no host has room": {
      happen: async () => {
        for (const name of ["host-a", "host-b"]) await service.store.hosts.setState(name, "cordoned");
      },
      alarms: ["no-room"],
    },
    "the warm pool holds all that is free": {
      happen: async () => {
        for (const { host } of await service.store.hosts.list())
          for (let slot = 0; slot < host.capacity; slot++) await warm(`${host.name}${slot}`, host.name);
      },
      alarms: [],
    },
    "Redis does not answer": {
      happen: () => {
        service.faults.add({ call: "readHeartbeats", fault: () => new Unavailable("redis", new Error("away")) });
        service.time.pass(11 * SECOND);
      },
      alarms: ["heartbeats-unseen"],
    },
    "a job fails for ten minutes": {
      happen: async () => {
        service.time.pass(600 * SECOND);
        await service.store.runs.begin("reap", service.clock());
        await service.store.runs.finish("reap", service.clock(), "the engine does not answer");
        await service.store.runs.begin("reconcile", service.clock());
        await service.store.runs.finish("reconcile", service.clock(), undefined);
        for (const name of ["host-a", "host-b"]) service.discovery.beat(name);
      },
      alarms: ["job:reap"],
    },
    "a gateway lives": { happen: () => void (edge = [{ state: "live" }]), alarms: [] },
    "no gateway lives": { happen: () => void (edge = []), alarms: ["no-gateway"] },
    "a job has failed once": {
      happen: async () => {
        await service.store.runs.begin("reap", service.clock());
        await service.store.runs.finish("reap", service.clock(), "the engine does not answer");
      },
      alarms: [],
    },
    "the journal has an alarm": {
      happen: () =>
        service.store.events.add(
          { actor: "block-list", kind: "block-list", alarm: true, reason: "cannot be read" },
          service.clock(),
        ),
      alarms: ["block-list"],
    },
  };

  for (const [name, { happen, alarms }] of Object.entries(situations))
    it(`agree when ${name}`, async () => {
      await service.fleet.refresh(service.clock());
      await happen();
      const seen = await look();
      assert.deepEqual(seen.alarms, alarms);
      assert.equal(seen.level === "trouble", alarms.length > 0, seen.level);
    });
});
