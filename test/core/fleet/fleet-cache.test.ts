import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFleetCache } from "../../../apps/core/fleet/fleet-cache.ts";
import type { Hosts } from "../../../apps/core/fleet/contract.ts";
import type { HostUse } from "../../../apps/core/fleet/host.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinService } from "../../bed/twin-service.ts";
import { hostNamed } from "./host-named.ts";

const start = new Date("2026-01-01T00:00:00Z");
const at = (ms: number) => new Date(start.getTime() + ms);
const HOUR_MS = 3_600_000;
const LIVENESS_MS = 10_000;
const REREAD_MS = 60_000;
const rules = {
  livenessMaxAgeMs: LIVENESS_MS,
  backoffMs: 15_000,
  rereadMs: REREAD_MS,
  placement: "busiest-first",
} as const;

/** Hosts that beat, by name, with instances in use. */
async function openFleet(inUse: Record<string, number>, capacity = 4) {
  const service = createTwinService({ start });
  for (const [name, used] of Object.entries(inUse)) {
    await service.addHost(name, { capacity });
    service.discovery.beat(name, {}, HOUR_MS);
    for (let index = 0; index < used; index++)
      await service.addInstance(`${name}-${index}`, name, "running", { container: false });
  }
  const ports = { listChanged: service.store.hosts.listChanged, readHeartbeats: service.discovery.readHeartbeats };
  return { service, view: createFleetCache(ports, rules) };
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
      view.countTaken(name, false);
    }
    assert.deepEqual(filled, ["b", "b", "a", "a", "a"]);
    assert.deepEqual(namesAt(view, start), []);
  });

  it("chooses by the end of the lease when told to, and knows of leases that it has placed itself", async () => {
    const { service } = await openFleet({ idle: 0 });
    const ports = { listChanged: service.store.hosts.listChanged, readHeartbeats: service.discovery.readHeartbeats };
    for (const [name, ttlSeconds] of Object.entries({ short: 600, long: 7200 })) {
      await service.addHost(name, { capacity: 3 });
      service.discovery.beat(name, {}, HOUR_MS);
      await service.addInstance(`${name}-0`, name, "running", { container: false, ttlSeconds });
    }
    await service.addInstance("short-1", "short", "running", { container: false, ttlSeconds: 60 });
    const view = createFleetCache(ports, { ...rules, placement: "expiry-aware" });
    await view.refresh(start);
    const namesFor = (seconds: number) => [...view.openHosts(start, at(seconds * 1000))].map(({ name }) => name);
    assert.deepEqual(namesFor(300), ["short", "long", "idle"]);
    assert.deepEqual(namesFor(3600), ["long", "short", "idle"]);
    view.countTaken("short", false, at(9000 * 1000));
    assert.deepEqual(namesFor(8000), ["long", "idle"], "full");
    view.countTaken("idle", false, at(9000 * 1000));
    assert.deepEqual(namesFor(8000), ["idle", "long"]);
  });

  it("prefers a host with a warm instance, but not to one that a lease would keep for hours longer", async () => {
    const { service } = await openFleet({});
    const use = (name: string, warm: number, lastExpirySeconds: number) => ({
      host: hostNamed(name, 4, "active"),
      ...{
        inUse: 1 + warm,
        occupied: 1 + 2 * warm,
        warm,
        lastExpiry: at(lastExpirySeconds * 1000),
        unreachableSince: null,
      },
    });
    for (const name of ["cold", "warm"]) service.discovery.beat(name, {}, HOUR_MS);
    const ports = {
      listChanged: () =>
        Promise.resolve({ hosts: [use("cold", 0, 80_000), use("warm", 1, 40_000)], gone: [], mark: { at: 0 } }),
      readHeartbeats: service.discovery.readHeartbeats,
    };
    const view = createFleetCache(ports, { ...rules, placement: "expiry-aware" });
    await view.refresh(start);
    const nextFor = (seconds: number) => view.nextHost(start, at(seconds * 1000))?.name;
    assert.deepEqual([nextFor(41_000), nextFor(79_000)], ["warm", "cold"]);
    const inOrderFor = (seconds: number) =>
      view.inPlacementOrder(start, at(seconds * 1000)).map(({ host }) => host.name);
    assert.deepEqual([inOrderFor(79_000)[0], inOrderFor(30_000)[0]], ["cold", "warm"]);
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
    service.faults.add({ call: "hosts.listChanged", fault: () => new Unavailable("mysql", new Error("down")) });
    await assert.rejects(view.refresh(at(1000)), Unavailable);
    assert.deepEqual(namesAt(view, at(1000)), ["a"]);
  });

  it("forgets hosts that MySQL does not name any more", async () => {
    const { view, service } = await openFleet({ a: 0, b: 0 });
    await view.refresh(start);
    service.tables.hosts.delete("a");
    await view.refresh(at(1));
    assert.deepEqual(standingAt(view, at(1)), { b: "open" });
    view.countTaken("a", false);
    for (const act of [view.countFull, view.countSuccess]) act("a");
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
    const listChanged: Hosts["listChanged"] = async (mark, named) => {
      const changes = await service.store.hosts.listChanged(mark, named);
      return { ...changes, hosts: changes.hosts.map(watched) };
    };
    const view = createFleetCache({ listChanged, readHeartbeats: service.discovery.readHeartbeats }, rules);
    await view.refresh(start);
    checked.clear();
    view.openHosts(start).next();
    // The first by name of those with two instances. Its state was looked at when it was read.
    assert.equal(view.openHosts(start).next().value?.name, "host-1001");
    assert.deepEqual([...checked], []);
  });

  it("reads of the hosts those that have changed, and all again after a while", async () => {
    const { service } = await openFleet({ a: 0, b: 1, c: 2 });
    const read: string[][] = [];
    const listChanged: Hosts["listChanged"] = async (mark, named) => {
      const changes = await service.store.hosts.listChanged(mark, named);
      read.push([mark ? "changed" : "all", ...changes.hosts.map(({ host }) => host.name)]);
      return changes;
    };
    const view = createFleetCache({ listChanged, readHeartbeats: service.discovery.readHeartbeats }, rules);
    await view.refresh(start);
    await view.refresh(at(1000));
    await service.addInstance("one", "a", "running");
    await view.refresh(at(2000));
    await view.refresh(at(REREAD_MS));
    assert.deepEqual(read, [["all", "a", "b", "c"], ["changed"], ["changed", "a"], ["all", "a", "b", "c"]]);
  });

  it("finds a change that was missed once all hosts are read again", async () => {
    const { service } = await openFleet({ a: 0, b: 1, c: 2 });
    const listChanged: Hosts["listChanged"] = async (mark, named) => {
      const changes = await service.store.hosts.listChanged(mark, named);
      return mark ? { ...changes, hosts: [], gone: [] } : changes;
    };
    const view = createFleetCache({ listChanged, readHeartbeats: service.discovery.readHeartbeats }, rules);
    await view.refresh(start);
    service.tables.hosts.delete("b");
    await service.addHost("d");
    service.discovery.beat("d", {}, HOUR_MS);
    await view.refresh(at(1000));
    assert.deepEqual(namesAt(view, at(1000)), ["c", "b", "a"]);
    await view.refresh(at(REREAD_MS));
    assert.deepEqual(namesAt(view, at(REREAD_MS)), ["c", "a", "d"]);
  });

  it("tells the room of hosts as they come, fill, fall silent and go as if it counted them anew", async () => {
    const { view, service } = await openFleet({ a: 1, b: 4, c: 0 });
    await view.refresh(start);
    assert.deepEqual(view.room(), { hosts: 3, capacity: 12, occupied: 5 });
    view.countTaken("a", false);
    view.countFull("c");
    assert.deepEqual(view.room(), { hosts: 3, capacity: 12, occupied: 10 });
    service.discovery.remove("b");
    await view.refresh(at(1000));
    assert.deepEqual(
      view.room(),
      { hosts: 3, capacity: 8, occupied: 1 },
      "what was counted ahead came to nothing on a and c",
    );
    await service.store.hosts.setState("a", "cordoned");
    service.tables.hosts.delete("c");
    service.discovery.beat("b");
    await view.refresh(at(2000));
    assert.deepEqual(view.room(), { hosts: 2, capacity: 4, occupied: 4 });
  });

  describe("with instances that are ready", () => {
    /** Makes so many of a host's instances warm, as the next reading shows them. */
    const warmed = async (inUse: Record<string, number>, warm: Record<string, number>) => {
      const { service } = await openFleet(inUse);
      const listChanged: Hosts["listChanged"] = async (mark, named) => {
        const changes = await service.store.hosts.listChanged(mark, named);
        const hosts = changes.hosts.map((use) => {
          const ready = warm[use.host.name] ?? 0;
          return { ...use, warm: ready, occupied: use.occupied + ready };
        });
        return { ...changes, hosts };
      };
      const view = createFleetCache({ listChanged, readHeartbeats: service.discovery.readHeartbeats }, rules);
      await view.refresh(start);
      return view;
    };

    it("goes to the first host that has one and is in use, else to the first, and leaves standbys alone", async () => {
      const busy = await warmed({ a: 3, b: 2, c: 1, d: 0 }, { c: 2, d: 2 });
      assert.equal(busy.nextHost(start)?.name, "c");
      const onStandby = await warmed({ a: 3, d: 0 }, { d: 2 });
      assert.equal(onStandby.nextHost(start)?.name, "a");
      const onFirst = await warmed({ a: 3, b: 2 }, { a: 1, b: 1 });
      assert.equal(onFirst.nextHost(start)?.name, "a");
    });

    it("counts them as room, and none as use: a host that has nothing else is a standby", async () => {
      const view = await warmed({ a: 2, d: 0 }, { a: 2, d: 4 });
      assert.deepEqual(standingAt(view, start), { a: "open", d: "open" });
      assert.deepEqual(view.room(), { hosts: 2, capacity: 8, occupied: 2 });
      assert.equal(view.countTaken("d", true), true, "it was empty");
      assert.deepEqual(
        view
          .inPlacementOrder(start, start)
          .map(({ host, inUse, warm, occupied }) => [host.name, inUse, warm, occupied]),
        [
          ["a", 2, 2, 4],
          ["d", 1, 3, 4],
        ],
      );
    });
  });

  describe("with two thousand hosts", () => {
    /** A fleet that beats every four seconds, as hosts do, each at a moment of its own. */
    async function openLarge() {
      const service = createTwinService({ start });
      const names = Array.from({ length: 2000 }, (_, index) => `host-${index}`);
      for (const name of names) await service.addHost(name);
      const silent = new Set<string>();
      const read: string[][] = [];
      const view = createFleetCache(
        {
          listChanged: service.store.hosts.listChanged,
          readHeartbeats: (asked) => {
            read.push([...asked]);
            return service.discovery.readHeartbeats(asked);
          },
        },
        rules,
      );
      const passSecond = async () => {
        service.time.pass(1000);
        const second = service.clock().getTime() / 1000;
        for (const [index, name] of names.entries())
          if (!silent.has(name) && (second + index) % 4 === 0) service.discovery.beat(name);
        await view.refresh(service.clock());
      };
      await view.refresh(service.clock());
      return { service, view, read, silent, passSecond };
    }

    it("reads a share of the heartbeats at a time, and each within half of their greatest age", async () => {
      const { service, read, passSecond } = await openLarge();
      const readAt = new Map<string, number>();
      let longestMs = 0;
      for (let second = 0; second < 20; second++) {
        await passSecond();
        for (const name of read.at(-1) ?? []) {
          longestMs = Math.max(longestMs, service.clock().getTime() - (readAt.get(name) ?? start.getTime()));
          readAt.set(name, service.clock().getTime());
        }
      }
      assert.equal(readAt.size, 2000);
      assert.ok(longestMs <= LIVENESS_MS / 2, String(longestMs));
      assert.ok(Math.max(...read.slice(1).map(({ length }) => length)) < 500, "a fifth, and the next hosts");
    });

    it("knows of a silence as soon as the host's key is over, as if it read all keys", async () => {
      const { service, view, silent, passSecond } = await openLarge();
      for (let second = 0; second < 7; second++) await passSecond();
      for (let index = 0; index < 2000; index += 7) silent.add(`host-${index}`);
      for (let second = 0; second < 12; second++) {
        await passSecond();
        const seen = standingAt(view, service.clock());
        const alive = await service.discovery.readHeartbeats(Object.keys(seen));
        for (const [name, standing] of Object.entries(seen)) assert.equal(standing === "open", alive.has(name), name);
      }
    });

    it("takes no host whose heartbeat it has read too long ago while Redis does not answer", async () => {
      const { service, view, passSecond } = await openLarge();
      for (let second = 0; second < 7; second++) await passSecond();
      const wentAt = service.clock().getTime();
      service.faults.add({ call: "readHeartbeats", fault: () => new Unavailable("redis", new Error("down")) });
      let open = 2000;
      for (let second = 1; second <= 11; second++) {
        await assert.rejects(passSecond(), Unavailable);
        const now = service.clock();
        const names = namesAt(view, now);
        assert.ok(names.length <= open);
        open = names.length;
        if (now.getTime() - wentAt <= LIVENESS_MS / 2) assert.equal(open, 2000);
        if (now.getTime() - wentAt <= LIVENESS_MS) assert.ok(open > 0, "the next hosts are read each time");
      }
      assert.equal(open, 0);
      assert.ok(Object.values(standingAt(view, service.clock())).every((standing) => standing === "open"));
    });
  });
});
