import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { awaitGateways } from "../../apps/core/edge/await-gateways.ts";
import { createCarrier } from "../../apps/core/edge/carry-routes.ts";
import { PlaneFault } from "../../apps/core/edge/plane-fault.ts";
import type { FleetEvent } from "../../apps/core/events/event.ts";
import { createGateway } from "../../apps/gateway/gateway.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { createTwinGateways, gateway as liveGateway } from "../../apps/twins/gateways.ts";
import { createTwinLeasePlane } from "../../apps/twins/lease-plane.ts";
import { createVirtualTime } from "../../apps/twins/time.ts";
import { createCallFaults } from "../../apps/twins/turns.ts";

const SECOND = 1000;
const TARGET = "10.0.0.1 20000";
const away = (system: "mysql" | "redis") => new Unavailable(system, new Error("gone"));

describe("a gateway", () => {
  const time = createVirtualTime(new Date("2026-11-26T00:00:00Z"));
  const stops: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await time.run(stop());
  });

  /** What gateways share: routes that can be read, Redis, the journal. */
  function world() {
    const faults = createCallFaults();
    const gateways = createTwinGateways({ clock: time.clock, faults });
    const routes = new Map<string, { id: string; address: string; port: number }>();
    const events: FleetEvent[] = [];
    const put = (id: string) => void routes.set(id, { id, address: "10.0.0.1", port: 20_000 });
    const states = async () => (await gateways.membership.list()).map(({ name, state }) => `${name} ${state}`);
    const wait = (id: string, target: string | null, withinMs = 60 * SECOND) =>
      awaitGateways(
        { gateways: gateways.membership, news: gateways.news, delay: time.delay },
        id,
        target,
        time.after(withinMs),
      );
    const kinds = () => events.map(({ kind }) => kind);
    return { faults, gateways, routes, events, put, states, wait, kinds };
  }

  function start(shared: ReturnType<typeof world>, name = "gw-1", clock = time.clock) {
    const faults = createCallFaults();
    const plane = createTwinLeasePlane({ faults });
    const readFaults = createCallFaults();
    let isRunning = true;
    let brought = 0;
    const carrier = createCarrier(
      {
        plane,
        nowMs: () => time.clock().getTime(),
        routes: {
          read: () => {
            const fault = readFaults.strike("read", []);
            if (fault) return Promise.reject(fault.fault());
            return Promise.resolve({ isAll: true, routes: [...shared.routes.values()], gone: [], mark: { at: 0 } });
          },
        },
      },
      { rereadMs: 60 * SECOND },
    );
    const gateway = createGateway(
      {
        carrier,
        plane,
        bringPlane: () =>
          carrier.betweenSteps(() => {
            const fault = faults.strike("bring", []);
            if (fault) return Promise.reject(fault.fault());
            brought++;
            isRunning = true;
            faults.clear();
            return Promise.resolve();
          }),
        isPlaneRunning: () => Promise.resolve(isRunning),
        membership: shared.gateways.membership,
        news: shared.gateways.news,
        events: {
          add: (event) => {
            shared.events.push(event);
            return Promise.resolve();
          },
        },
        clock,
        nowMs: () => time.clock().getTime(),
        pause: (ms, signal) =>
          signal.aborted
            ? Promise.resolve()
            : Promise.race([
                time.delay(ms),
                new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
              ]),
        log: () => undefined,
      },
      {
        name,
        addresses: ["192.0.2.1"],
        machineAddresses: () => ["10.0.0.1"],
        version: "1.2.3",
        beatMs: SECOND,
        lifeMs: 3 * SECOND,
        checkMs: SECOND,
        hungMs: 5 * SECOND,
      },
    );
    const stopping = new AbortController();
    const working = gateway.run(stopping.signal);
    const stop = () => {
      stopping.abort();
      return working;
    };
    stops.push(stop);
    return {
      gateway,
      plane,
      carrier,
      faults,
      readFaults,
      stop,
      brought: () => brought,
      die: () => {
        isRunning = false;
        for (const call of ["readFacts", "readRoutes", "changeRoutes", "swapRoutes", "endSessions"])
          faults.add({ call, fault: () => new PlaneFault("gone") });
      },
    };
  }

  const pass = (ms: number) => time.run(time.delay(ms));

  it("lives once it carries all routes, and tells how many", async () => {
    const shared = world();
    shared.put("a");
    const { plane } = start(shared);
    await pass(2 * SECOND);
    const [one] = await shared.gateways.membership.list();
    assert.deepEqual(one, { ...liveGateway("gw-1"), routes: 1, version: "1.2.3" });
    assert.deepEqual([...plane.carried()], [["a", TARGET]]);
    assert.deepEqual(shared.kinds(), ["gateway-join"]);
  });

  it("tells what its plane has done, and how far it is behind", async () => {
    const shared = world();
    const { plane, readFaults } = start(shared);
    const told = async () => {
      const [one] = await shared.gateways.membership.list();
      assert.ok(one && one.state !== "unreadable");
      return one;
    };
    await pass(2 * SECOND);
    plane.connect("a", () => undefined);
    await pass(2 * SECOND);
    const { figures } = await told();
    assert.equal(figures.accepted, 1);
    assert.ok(figures.lagMs <= SECOND, "it has looked within the last second");
    readFaults.add({ call: "read", fault: () => away("mysql") });
    await pass(2 * SECOND);
    assert.ok((await told()).figures.lagMs >= 2 * SECOND, "it has carried nothing new since");
  });

  it("carries what it is told of at once, and says so", async () => {
    const shared = world();
    start(shared, "gw-1");
    start(shared, "gw-2");
    await pass(2 * SECOND);
    shared.put("a");
    const before = time.clock();
    assert.equal(await time.run(shared.wait("a", TARGET)), 2);
    shared.routes.delete("a");
    assert.equal(await time.run(shared.wait("a", null)), 2);
    assert.ok(time.clock().getTime() - before.getTime() < SECOND, "it waits for no look that comes by itself");
  });

  it("does not live while it cannot read routes, or its plane does not take them on", async () => {
    const shared = world();
    const one = start(shared, "gw-1");
    one.readFaults.add({ fault: () => away("mysql") });
    const other = start(shared, "gw-2");
    shared.put("a");
    other.faults.add({ call: "changeRoutes", fault: () => new PlaneFault("refused") });
    await pass(10 * SECOND);
    assert.deepEqual(await shared.states(), []);
    one.readFaults.clear();
    other.faults.clear();
    await pass(3 * SECOND);
    assert.deepEqual(await shared.states(), ["gw-1 live", "gw-2 live"]);
  });

  it("carries on what it has while routes cannot be read, and is waited for no more until they can", async () => {
    const shared = world();
    shared.put("a");
    const { plane, readFaults } = start(shared);
    await pass(2 * SECOND);
    readFaults.add({ fault: () => away("mysql") });
    shared.put("b");
    assert.equal(await time.run(shared.wait("b", TARGET)), 0);
    assert.deepEqual([...plane.carried().keys()], ["a"]);
    readFaults.clear();
    await pass(3 * SECOND);
    assert.deepEqual(await shared.states(), ["gw-1 live"]);
    assert.deepEqual([...plane.carried().keys()], ["a", "b"]);
    assert.deepEqual(shared.kinds(), ["gateway-join", "gateway-leave", "gateway-join"]);
  });

  it("carries on what it has while Redis is away, and joins again when its life has ended meanwhile", async () => {
    const shared = world();
    shared.put("a");
    const { plane } = start(shared);
    await pass(2 * SECOND);
    shared.faults.add({ fault: () => away("redis") });
    await pass(20 * SECOND);
    shared.put("b");
    await pass(2 * SECOND);
    assert.deepEqual([...plane.carried().keys()], ["a", "b"], "it looks by itself");
    shared.faults.clear();
    await pass(2 * SECOND);
    assert.deepEqual(await shared.states(), ["gw-1 live"]);
    assert.deepEqual(shared.kinds(), ["gateway-join", "gateway-join"]);
  });

  it("is waited for from before its last look on, so that nothing begins in between that it misses", async () => {
    const shared = world();
    const { readFaults } = start(shared);
    // Its look after it has begun to join takes for ever.
    await pass(0);
    readFaults.add({ fault: () => away("mysql") });
    await pass(500);
    const states = await shared.states();
    assert.ok(states.length === 0 || states[0] === "gw-1 joining", states.join());
    readFaults.clear();
    await pass(4 * SECOND);
    assert.deepEqual(await shared.states(), ["gw-1 live"]);
  });

  it("withdraws when its plane does not answer, starts it again once it is gone, and lives again", async () => {
    const shared = world();
    shared.put("a");
    const bed = start(shared);
    await pass(2 * SECOND);
    bed.plane.tamper((table) => table.clear());
    bed.die();
    await pass(1.5 * SECOND);
    assert.equal(bed.brought(), 1);
    await pass(2 * SECOND);
    assert.deepEqual([...bed.plane.carried().keys()], ["a"]);
    assert.deepEqual(await shared.states(), ["gw-1 live"]);
    assert.deepEqual(shared.kinds(), ["gateway-join", "gateway-leave", "plane-start", "gateway-join"]);
  });

  it("gives a plane that hangs its time, and starts it again afterwards", async () => {
    const shared = world();
    const bed = start(shared);
    await pass(2 * SECOND);
    bed.faults.add({ fault: () => new PlaneFault("no answer") });
    await pass(4 * SECOND);
    assert.equal(bed.brought(), 0);
    assert.deepEqual(await shared.states(), []);
    bed.faults.clear();
    await pass(2 * SECOND);
    assert.deepEqual(await shared.states(), ["gw-1 live"]);
    bed.faults.add({ call: "readFacts", fault: () => new PlaneFault("no answer") });
    await pass(7 * SECOND);
    assert.equal(bed.brought(), 1);
  });

  it("tries again with longer and longer rests to start a plane that does not start, and raises an alarm", async () => {
    const shared = world();
    const bed = start(shared);
    await pass(2 * SECOND);
    let tries = 0;
    bed.die();
    bed.faults.clear();
    bed.faults.add({
      call: "bring",
      fault: () => {
        tries++;
        return new PlaneFault("port taken");
      },
    });
    bed.faults.add({ fault: () => new PlaneFault("gone") });
    await pass(60 * SECOND);
    assert.ok(tries >= 4 && tries <= 7, `${tries} tries in a minute`);
    const refused = shared.events.filter(({ kind }) => kind === "configuration-refused");
    assert.ok(refused.length === tries && refused.every(({ alarm }) => alarm === true));
    bed.faults.clear();
    await pass(61 * SECOND);
    assert.deepEqual(await shared.states(), ["gw-1 live"]);
  });

  it("lives, carries and repairs as others do when its clock is wrong, and when that is set right", async () => {
    const shared = world();
    shared.put("a");
    let errorMs = -400 * 86_400_000;
    const bed = start(shared, "gw-1", () => new Date(time.clock().getTime() + errorMs));
    start(shared, "gw-2");
    await pass(2 * SECOND);
    for (errorMs of [errorMs, 0, 400 * 86_400_000]) {
      assert.deepEqual(await shared.states(), ["gw-1 live", "gw-2 live"]);
      const id = `at-${errorMs}`;
      shared.put(id);
      assert.equal(await time.run(shared.wait(id, TARGET)), 2);
      bed.plane.tamper((table) => table.delete("a"));
      await pass(SECOND);
      assert.equal(bed.plane.carried().get("a"), TARGET);
    }
    bed.die();
    await pass(4 * SECOND);
    assert.deepEqual([bed.brought(), await shared.states()], [1, ["gw-1 live", "gw-2 live"]]);
  });

  it("repairs routes that somebody else has changed within a second, and tells of it", async () => {
    const shared = world();
    shared.put("a");
    const { plane } = start(shared);
    await pass(2 * SECOND);
    plane.tamper((table) => table.set("a", "10.66.6.6 1"));
    await pass(SECOND);
    assert.deepEqual([...plane.carried()], [["a", TARGET]]);
    assert.deepEqual(shared.kinds(), ["gateway-join", "routes-repaired"]);
  });

  it("tells of instances that it cannot lead to, and raises an alarm for as long as there are any", async () => {
    const shared = world();
    for (const id of ["a", "b"]) shared.routes.set(id, { id, address: "host-a.internal", port: 20_000 });
    shared.put("c");
    const { plane } = start(shared);
    await pass(2 * SECOND);
    const unroutable = async () => {
      const [one] = await shared.gateways.membership.list();
      assert.ok(one && one.state !== "unreadable");
      return one.unroutable;
    };
    assert.equal(await unroutable(), 2);
    assert.deepEqual([...plane.carried().keys()], ["c"]);
    const told = () => shared.events.filter(({ kind }) => kind === "host-unroutable");
    assert.deepEqual(
      told().map(({ alarm, reason }) => [alarm, reason]),
      [
        [
          true,
          'gw-1 cannot lead to instances (2 now) of the host that is known as "host-a.internal": gateways look up no ' +
            "names. Register the host anew with its IP address",
        ],
      ],
    );
    await pass(61 * SECOND);
    assert.equal(told().length, 2);
    for (const id of ["a", "b"]) shared.put(id);
    await pass(61 * SECOND);
    assert.deepEqual([await unroutable(), told().length], [0, 2]);
  });

  it("says that it drains for as long as it is told to, and carries on", async () => {
    const shared = world();
    const { gateway } = start(shared);
    await pass(2 * SECOND);
    await gateway.drain(true);
    await gateway.drain(true);
    await pass(2 * SECOND);
    assert.deepEqual(await shared.states(), ["gw-1 draining"]);
    shared.put("a");
    assert.equal(await time.run(shared.wait("a", TARGET)), 1);
    await gateway.drain(false);
    await pass(2 * SECOND);
    assert.deepEqual(await shared.states(), ["gw-1 live"]);
    assert.deepEqual(shared.kinds(), ["gateway-join", "gateway-drain", "gateway-drain"]);
  });

  it("withdraws when it is told to stop", async () => {
    const shared = world();
    const { stop } = start(shared);
    await pass(2 * SECOND);
    await time.run(stop());
    assert.deepEqual(await shared.states(), []);
    assert.deepEqual(shared.kinds(), ["gateway-join", "gateway-leave"]);
  });
});
