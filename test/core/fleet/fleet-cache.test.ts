import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFleetCache, type FleetPorts } from "../../../apps/core/fleet/fleet-cache.ts";
import type { Host, HeartbeatReading } from "../../../apps/core/fleet/host.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";

const start = new Date("2026-01-01T00:00:00Z");
const at = (ms: number) => new Date(start.getTime() + ms);
const LIVENESS_MS = 10_000;
const LONGEST_BACKOFF_MS = 15_000;

const beat = (name: string): HeartbeatReading => ({
  kind: "beat",
  beat: {
    name,
    publicIp: "",
    privateIp: "",
    dockerPort: 0,
    containers: 0,
    memAvailableMb: 1,
    sentAt: "2026-01-01T00:00:00Z",
  },
});

/** Hosts by name, with instances in use; the ports read what is here when they are called. */
function fakeFleet(inUse: Record<string, number>, capacity = 4) {
  const world = {
    inUse,
    live: new Set(Object.keys(inUse)),
    states: {} as Record<string, Host["state"]>,
    mysqlDown: false,
    redisDown: false,
    asked: [] as string[][],
  };
  const ports: FleetPorts = {
    listHosts: async () => {
      if (world.mysqlDown) throw new Unavailable("mysql", new Error("down"));
      return Promise.resolve(
        Object.entries(world.inUse).map(([name, used]) => ({
          host: {
            name,
            engineUrl: "unix:///x",
            deployment: "d",
            publicHost: "x",
            checkHost: "x",
            bindAddress: "x",
            capacity,
            basePort: 20_000,
            state: world.states[name] ?? "active",
          },
          inUse: used,
          occupied: used,
          unreachableSince: null,
        })),
      );
    },
    readHeartbeats: async (names) => {
      world.asked.push([...names]);
      if (world.redisDown) throw new Unavailable("redis", new Error("down"));
      return Promise.resolve(new Map(names.filter((name) => world.live.has(name)).map((name) => [name, beat(name)])));
    },
  };
  return { world, view: createFleetCache(ports, LIVENESS_MS, LONGEST_BACKOFF_MS) };
}

describe("the fleet cache", () => {
  const namesAt = (view: ReturnType<typeof createFleetCache>, now: Date) =>
    [...view.openHosts(now)].map(({ name }) => name);
  const standingAt = (view: ReturnType<typeof createFleetCache>, now: Date) =>
    Object.fromEntries(view.standings(now).map(({ host, standing }) => [host.name, standing]));

  it("offers no host before it has read anything", () => {
    const { view } = fakeFleet({ a: 0 });
    assert.equal(view.isBlind(start), true);
    assert.deepEqual(namesAt(view, start), []);
    assert.deepEqual(view.standings(start), []);
  });

  it("offers open hosts, the busiest first, ties by name", async () => {
    const { view, world } = fakeFleet({ d: 1, b: 1, a: 0, c: 3, full: 4, silent: 2, closed: 2 });
    world.live.delete("silent");
    world.states["closed"] = "cordoned";
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

  it("asks for the heartbeats of the hosts that MySQL names", async () => {
    const { view, world } = fakeFleet({ a: 0, b: 0 });
    await view.refresh(start);
    assert.deepEqual(world.asked, [["a", "b"]]);
  });

  it("keeps filling the busiest host as instances are placed, and goes on when it is full", async () => {
    const { view } = fakeFleet({ a: 1, b: 2 });
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

  it("takes a host that turned out full for full until it reads again", async () => {
    const { view } = fakeFleet({ a: 1, b: 0 });
    await view.refresh(start);
    view.countFull("a");
    assert.deepEqual(namesAt(view, start), ["b"]);
    await view.refresh(at(1000));
    assert.deepEqual(namesAt(view, at(1000)), ["a", "b"]);
  });

  it("passes over a host that failed: a second, then twice as long each time, up to the longest back-off", async () => {
    const { view } = fakeFleet({ a: 0 });
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
    const { view } = fakeFleet({ a: 0 });
    await view.refresh(start);
    for (let count = 0; count < 10; count++) view.backOff("a", at(count));
    assert.deepEqual(namesAt(view, at(1000)), ["a"]);
  });

  it("forgets failures once the host has handed out an instance", async () => {
    const { view } = fakeFleet({ a: 0 });
    await view.refresh(start);
    view.backOff("a", start);
    view.backOff("a", at(1000));
    view.countSuccess("a");
    assert.deepEqual(namesAt(view, at(1001)), ["a"]);
    view.backOff("a", at(1001));
    assert.deepEqual(namesAt(view, at(2001)), ["a"], "the next rest is the first again");
  });

  it("keeps a back-off over the next reading", async () => {
    const { view } = fakeFleet({ a: 0 });
    await view.refresh(start);
    view.backOff("a", start);
    await view.refresh(at(500));
    assert.deepEqual(standingAt(view, at(500)), { a: "backing-off" });
  });

  it("goes on with the last heartbeats while Redis does not answer, and is blind once they are too old", async () => {
    const { view, world } = fakeFleet({ a: 0, b: 1 });
    await view.refresh(start);
    world.redisDown = true;
    world.inUse["a"] = 2;
    await assert.rejects(view.refresh(at(9000)), Unavailable);
    assert.deepEqual(namesAt(view, at(LIVENESS_MS)), ["a", "b"], "what MySQL says is new all the same");
    assert.equal(view.isBlind(at(LIVENESS_MS + 1)), true);
    assert.deepEqual(namesAt(view, at(LIVENESS_MS + 1)), []);
    assert.deepEqual(standingAt(view, at(LIVENESS_MS + 1)), { a: "open", b: "open" }, "unknown, not dead");
    world.redisDown = false;
    await view.refresh(at(LIVENESS_MS + 2));
    assert.deepEqual(namesAt(view, at(LIVENESS_MS + 2)), ["a", "b"]);
  });

  it("takes a host that came while Redis did not answer for silent", async () => {
    const { view, world } = fakeFleet({ a: 0 });
    await view.refresh(start);
    world.redisDown = true;
    world.inUse["new"] = 0;
    await assert.rejects(view.refresh(at(1)), Unavailable);
    assert.deepEqual(standingAt(view, at(1)), { a: "open", new: "silent" });
  });

  it("keeps what it saw while MySQL does not answer", async () => {
    const { view, world } = fakeFleet({ a: 0 });
    await view.refresh(start);
    world.mysqlDown = true;
    await assert.rejects(view.refresh(at(1000)), Unavailable);
    assert.deepEqual(namesAt(view, at(1000)), ["a"]);
  });

  it("forgets hosts that MySQL does not name any more", async () => {
    const { view, world } = fakeFleet({ a: 0, b: 0 });
    await view.refresh(start);
    delete world.inUse["a"];
    await view.refresh(at(1));
    assert.deepEqual(standingAt(view, at(1)), { b: "open" });
    for (const act of [view.countTaken, view.countFull, view.countSuccess]) act("a");
    view.backOff("a", at(1));
    assert.deepEqual(standingAt(view, at(1)), { b: "open" });
  });

  it("finds the first host among ten thousand without checking all of them", async () => {
    const { view } = fakeFleet(
      Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`host-${index}`, index % 3])),
    );
    await view.refresh(start);
    const started = performance.now();
    for (let count = 0; count < 1000; count++) view.openHosts(start).next();
    assert.ok(performance.now() - started < 100, "far below what a scan would take");
  });
});
