import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFleetCache } from "../../../apps/core/fleet/fleet-cache.ts";
import type { HostUse } from "../../../apps/core/fleet/host.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinService } from "../../bed/twin-service.ts";

const start = new Date("2026-01-01T00:00:00Z");
const at = (ms: number) => new Date(start.getTime() + ms);
const HOUR_MS = 3_600_000;
const LIVENESS_MS = 10_000;
const LONGEST_BACKOFF_MS = 15_000;

/** Hosts that beat, by name, with instances in use. */
async function openFleet(inUse: Record<string, number>, capacity = 4) {
  const service = createTwinService({ start });
  for (const [name, used] of Object.entries(inUse)) {
    await service.addHost(name, { capacity });
    service.discovery.beat(name, {}, HOUR_MS);
    for (let index = 0; index < used; index++)
      await service.addInstance(`${name}-${index}`, name, "running", { container: false });
  }
  const ports = { listHosts: service.store.hosts.list, readHeartbeats: service.discovery.readHeartbeats };
  return { service, view: createFleetCache(ports, LIVENESS_MS, LONGEST_BACKOFF_MS) };
}

describe("the fleet cache", () => {
  const namesAt = (view: ReturnType<typeof createFleetCache>, now: Date) =>
    [...view.openHosts(now)].map(({ name }) => name);
  const standingAt = (view: ReturnType<typeof createFleetCache>, now: Date) =>
    Object.fromEntries(view.standings(now).map(({ host, standing }) => [host.name, standing]));

  it("offers no host before it has read anything", async () => {
    const { view } = await openFleet({ a: 0 });
    assert.equal(view.isBlind(start), true);
    assert.deepEqual(namesAt(view, start), []);
    assert.deepEqual(view.standings(start), []);
  });

  it("offers open hosts, the busiest first, ties by name", async () => {
    const { view, service } = await openFleet({ d: 1, b: 1, a: 0, c: 3, full: 4, silent: 2, closed: 2 });
    service.discovery.remove("silent");
    await service.store.hosts.setState("closed", "cordoned");
    await view.refresh(start);
    assert.deepEqual(namesAt(view, start), ["c", "b", "d", "a"]);
    assert.deepEqual(standingAt(view, start), {
      a: "open",
      b: "open",
      c: "open",
      d: "open",
      full: "full",
      silent: "silent",
      closed: "cordoned",
    });
  });

  it("takes no heartbeat for a host that MySQL does not name", async () => {
    const { view, service } = await openFleet({ a: 0, b: 0 });
    service.discovery.beat("stranger");
    await view.refresh(start);
    assert.deepEqual(standingAt(view, start), { a: "open", b: "open" });
  });

  it("keeps filling the busiest host as instances are placed, and goes on when it is full", async () => {
    const { view } = await openFleet({ a: 1, b: 2 });
    await view.refresh(start);
    const filled = [];
    for (let count = 0; count < 5; count++) {
      const [name = "none"] = namesAt(view, start);
      filled.push(name);
      view.countTaken(name);
    }
    assert.deepEqual(filled, ["b", "b", "a", "a", "a"]);
    assert.deepEqual(namesAt(view, start), []);
  });

  it("chooses by the end of the lease when told to, and knows of leases that it has placed itself", async () => {
    const { service } = await openFleet({ idle: 0 });
    const ports = { listHosts: service.store.hosts.list, readHeartbeats: service.discovery.readHeartbeats };
    for (const [name, ttlSeconds] of Object.entries({ short: 600, long: 7200 })) {
      await service.addHost(name, { capacity: 3 });
      service.discovery.beat(name, {}, HOUR_MS);
      await service.addInstance(`${name}-0`, name, "running", { container: false, ttlSeconds });
    }
    await service.addInstance("short-1", "short", "running", { container: false, ttlSeconds: 60 });
    const view = createFleetCache(ports, LIVENESS_MS, LONGEST_BACKOFF_MS, "expiry-aware");
    await view.refresh(start);
    const namesFor = (seconds: number) => [...view.openHosts(start, at(seconds * 1000))].map(({ name }) => name);
    assert.deepEqual(namesFor(300), ["short", "long", "idle"]);
    assert.deepEqual(namesFor(3600), ["long", "short", "idle"]);
    view.countTaken("short", at(9000 * 1000));
    assert.deepEqual(namesFor(8000), ["long", "idle"], "full");
    view.countTaken("idle", at(9000 * 1000));
    assert.deepEqual(namesFor(8000), ["idle", "long"]);
  });

  it("takes a host that turned out full for full until it reads again", async () => {
    const { view } = await openFleet({ a: 1, b: 0 });
    await view.refresh(start);
    view.countFull("a");
    assert.deepEqual(namesAt(view, start), ["b"]);
    await view.refresh(at(1000));
    assert.deepEqual(namesAt(view, at(1000)), ["a", "b"]);
  });

  it("passes over a host that failed: a second, then twice as long each time, up to the longest back-off", async () => {
    const { view } = await openFleet({ a: 0 });
    let now = start.getTime();
    for (const restMs of [1000, 2000, 4000, 8000, 15_000, 15_000]) {
      await view.refresh(new Date(now));
      view.backOff("a", new Date(now));
      assert.deepEqual(standingAt(view, new Date(now + restMs - 1)), { a: "backing-off" });
      await view.refresh(new Date(now + restMs));
      assert.deepEqual(namesAt(view, new Date(now + restMs)), ["a"], `after ${restMs} ms`);
      now += restMs;
    }
  });

  it("counts failures that come together once", async () => {
    const { view } = await openFleet({ a: 0 });
    await view.refresh(start);
    for (let count = 0; count < 10; count++) view.backOff("a", at(count));
    assert.deepEqual(namesAt(view, at(1000)), ["a"]);
  });

  it("forgets failures once the host has handed out an instance", async () => {
    const { view } = await openFleet({ a: 0 });
    await view.refresh(start);
    view.backOff("a", start);
    view.backOff("a", at(1000));
    view.countSuccess("a");
    assert.deepEqual(namesAt(view, at(1001)), ["a"]);
    view.backOff("a", at(1001));
    assert.deepEqual(namesAt(view, at(2001)), ["a"], "the next rest is the first again");
  });

  it("keeps a back-off over the next reading", async () => {
    const { view } = await openFleet({ a: 0 });
    await view.refresh(start);
    view.backOff("a", start);
    await view.refresh(at(500));
    assert.deepEqual(standingAt(view, at(500)), { a: "backing-off" });
  });

  it("goes on with the last heartbeats while Redis does not answer, and is blind once they are too old", async () => {
    const { view, service } = await openFleet({ a: 0, b: 1 });
    await view.refresh(start);
    service.faults.add({ call: "readHeartbeats", fault: () => new Unavailable("redis", new Error("down")) });
    for (const id of ["one", "two"]) await service.addInstance(id, "a", "running");
    await assert.rejects(view.refresh(at(9000)), Unavailable);
    assert.deepEqual(namesAt(view, at(LIVENESS_MS)), ["a", "b"], "what MySQL says is new all the same");
    assert.equal(view.isBlind(at(LIVENESS_MS + 1)), true);
    assert.deepEqual(namesAt(view, at(LIVENESS_MS + 1)), []);
    assert.deepEqual(standingAt(view, at(LIVENESS_MS + 1)), { a: "open", b: "open" }, "unknown, not dead");
    service.faults.clear();
    await view.refresh(at(LIVENESS_MS + 2));
    assert.deepEqual(namesAt(view, at(LIVENESS_MS + 2)), ["a", "b"]);
  });

  it("takes a host that came while Redis did not answer for silent", async () => {
    const { view, service } = await openFleet({ a: 0 });
    await view.refresh(start);
    service.faults.add({ call: "readHeartbeats", fault: () => new Unavailable("redis", new Error("down")) });
    await service.addHost("new");
    await assert.rejects(view.refresh(at(1)), Unavailable);
    assert.deepEqual(standingAt(view, at(1)), { a: "open", new: "silent" });
  });

  it("keeps what it saw while MySQL does not answer", async () => {
    const { view, service } = await openFleet({ a: 0 });
    await view.refresh(start);
    service.faults.add({ call: "hosts.list", fault: () => new Unavailable("mysql", new Error("down")) });
    await assert.rejects(view.refresh(at(1000)), Unavailable);
    assert.deepEqual(namesAt(view, at(1000)), ["a"]);
  });

  it("forgets hosts that MySQL does not name any more", async () => {
    const { view, service } = await openFleet({ a: 0, b: 0 });
    await view.refresh(start);
    service.tables.hosts.delete("a");
    await view.refresh(at(1));
    assert.deepEqual(standingAt(view, at(1)), { b: "open" });
    for (const act of [view.countTaken, view.countFull, view.countSuccess]) act("a");
    view.backOff("a", at(1));
    assert.deepEqual(standingAt(view, at(1)), { b: "open" });
  });

  it("finds the first host among ten thousand without checking all of them", async () => {
    const { service } = await openFleet(
      Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`host-${index}`, index % 3])),
    );
    const checked = new Set<string>();
    const watched = ({ host, ...use }: HostUse): HostUse => ({
      ...use,
      host: {
        ...host,
        get state() {
          checked.add(host.name);
          return host.state;
        },
      },
    });
    const listHosts = async () => (await service.store.hosts.list()).map(watched);
    const ports = { listHosts, readHeartbeats: service.discovery.readHeartbeats };
    const view = createFleetCache(ports, LIVENESS_MS, LONGEST_BACKOFF_MS);
    await view.refresh(start);
    checked.clear();
    view.openHosts(start).next();
    // The first by name of those with two instances.
    assert.deepEqual([...checked], ["host-1001"]);
  });
});
