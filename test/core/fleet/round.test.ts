import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import type { EngineHost } from "../../../apps/core/fleet/host.ts";
import { goRound, takingTurns, type TimeLeft } from "../../../apps/core/fleet/round.ts";
import { reap } from "../../../apps/core/instances/reap.ts";
import { reconcile } from "../../../apps/core/instances/reconcile.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinService, type TwinService } from "../../bed/twin-service.ts";

const LIMITS = { concurrency: 4, hostBudgetMs: 20_000 };

/** Hosts whose heartbeats arrive, and 200 whose heartbeats do not and whose engines do not answer. */
async function open(heard: readonly string[]): Promise<TwinService> {
  const service = createTwinService();
  for (let index = 0; index < 200; index++) {
    const name = `silent-${index}`;
    (await service.addHost(name)).silence = "timeout";
    service.discovery.remove(name);
  }
  for (const name of heard) await service.addHost(name);
  return service;
}

/** Hosts in the order in which a round visits them, each with the time it gets. */
async function visits(service: TwinService): Promise<[name: string, leftMs: number][]> {
  const hosts = (await service.store.hosts.list()).map(({ host }) => host);
  return goRound(service, hosts, LIMITS, (host, timeLeft) => Promise.resolve([host.name, timeLeft()] as const)).then(
    (all) => all.map(([name, leftMs]) => [name, leftMs]),
  );
}

describe("a round of the hosts", () => {
  it("visits those first whose heartbeats arrive, and gives silent ones two seconds", async () => {
    const service = await open(["a", "b", "c"]);
    const all = await visits(service);
    assert.deepEqual(all.slice(0, 3), [
      ["a", 20_000],
      ["b", 20_000],
      ["c", 20_000],
    ]);
    assert.equal(all.length, 203);
    assert.ok(all.slice(3).every(([name, leftMs]) => name.startsWith("silent-") && leftMs === 2_000));
  });

  it("visits all hosts in their time while Redis does not answer: which are silent is unknown", async () => {
    const service = await open(["a"]);
    service.faults.add({ call: "readHeartbeats", fault: () => new Unavailable("redis", new Error("down")) });
    assert.ok((await visits(service)).every(([, leftMs]) => leftMs === 20_000));
  });

  it("visits hosts with the silent ones whose engines did not answer when they were asked last", async () => {
    const service = await open(["a", "b"]);
    const ports = { ...service, store: { droplets: { listUnreached: () => Promise.resolve(["a"]) } } };
    const hosts = (await service.store.hosts.list()).map(({ host }) => host);
    const all = await goRound(ports, hosts, LIMITS, ({ name }, timeLeft) => Promise.resolve([name, timeLeft()]));
    assert.deepEqual(all[0], ["b", 20_000]);
    assert.deepEqual(
      all.find(([name]) => name === "a"),
      ["a", 2_000],
    );
  });

  it("takes eight seconds for 200 hosts that say nothing, after it is through with the others", async () => {
    const service = await open(Array.from({ length: 100 }, (_, index) => `heard-${index}`));
    for (let index = 0; index < 100; index++) service.discovery.beat(`heard-${index}`, {}, 60_000);
    const hosts = (await service.store.hosts.list()).map(({ host }) => host);
    const start = service.clock().getTime();
    const ends = await service.time.run(
      goRound(service, hosts, LIMITS, async ({ name }, timeLeft) => {
        const isSilent = name.startsWith("silent");
        const beganMs = service.clock().getTime() - start;
        await service.time.delay(isSilent ? timeLeft() : 50);
        return { isSilent, beganMs, endedMs: service.clock().getTime() - start };
      }),
    );
    const [heard, silent] = [ends.filter(({ isSilent }) => !isSilent), ends.filter(({ isSilent }) => isSilent)];
    assert.equal(silent.length, 200);
    const heardMs = Math.max(...heard.map(({ endedMs }) => endedMs));
    // A hundred, four at once.
    assert.equal(heardMs, 25 * 50);
    assert.ok(silent.every(({ beganMs }) => beganMs >= heardMs));
    assert.equal(Math.max(...silent.map(({ endedMs }) => endedMs)), heardMs + 8_000);
  });

  it("ends the visit of a host whose time is used up", async () => {
    const service = await open([]);
    await service.addHost("slow");
    const visit = (_host: EngineHost, timeLeft: TimeLeft) => {
      service.time.pass(19_999);
      assert.equal(timeLeft(), 1);
      service.time.pass(1);
      assert.throws(timeLeft, (fault) => fault instanceof EngineFault && fault.reason === "timeout");
      return Promise.resolve();
    };
    const hosts = (await service.store.hosts.list()).map(({ host }) => host);
    await goRound(
      service,
      hosts.filter(({ name }) => name === "slow"),
      LIMITS,
      visit,
    );
  });

  it("visits some of a thousand silent hosts, and within the hour all of them", async () => {
    const hosts = Array.from({ length: 1000 }, (_, index) => ({
      name: `host-${index}`,
      deployment: "d",
      engineUrl: "tcp://nowhere",
    }));
    const seen = new Set<string>();
    for (let minute = 0; minute < 60; minute++) {
      const ports = {
        store: { droplets: { listUnreached: () => Promise.resolve([]) } },
        readHeartbeats: () => Promise.resolve(new Map()),
        clock: () => new Date(minute * 60_000),
      };
      const visited = await goRound(ports, hosts, LIMITS, ({ name }) => Promise.resolve(name));
      assert.ok(visited.length <= 256, String(visited.length));
      for (const name of visited) seen.add(name);
    }
    assert.equal(seen.size, hosts.length);
  });
});

