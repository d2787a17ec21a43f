import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { admitHosts } from "../../../apps/core/fleet/admit-hosts.ts";
import { CloudFault } from "../../../apps/core/fleet/cloud.ts";
import { scaleFleet, type ScalePorts } from "../../../apps/core/fleet/scale-fleet.ts";
import { SCALING } from "../../../apps/core/fleet/scaling.ts";
import { fleetPlan } from "../../../apps/core/settings/fleet.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinCloud } from "../../../apps/twins/cloud.ts";
import { createTwinDiscovery } from "../../../apps/twins/discovery.ts";
import { createTwinEngines } from "../../../apps/twins/engines.ts";
import { createTwinLeadership } from "../../../apps/twins/leadership.ts";
import { createTwinStore } from "../../../apps/twins/store/index.ts";
import { createTables } from "../../../apps/twins/store/tables.ts";
import { createVirtualTime } from "../../../apps/twins/time.ts";
import { fleetEnv, names, passingFaults, useFleet, type FleetBed } from "../../scenarios/fleet.ts";

const ENGINE_PORT = 2376;
const HOUR_MS = 3_600_000;

/** A fleet in memory, in virtual time. */
async function openFleet(): Promise<FleetBed> {
  const time = createVirtualTime(new Date("2026-01-01T00:00:00Z"));
  const tables = createTables();
  const store = createTwinStore(tables);
  const term = (await createTwinLeadership(tables, SCALING).term()) ?? assert.fail("nobody else leads");
  const cloud = createTwinCloud({ clock: time.clock, times: { activeMs: 1, tagLagMs: 1, deleteMs: 1 } });
  const engines = createTwinEngines({ image: "redis" });
  const discovery = createTwinDiscovery({ clock: time.clock });
  const { fleet: rules } = loadSettings(fleetEnv);
  let tokens = 0;
  const booted = () => cloud.droplets().filter(({ boots, status }) => boots && status === "active");
  return {
    store,
    term,
    scale: {
      cloud,
      store,
      engines,
      readHeartbeats: discovery.readHeartbeats,
      clock: time.clock,
      plan: fleetPlan(rules, tables.deployment),
      rules,
      token: () => `token ${++tokens}`,
      userData: (name) => `#!/bin/sh\n# ${name}\n`,
    },
    admit: {
      store,
      readHeartbeats: discovery.readHeartbeats,
      cloud,
      engines,
      clock: time.clock,
      // Two slots for each of the droplets, which have a gigabyte.
      hosts: {
        deployment: tables.deployment,
        capacityOf: (memoryMb) => memoryMb / 512,
        basePort: 20_000,
        enginePort: ENGINE_PORT,
      },
    },
    cloud: {
      droplets: cloud.droplets,
      booted: () => names(booted()),
      everMade: cloud.everMade,
      add: cloud.add,
      vanish: cloud.vanish,
      settle: () => {
        time.pass(10);
        for (const { privateIp } of booted()) engines.add(`https://${privateIp}:${ENGINE_PORT}`, privateIp ?? "");
        return Promise.resolve();
      },
      addFault: cloud.faults.add,
      clearFaults: cloud.faults.clear,
      hits: () => cloud.faults.list().map(({ hits }) => hits),
    },
    beat: (name) => discovery.beat(name, {}, HOUR_MS),
    still: discovery.remove,
    clock: time.clock,
    pass: (seconds) => time.pass(seconds * 1000),
    close: () => Promise.resolve(),
  };
}