describe("taking turns", () => {
  const minutes = fc.integer({ min: 0, max: 100_000_000 });

  it("keeps each thing, in the same circle", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), minutes, (count, minute) => {
        const things = Array.from({ length: count }, (_, index) => index);
        const turned = takingTurns(things, new Date(minute * 60_000));
        const at = turned.indexOf(0);
        assert.deepEqual([...turned.slice(at), ...turned.slice(0, at)], things);
      }),
    );
  });

  it("lets each of 100 things be among the first four before long", () => {
    fc.assert(
      fc.property(minutes, (start) => {
        const things = Array.from({ length: 100 }, (_, index) => index);
        const first = new Set<number>();
        for (let minute = start; minute < start + 60; minute++)
          for (const thing of takingTurns(things, new Date(minute * 60_000)).slice(0, 4)) first.add(thing);
        assert.equal(first.size, things.length);
      }),
    );
  });
});

describe("jobs with hosts that take long", () => {
  /** A host whose engine takes four seconds for each refusal to remove one of its 50 containers, and another. */
  async function openSlow(state: "ending" | "container-only"): Promise<TwinService> {
    const service = createTwinService();
    await service.addHost("slow", { capacity: 60 });
    await service.addHost("quick");
    for (let index = 0; index < 50; index++) {
      const id = `i${index}`;
      if (state === "ending") await service.addInstance(id, "slow", "ending");
      else service.addContainer(id, "slow");
      service.machine("slow").stubborn.add(id);
    }
    if (state === "ending") await service.addInstance("elsewhere", "quick", "ending");
    else service.addContainer("elsewhere", "quick");
    service.before.set("removeContainer", () => {
      service.time.pass(4_000);
      for (const name of ["slow", "quick"]) service.discovery.beat(name);
    });
    return service;
  }

  it("end a visit of reconcile within the host's time, and tell", async () => {
    const service = await openSlow("container-only");
    const start = service.clock().getTime();
    const { repairs, unseen } = await reconcile(service, { ...LIMITS, concurrency: 1 });
    assert.deepEqual(
      repairs.map(({ instanceId }) => instanceId),
      ["elsewhere"],
    );
    assert.deepEqual(
      unseen.map(({ hostName, fault }) => [hostName, fault.reason]),
      [["slow", "timeout"]],
    );
    assert.ok(service.clock().getTime() - start <= 28_000);
  });

  it("end a visit of the reaper within the host's time, and tell", async () => {
    const service = await openSlow("ending");
    const start = service.clock().getTime();
    const { ended, waiting } = await reap(service, { ...LIMITS, concurrency: 1 });
    assert.equal(ended, 1);
    assert.deepEqual(
      waiting.map(({ hostName, instances }) => [hostName, instances]),
      [["slow", 50]],
    );
    assert.ok(service.clock().getTime() - start <= 40_000);
  });
});