/** The fleet's decisions on twins: an active droplet sends heartbeats when the test lets it boot. */
describe("scaling the fleet", () => {
  const { fleet, silent, beatAll, step, settle, ours, take, end, hostNames, assertAtRest, ...lives } =
    useFleet(openFleet);
  const { liveWholeLife, liveWith, killEverywhere } = lives;

  it("lives a whole life: one standby, more as it fills, back to one, never above the cap", liveWholeLife);

  it("keeps every decision with its reason", async () => {
    await settle();
    const [name = ""] = await hostNames();
    await end(await take(name));
    const events = (await fleet().store.events.list({}, 50))
      .reverse()
      .map(({ actor, kind, host }) => [actor, kind, host]);
    assert.deepEqual(events, [
      ["scale", "order", name],
      ["admit", "join", name],
    ]);
    const [join, order] = await fleet().store.events.list({}, 50);
    assert.ok([join, order].every((event) => event && event.reason.length > 10));
    assert.deepEqual(order?.data, { size: "s-1vcpu-1gb" });
    assert.ok(join?.kind === "join" && join.data);
    assert.equal(join.reason, `a host ${join.data.secondsAfterOrder.toFixed(1)} s after its order`);
  });

  it("gives each host as many slots as the memory of its droplet holds", async () => {
    await settle();
    const [first] = await fleet().store.hosts.list();
    assert.equal(first?.host.capacity, 2);
  });

  it("destroys the host that the operator names, its leases lost when asked so, and goes on by itself", async () => {
    await settle();
    const [name = ""] = await hostNames();
    const id = await take(name);
    assert.deepEqual(await fleet().store.destroyRequests.add(name, "none", fleet().clock()), {
      kind: "leased",
      leases: 1,
    });
    assert.deepEqual(await fleet().store.destroyRequests.add(name, "lost", fleet().clock()), { kind: "requested" });
    await settle();
    await assertAtRest();
    assert.ok(!(await hostNames()).includes(name) && !names(ours()).includes(name));
    assert.equal((await fleet().store.leases.find(id))?.endCause, "lost");
    assert.ok(
      (await fleet().store.events.list({ host: name, kind: "destroy" }, 5)).some(
        ({ actor, reason }) => actor === "scale" && reason === "asked for by the operator",
      ),
    );
  });

  it("begins nothing but destroy requests while the operator pauses it, and finishes what has begun", async () => {
    await settle();
    const [name = ""] = await hostNames();
    await fleet().store.switches.set("scaling", true, fleet().clock());
    assert.deepEqual(await fleet().store.destroyRequests.add(name, "none", fleet().clock()), { kind: "requested" });
    for (let count = 0; count < 10; count++) {
      await step();
      fleet().pass(20);
    }
    assert.deepEqual([names(ours()), await hostNames()], [[], []], "gone, and no other in its place");
    const [hold] = await fleet().store.events.list({ kind: "hold" }, 1);
    assert.deepEqual([hold?.reason, (hold?.times ?? 0) > 5], ["paused by the operator", true]);
    await fleet().store.switches.set("scaling", false, fleet().clock());
    await settle();
    await assertAtRest();
  });

  it("never touches a droplet without our tag, and sweeps one with it that nobody tracks", async () => {
    await settle();
    const others = [
      fleet().cloud.add({ name: "somebody-elses", tags: ["web"] }),
      fleet().cloud.add({ name: "untagged", tags: [] }),
    ];
    const orphan = fleet().cloud.add({ name: "orphan", tags: [fleet().scale.plan.tag] });
    await step();
    assert.ok(
      fleet()
        .cloud.droplets()
        .some(({ id }) => id === orphan.id),
      "a young one may be an order's",
    );
    fleet().pass(601);
    await settle();
    assert.deepEqual(
      fleet()
        .cloud.droplets()
        .filter(({ id }) => id === orphan.id),
      [],
    );
    for (const { id } of others)
      assert.ok(
        fleet()
          .cloud.droplets()
          .some((droplet) => droplet.id === id),
      );
    await assertAtRest();
  });

  describe("recovers by itself from", () => {
    for (const [name, faults] of Object.entries(passingFaults)) {
      it(name, async () => {
        await liveWith(faults);
        assert.ok(
          fleet()
            .cloud.hits()
            .every((hits) => hits > 0),
          "the fault has happened",
        );
      });
    }

    it("all of them together", () =>
      liveWith(Object.values(passingFaults).flatMap((faults) => faults.map((each) => ({ times: 4, ...each })))));
  });

  it("holds everything while the cloud, or Redis, does not answer, and says so once", async () => {
    await settle();
    const [name = ""] = await hostNames();
    await take(name);
    fleet().cloud.addFault({ kind: "server-error" });
    for (let count = 0; count < 3; count++)
      assert.deepEqual(
        (await step()).map(({ kind }) => kind),
        ["hold"],
      );
    fleet().cloud.clearFaults();
    const blind: ScalePorts = {
      ...fleet().scale,
      readHeartbeats: () => Promise.reject(new Unavailable("redis", new Error("gone"))),
    };
    assert.deepEqual(
      (await scaleFleet(blind, fleet().term)).map(({ kind }) => kind),
      ["hold"],
    );
    const holds = await fleet().store.events.list({ kind: "hold" }, 10);
    assert.deepEqual(
      holds.map(({ times, alarm }) => [times, alarm]),
      [
        [1, true],
        [3, true],
      ],
    );
    assert.equal(ours().length, 1);
  });

  it("closes an order whose user-data cannot be made, and says why", async () => {
    const broken: ScalePorts = { ...fleet().scale, userData: () => assert.fail("user-data is too long") };
    await assert.rejects(step(broken), /too long/);
    assert.deepEqual(await fleet().store.droplets.list(), []);
    assert.match((await fleet().store.events.list({ kind: "order-refused" }, 1))[0]?.reason ?? "", /too long/);
    fleet().pass(10);
    await settle();
    await assertAtRest();
  });

  it("orders several at once while many come, and none more once one is refused", async () => {
    await settle();
    const [first = ""] = await hostNames();
    const many = { countHandedOut: () => Promise.resolve({ all: 600 }) };
    const { scale } = fleet();
    const busy: ScalePorts = {
      ...scale,
      store: { ...scale.store, warmPool: many },
      rules: { ...scale.rules, cap: 100, ordersPerRun: 4 },
    };
    await take(first);
    fleet().cloud.addFault({ kind: "droplet-limit", times: 1 });
    const orders = async () => (await step(busy)).filter(({ kind }) => kind === "order").length;
    assert.equal(await orders(), 4);
    assert.equal((await fleet().store.events.list({ kind: "order-refused" }, 9)).length, 1);
    assert.equal(ours().length, 1, "none of the others was tried");
    fleet().pass(3600);
    assert.equal(await orders(), 1, "one tries whether the next ones would go through");
    await fleet().cloud.settle();
    await settle();
    assert.equal(await orders(), 4);
  });

  it("deletes what it made for an order that another leader has given up while it slept", async () => {
    const { scale, store, clock } = fleet();
    const slow: ScalePorts = {
      ...scale,
      cloud: {
        ...scale.cloud,
        createDroplet: async (order) => {
          const made = await scale.cloud.createDroplet(order);
          await store.droplets.closeOrder(order.name, "no droplet of this name", false, clock());
          return made;
        },
      },
    };
    await step(slow);
    await fleet().cloud.settle();
    assert.deepEqual([names(ours()), await store.droplets.list()], [[], []]);
    fleet().pass(10);
    await settle();
    await assertAtRest();
  });

  it("says that such a droplet could not be deleted, not that its order was refused", async () => {
    const { scale, store, clock } = fleet();
    const slow: ScalePorts = {
      ...scale,
      cloud: {
        ...scale.cloud,
        createDroplet: async (order) => {
          const made = await scale.cloud.createDroplet(order);
          await store.droplets.closeOrder(order.name, "no droplet of this name", false, clock());
          return made;
        },
        deleteDroplet: () => Promise.reject(new CloudFault("rate-limited", "none", "too many requests")),
      },
    };
    await step(slow);
    const kinds = (await store.events.list({}, 100)).map(({ kind }) => kind);
    assert.deepEqual(kinds, ["delete-failed", "order"]);
    await fleet().cloud.settle();
    fleet().pass(10);
    await settle();
    await assertAtRest();
  });

  it("destroys nothing when all heartbeats are lost at once, however long", async () => {
    await settle();
    const [first = ""] = await hostNames();
    await take(first);
    await settle();
    const before = names(ours());
    for (const name of await hostNames()) silent.add(name);
    for (let count = 0; count < 5; count++) {
      assert.deepEqual(
        (await step()).map(({ kind }) => kind),
        ["hold"],
      );
      fleet().pass(1900);
    }
    assert.deepEqual(names(ours()), before);
    silent.clear();
    await settle();
    assert.deepEqual(names(ours()), before);
  });

  it("closes a host whose droplet somebody has deleted, marks its leases as lost, and replaces it", async () => {
    await settle();
    const [first = ""] = await hostNames();
    const lease = await take(first);
    await settle();
    fleet().cloud.vanish(first);
    await settle();
    const lost = await fleet().store.leases.find(lease);
    assert.deepEqual([lost?.state, lost?.endCause], ["ended", "lost"]);
    assert.ok(!(await hostNames()).includes(first));
    await assertAtRest();
  });

  it("does not take another account's token for the end of the fleet: hosts with heartbeats are not gone", async () => {
    await settle();
    const [first = ""] = await hostNames();
    const lease = await take(first);
    await settle();
    const before = (await fleet().store.droplets.list()).map(({ name, state }) => [name, state]);
    const another = createTwinCloud({ clock: fleet().clock });
    await beatAll();
    for (let count = 0; count < 3; count++)
      assert.deepEqual(
        (await scaleFleet({ ...fleet().scale, cloud: another }, fleet().term)).map(({ kind }) => kind),
        ["hold"],
      );
    assert.deepEqual(another.everMade(), []);
    assert.deepEqual(
      (await fleet().store.droplets.list()).map(({ name, state }) => [name, state]),
      before,
    );
    assert.equal((await fleet().store.leases.find(lease))?.state, "running");
  });

  it("does not count the time in which it was blind as silence of the hosts", async () => {
    await settle();
    const [first = ""] = await hostNames();
    await take(first);
    await settle();
    for (const name of await hostNames()) silent.add(name);
    await step();
    fleet().pass(1900);
    await step();
    silent.delete(first);
    await step();
    assert.equal(ours().length, 2, "the other one is heard a moment later");
    silent.clear();
    await settle();
    assert.equal(ours().length, 2);
  });

  it("replaces an empty host whose heartbeat arrives but which is out of reach, and keeps the good one", async () => {
    await settle();
    const [broken = ""] = await hostNames();
    await fleet().store.droplets.keepReachability([], [broken], fleet().clock());
    for (let count = 0; count < 8; count++) {
      await step();
      fleet().pass(20);
    }
    assert.equal((await hostNames()).length, 2, "another standby beside it");
    fleet().pass(1900);
    await settle();
    assert.ok(!(await hostNames()).includes(broken));
    await assertAtRest();
  });

  it("lets no droplet become or stay a host that has a destroy request", async () => {
    await step();
    const [ordered] = await fleet().store.droplets.list();
    assert.equal(
      (await fleet().store.destroyRequests.add(ordered?.name ?? "", "none", fleet().clock())).kind,
      "requested",
    );
    await beatAll();
    assert.deepEqual(await admitHosts(fleet().admit, 4), [], "it is booted, and not admitted");
    await settle();
    assert.ok(!(await hostNames()).includes(ordered?.name ?? ""));
    const [name = ""] = await hostNames();
    assert.equal((await fleet().store.destroyRequests.add(name, "lost", fleet().clock())).kind, "requested");
    assert.equal(await fleet().store.hosts.setState(name, "active"), false, "it takes no lease that would go with it");
    await settle();
    assert.ok(!(await hostNames()).includes(name));
    await assertAtRest();
  });

  it("sweeps all orphans at once, however many", async () => {
    for (let number = 0; number < 450; number++)
      fleet().cloud.add({ name: `orphan-${number}`, tags: [fleet().scale.plan.tag] });
    fleet().pass(60);
    const rules = { ...fleet().scale.rules, cap: 1000, orphanAgeMs: 0 };
    const actions = await scaleFleet({ ...fleet().scale, rules }, fleet().term);
    assert.equal(actions.filter(({ kind }) => kind === "sweep").length, 450);
    await fleet().cloud.settle();
    assert.deepEqual(
      ours().filter(({ name }) => name.startsWith("orphan")),
      [],
    );
  });

  describe("killed before or after any call it makes", () => {
    const surplus = async () => {
      await settle();
      const [first = ""] = await hostNames();
      const lease = await take(first);
      await settle();
      await end(lease);
    };

    it("an order leaves one droplet or none, and the next step makes it one", () =>
      killEverywhere(() => Promise.resolve(), "order"));

    it("an order whose answer was lost is adopted all the same", () =>
      killEverywhere(async () => {
        fleet().cloud.addFault({ kind: "answer-lost", times: 1, call: "createDroplet" });
        await step();
      }, "adopt"));

    it("a drain is begun or not, and ends with one standby", () => killEverywhere(surplus, "drain"));

    it("a destruction goes on", () =>
      killEverywhere(async () => {
        await surplus();
        await step();
      }, "destroy"));

    it("a sweep goes on", () =>
      killEverywhere(async () => {
        await settle();
        fleet().cloud.add({ name: "orphan", tags: [fleet().scale.plan.tag] });
        fleet().pass(700);
      }, "sweep"));

    it("the end of a droplet that is gone is closed once", () =>
      killEverywhere(async () => {
        await settle();
        const [first = ""] = await hostNames();
        await take(first);
        fleet().cloud.vanish(first);
      }, "close"));
  });
});
