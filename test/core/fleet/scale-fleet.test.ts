import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { admitHosts, type AdmitPorts } from "../../../apps/core/fleet/admit-hosts.ts";
import { scaleFleet, type ScalePorts } from "../../../apps/core/fleet/scale-fleet.ts";
import { createDigitalOceanCloud, type CloudCall } from "../../../apps/adapters/digitalocean/index.ts";
import { SCALING } from "../../../apps/core/fleet/scaling.ts";
import { createMysqlStore } from "../../../apps/adapters/mysql/index.ts";
import type { Store } from "../../../apps/core/store.ts";
import { createLeadership } from "../../../apps/adapters/mysql/leadership.ts";
import { migrate } from "../../../apps/adapters/mysql/migrations.ts";
import { createRedisDiscovery, openRedis } from "../../../apps/adapters/redis/discovery.ts";
import { fleetPlan } from "../../../apps/core/settings/fleet.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import type { ScalingAction } from "../../../apps/core/fleet/scaling.ts";
import { startDigitalOcean, type LabCloud } from "../../../infra/lab/digitalocean/index.ts";
import type { FaultRule } from "../../../infra/lab/digitalocean/faults.ts";
import type { Machines } from "../../../infra/lab/digitalocean/machines.ts";
import { crashAt, moments } from "../../bed/crash.ts";
import { createDatabase, startServices, type Services } from "../../bed/services.ts";

const TOKEN = "dop_v1_0123456789abcdef";
const CAP = 4;
/** More calls than any step here makes. */
const MOST_CALLS = 60;
/** Some hours of 20 s steps: back-off after failures doubles. */
const MOST_STEPS = 600;

/**
 * The fleet's decisions on a real MySQL, a real Redis and the cloud's real protocol; only machines are
 * missing: a droplet that is active beats when the test lets it boot.
 */
describe("scaling the fleet", () => {
  let services: Services;
  before(async () => {
    services = await startServices();
  });
  after(() => services.stop());

  let cloud: LabCloud;
  let store: Store;
  let fleet: Awaited<ReturnType<typeof openFleet>>;
  beforeEach(async () => {
    fleet = await openFleet();
    ({ cloud, store } = fleet);
  });
  afterEach(() => fleet.close());

  async function openFleet() {
    const url = await createDatabase(services.mysqlUrl);
    await migrate(url);
    const store = createMysqlStore(url);
    const built = new Set<string>();
    const nothing = () => Promise.resolve();
    const machines: Machines = {
      build: ({ name }) => {
        built.add(name);
        return Promise.resolve({ publicIp: "203.0.113.1", privateIp: "10.135.0.1" });
      },
      destroy: nothing,
      powerOff: nothing,
      powerOn: nothing,
    };
    const cloud = await startDigitalOcean({
      token: TOKEN,
      machines,
      times: { activeMs: 1, tagLagMs: 1, deleteMs: 1 },
      limits: { perMinute: 100_000, perHour: 100_000 },
    });
    const redis = openRedis(services.redisUrl, () => undefined);
    await new Promise((resolve) => redis.once("ready", resolve));
    const { readHeartbeats } = createRedisDiscovery(redis);
    const leadership = createLeadership(url, SCALING);
    const term = (await leadership.term()) ?? assert.fail("nobody else leads");
    const deployment = await store.hosts.readDeployment();
    const settings = loadSettings({
      DROPLET_CAP: String(CAP),
      DROPLET_SIZES: "s-1vcpu-1gb,s-1vcpu-2gb",
      SURPLUS_SECONDS: "60",
      ORDER_BACKOFF_SECONDS: "5",
    });
    let aheadMs = 0;
    const clock = () => new Date(Date.now() + aheadMs);
    const calls: CloudCall[] = [];
    const adapter = createDigitalOceanCloud({
      token: TOKEN,
      url: cloud.url,
      timeoutMs: 300,
      delay: () => Promise.resolve(),
      onCall: (call) => calls.push(call),
    });
    const plan = fleetPlan(settings.fleet, deployment);
    const scale: ScalePorts = {
      cloud: adapter,
      store,
      engines: { listContainers: () => Promise.resolve([]) },
      readHeartbeats,
      clock,
      plan,
      rules: settings.fleet,
      token: () => randomBytes(16).toString("hex"),
      userData: (name) => `#!/bin/sh\n# ${name}\n`,
    };
    const admit: AdmitPorts = {
      store,
      readHeartbeats,
      cloud: adapter,
      engines: { ping: () => Promise.resolve(), ensureImage: () => Promise.resolve() },
      clock,
      hosts: { deployment, capacity: 2, basePort: 20_000, enginePort: 2376 },
    };
    const silent = new Set<string>();
    const beat = async (name: string) =>
      redis.set(
        `host:${name}`,
        JSON.stringify({
          name,
          publicIp: "192.0.2.1",
          privateIp: "10.0.0.1",
          dockerPort: 2376,
          containers: 0,
          memAvailableMb: 100,
          sentAt: new Date().toISOString(),
        }),
        "EX",
        3600,
      );
    const still = (name: string) => redis.del(`host:${name}`);
    /** Lets every heart beat that can: of droplets that the cloud has, that are on, and that the test has not silenced. */
    const beatAll = async () => {
      const existing = new Set(
        cloud
          .droplets()
          .filter(({ name, status }) => status === "active" && built.has(name))
          .map(({ name }) => name),
      );
      for (const { name } of await store.droplets.list())
        await (existing.has(name) && !silent.has(name) ? beat(name) : still(name));
    };
    return {
      cloud,
      store,
      scale,
      admit,
      term,
      calls,
      silent,
      pass: (seconds: number) => (aheadMs += seconds * 1000),
      clock,
      beatAll,
      /** One step of the fleet; `ports` may be a process that dies. */
      step: async (ports: ScalePorts = scale): Promise<ScalingAction[]> => {
        await cloud.settle();
        await beatAll();
        await admitHosts(admit, 4);
        return scaleFleet(ports, term);
      },
      close: async () => {
        await leadership.resign();
        redis.disconnect();
        await store.disconnect();
        await cloud.stop();
      },
    };
  }

  /** Steps, some seconds apart, until nothing is decided for longer than any timer runs; checks the cap at each. */
  const settle = async (): Promise<void> => {
    for (let step = 0, quiet = 0; step < MOST_STEPS; step++) {
      const actions = await fleet.step();
      assert.ok(ours().length <= CAP, `${ours().length} droplets, ${CAP} allowed`);
      const states = (await store.droplets.list()).map(({ state }) => state);
      const isQuiet =
        actions.length === 0 && states.every((state) => state === "joined") && ours().length === states.length;
      quiet = isQuiet ? quiet + 1 : 0;
      if (quiet === 5) return;
      fleet.pass(20);
    }
    assert.fail(`not at rest after ${MOST_STEPS} steps: ${JSON.stringify(await store.events.list({}, 10))}`);
  };
  const ours = () => cloud.droplets().filter(({ tags }) => tags.includes(fleet.scale.plan.tag));
  const names = (droplets: readonly { name: string }[]) => droplets.map(({ name }) => name).sort();
  const take = async (hostName: string): Promise<string> => {
    const id = randomBytes(8).toString("hex");
    const now = fleet.clock();
    const draft = {
      id,
      address: `198.51.100.${randomBytes(1)[0] ?? 0}`,
      tokenHash: randomBytes(32),
      createdAt: now,
      deadline: new Date(now.getTime() + 30_000),
      latestEnd: new Date(now.getTime() + 86_400_000),
    };
    assert.equal((await store.handouts.takeSlot(draft, hostName, 100, undefined)).kind, "taken");
    assert.ok(await store.handouts.complete(id, new Date(now.getTime() + 86_000_000), now, undefined));
    return id;
  };
  const end = async (id: string) => {
    await store.leases.beginEnd(id, "owner", fleet.clock());
    await store.leases.close(id, fleet.clock());
  };
  const hostNames = async () => (await store.hosts.list()).map(({ host }) => host.name).sort();

  /** Exactly one empty host, every droplet of ours tracked, every row with its droplet. */
  const assertAtRest = async () => {
    const hosts = await store.hosts.list();
    assert.equal(
      hosts.filter(({ inUse, host }) => inUse === 0 && host.state === "active").length,
      1,
      "exactly one standby",
    );
    assert.deepEqual(
      names(ours()),
      names(await store.droplets.list()),
      "each droplet has its row, and each row its droplet",
    );
    assert.equal(new Set(names(cloud.everMade())).size, cloud.everMade().length, "no order has made two droplets");
  };

  it("lives a whole life: one standby, more as it fills, back to one, never above the cap", async () => {
    await settle();
    await assertAtRest();
    const [first = ""] = await hostNames();
    const leases = [await take(first)];
    await settle();
    await assertAtRest();
    assert.equal((await hostNames()).length, 2);
    for (const name of (await hostNames()).slice(1)) leases.push(await take(name));
    await settle();
    for (const { host, inUse } of await store.hosts.list()) if (inUse === 0) leases.push(await take(host.name));
    await settle();
    for (const { host, inUse } of await store.hosts.list()) if (inUse === 0) leases.push(await take(host.name));
    const [held] = await fleet.step();
    assert.equal(held?.kind, "hold", "four hosts with leases are the cap");
    for (const id of leases) await end(id);
    await settle();
    await assertAtRest();
    assert.deepEqual((await store.droplets.list()).length, 1);
  });

  it("keeps every decision with its reason", async () => {
    await settle();
    const [name = ""] = await hostNames();
    await end(await take(name));
    const events = (await store.events.list({}, 50)).reverse().map(({ actor, kind, host }) => [actor, kind, host]);
    assert.deepEqual(events, [
      ["scale", "order", name],
      ["admit", "join", name],
    ]);
    assert.ok((await store.events.list({}, 50)).every(({ reason }) => reason.length > 10));
  });

  it("destroys the host that the operator names, its leases lost when asked so, and goes on by itself", async () => {
    await settle();
    const [name = ""] = await hostNames();
    const id = await take(name);
    assert.deepEqual(await store.destroyRequests.add(name, "none", fleet.clock()), { kind: "leased", leases: 1 });
    assert.deepEqual(await store.destroyRequests.add(name, "lost", fleet.clock()), { kind: "requested" });
    await settle();
    await assertAtRest();
    assert.ok(!(await hostNames()).includes(name) && !names(ours()).includes(name));
    assert.equal((await store.leases.find(id))?.endCause, "lost");
    assert.ok(
      (await store.events.list({ host: name, kind: "destroy" }, 5)).some(
        ({ actor, reason }) => actor === "scale" && reason === "asked for by the operator",
      ),
    );
  });

  it("begins nothing while the operator pauses it, but for what is asked for by name, and finishes what has begun", async () => {
    await settle();
    const [name = ""] = await hostNames();
    await store.switches.set("scaling", true, fleet.clock());
    assert.deepEqual(await store.destroyRequests.add(name, "none", fleet.clock()), { kind: "requested" });
    for (let step = 0; step < 10; step++) {
      await fleet.step();
      fleet.pass(20);
    }
    assert.deepEqual([names(ours()), await hostNames()], [[], []], "gone, and no other in its place");
    const [hold] = await store.events.list({ kind: "hold" }, 1);
    assert.deepEqual([hold?.reason, (hold?.times ?? 0) > 5], ["paused by the operator", true]);
    await store.switches.set("scaling", false, fleet.clock());
    await settle();
    await assertAtRest();
  });

  it("never touches a droplet without our tag, and sweeps one with it that nobody tracks", async () => {
    await settle();
    const others = [cloud.add({ name: "somebody-elses", tags: ["web"] }), cloud.add({ name: "untagged", tags: [] })];
    const orphan = cloud.add({ name: "orphan", tags: [fleet.scale.plan.tag] });
    await fleet.step();
    assert.ok(
      cloud.droplets().some(({ id }) => id === orphan.id),
      "a young one may be an order's",
    );
    fleet.pass(601);
    await settle();
    assert.deepEqual(
      cloud.droplets().filter(({ id }) => id === orphan.id),
      [],
    );
    for (const { id } of others) assert.ok(cloud.droplets().some((droplet) => droplet.id === id));
    await assertAtRest();
  });

  describe("recovers by itself from", () => {
    const faults: Record<string, FaultRule[]> = {
      "too many calls (429)": [{ kind: "rate-limit", times: 5, retryAfterSeconds: 0 }],
      "errors of the cloud (500)": [{ kind: "server-error", times: 8 }],
      "calls without an answer": [{ kind: "hang", times: 3 }],
      "answers that end in their middle": [{ kind: "half-answer", times: 3 }],
      "the droplet limit (422)": [{ kind: "droplet-limit", times: 2 }],
      "a size out of stock (422)": [{ kind: "out-of-stock", size: "s-1vcpu-1gb" }],
      "an order that was made and whose answer was lost": [
        { kind: "answer-lost", times: 1, method: "POST", path: "/v2/droplets" },
      ],
      "a deletion whose answer was lost": [{ kind: "answer-lost", times: 1, method: "DELETE" }],
      "a droplet that never boots": [{ kind: "never-boots", times: 1 }],
      "a droplet that never becomes active": [{ kind: "never-active", times: 1 }],
      "a list that lags": [{ kind: "list-lags", ms: 400 }],
      "deletions refused": [{ kind: "delete-refused", times: 3 }],
      "deletions that fail": [{ kind: "delete-fails", times: 3 }],
      "deletions without effect": [{ kind: "delete-ignored", times: 3 }],
    };
    /** A life in which everything that calls the cloud happens: orders, a lost host, surplus, an orphan. */
    const live = async () => {
      await settle();
      const [first = ""] = await hostNames();
      const lease = await take(first);
      await settle();
      cloud.add({ name: "orphan", tags: [fleet.scale.plan.tag] });
      await end(lease);
      fleet.pass(700);
      await settle();
      await assertAtRest();
    };
    for (const [name, rules] of Object.entries(faults)) {
      it(name, async () => {
        for (const rule of rules) cloud.faults.add(rule);
        await live();
        assert.ok(
          cloud.faults.list().every(({ hits }) => hits > 0),
          "the fault has happened",
        );
      });
    }

    it("all of them together", async () => {
      for (const rules of Object.values(faults))
        for (const rule of rules) cloud.faults.add({ ...rule, times: rule.times ?? 4 });
      await live();
    });
  });

  it("holds everything while the cloud, or Redis, does not answer, and says so once", async () => {
    await settle();
    const [name = ""] = await hostNames();
    await take(name);
    cloud.faults.add({ kind: "server-error" });
    for (let step = 0; step < 3; step++)
      assert.deepEqual(
        (await fleet.step()).map(({ kind }) => kind),
        ["hold"],
      );
    cloud.faults.clear();
    const blind: ScalePorts = {
      ...fleet.scale,
      readHeartbeats: createRedisDiscovery(openRedisNowhere()).readHeartbeats,
    };
    assert.deepEqual(
      (await scaleFleet(blind, fleet.term)).map(({ kind }) => kind),
      ["hold"],
    );
    const holds = await store.events.list({ kind: "hold" }, 10);
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
    const broken: ScalePorts = { ...fleet.scale, userData: () => assert.fail("user-data is too long") };
    await assert.rejects(fleet.step(broken), /too long/);
    assert.deepEqual(await store.droplets.list(), []);
    assert.match((await store.events.list({ kind: "order-refused" }, 1))[0]?.reason ?? "", /too long/);
    fleet.pass(10);
    await settle();
    await assertAtRest();
  });

  it("destroys nothing when all heartbeats are lost at once, however long", async () => {
    await settle();
    const [first = ""] = await hostNames();
    await take(first);
    await settle();
    const before = names(ours());
    for (const name of await hostNames()) fleet.silent.add(name);
    for (let step = 0; step < 5; step++) {
      assert.deepEqual(
        (await fleet.step()).map(({ kind }) => kind),
        ["hold"],
      );
      fleet.pass(1900);
    }
    assert.deepEqual(names(ours()), before);
    fleet.silent.clear();
    await settle();
    assert.deepEqual(names(ours()), before);
  });

  it("closes a host whose droplet somebody has deleted, tells its leases lost, and replaces it", async () => {
    await settle();
    const [first = ""] = await hostNames();
    const lease = await take(first);
    await settle();
    await cloud.remove(first);
    await settle();
    const lost = await store.leases.find(lease);
    assert.deepEqual([lost?.state, lost?.endCause], ["ended", "lost"]);
    assert.ok(!(await hostNames()).includes(first));
    await assertAtRest();
  });

  it("does not take another account's token for the end of the fleet: hearts that beat are no droplets gone", async () => {
    await settle();
    const [first = ""] = await hostNames();
    const lease = await take(first);
    await settle();
    const before = (await store.droplets.list()).map(({ name, state }) => [name, state]);
    const another = await startDigitalOcean({ token: TOKEN });
    try {
      const moved: ScalePorts = {
        ...fleet.scale,
        cloud: createDigitalOceanCloud({
          token: TOKEN,
          url: another.url,
          timeoutMs: 300,
          delay: () => Promise.resolve(),
        }),
      };
      await fleet.beatAll();
      for (let step = 0; step < 3; step++)
        assert.deepEqual(
          (await scaleFleet(moved, fleet.term)).map(({ kind }) => kind),
          ["hold"],
        );
      assert.deepEqual(another.everMade(), []);
    } finally {
      await another.stop();
    }
    assert.deepEqual(
      (await store.droplets.list()).map(({ name, state }) => [name, state]),
      before,
    );
    assert.equal((await store.leases.find(lease))?.state, "running");
  });

  it("does not count the time in which it was blind as silence of the hosts", async () => {
    await settle();
    const [first = ""] = await hostNames();
    await take(first);
    await settle();
    for (const name of await hostNames()) fleet.silent.add(name);
    await fleet.step();
    fleet.pass(1900);
    await fleet.step();
    fleet.silent.delete(first);
    await fleet.step();
    assert.equal(ours().length, 2, "the other one is heard a moment later");
    fleet.silent.clear();
    await settle();
    assert.equal(ours().length, 2);
  });

  it("replaces an empty host that beats and that nobody can reach, and keeps the good one", async () => {
    await settle();
    const [broken = ""] = await hostNames();
    await store.droplets.keepReachability([], [broken], fleet.clock());
    for (let step = 0; step < 8; step++) {
      await fleet.step();
      fleet.pass(20);
    }
    assert.equal((await hostNames()).length, 2, "another standby beside it");
    fleet.pass(1900);
    await settle();
    assert.ok(!(await hostNames()).includes(broken));
    await assertAtRest();
  });

  it("lets no droplet become or stay a host that the operator wants destroyed", async () => {
    await fleet.step();
    const [ordered] = await store.droplets.list();
    assert.equal((await store.destroyRequests.add(ordered?.name ?? "", "none", fleet.clock())).kind, "requested");
    await fleet.beatAll();
    assert.deepEqual(await admitHosts(fleet.admit, 4), [], "it is booted, and not admitted");
    await settle();
    assert.ok(!(await hostNames()).includes(ordered?.name ?? ""));
    const [name = ""] = await hostNames();
    assert.equal((await store.destroyRequests.add(name, "lost", fleet.clock())).kind, "requested");
    assert.equal(await store.hosts.setState(name, "active"), false, "it takes no lease that would go with it");
    await settle();
    assert.ok(!(await hostNames()).includes(name));
    await assertAtRest();
  });

  it("lists more than 200 droplets right, with a call for each 200 of them", async () => {
    for (let number = 0; number < 450; number++) cloud.add({ name: `orphan-${number}`, tags: [fleet.scale.plan.tag] });
    fleet.calls.length = 0;
    const actions = await scaleFleet(
      {
        ...fleet.scale,
        rules: { ...fleet.scale.rules, cap: 1000, orphanAgeMs: 0 },
        clock: () => new Date(Date.now() + 60_000),
      },
      fleet.term,
    );
    assert.equal(actions.filter(({ kind }) => kind === "sweep").length, 450);
    assert.deepEqual(
      fleet.calls.filter(({ method }) => method === "GET").map(({ route }) => route),
      ["/droplets", "/droplets", "/droplets"],
    );
  });

  describe("killed before or after any call it makes", () => {
    /** Kills the step at each of its calls in turn, and lets the next ones go on from there. */
    async function killEverywhere(prepare: () => Promise<void>, expected: ScalingAction["kind"]): Promise<void> {
      let points = 0;
      for (const moment of moments) {
        for (let call = 1; ; call++) {
          assert.ok(call < MOST_CALLS, "the step comes to an end");
          await fleet.close();
          fleet = await openFleet();
          ({ cloud, store } = fleet);
          await prepare();
          const { each, crashing, died } = crashAt(call, moment);
          const dying: ScalePorts = {
            ...fleet.scale,
            store: each(fleet.scale.store),
            cloud: each(fleet.scale.cloud),
            engines: each(fleet.scale.engines),
            readHeartbeats: crashing(fleet.scale.readHeartbeats),
          };
          const outcome = await Promise.race([fleet.step(dying), died]);
          fleet.pass(200);
          await settle();
          await assertAtRest();
          if (outcome !== true) {
            assert.ok(
              outcome.some(({ kind }) => kind === expected),
              `the step was to ${expected}`,
            );
            break;
          }
          points++;
        }
      }
      assert.ok(points >= 10, `${points} crash points were tried`);
    }
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
        cloud.faults.add({ kind: "answer-lost", times: 1, method: "POST", path: "/v2/droplets" });
        await fleet.step();
      }, "adopt"));

    it("a drain is begun or not, and ends with one standby", () => killEverywhere(surplus, "drain"));

    it("a destruction goes on", () =>
      killEverywhere(async () => {
        await surplus();
        await fleet.step();
      }, "destroy"));

    it("a sweep goes on", () =>
      killEverywhere(async () => {
        await settle();
        cloud.add({ name: "orphan", tags: [fleet.scale.plan.tag] });
        fleet.pass(700);
      }, "sweep"));

    it("the end of a droplet that is gone is closed once", () =>
      killEverywhere(async () => {
        await settle();
        const [first = ""] = await hostNames();
        await take(first);
        await cloud.remove(first);
      }, "close"));
  });

  /** A client whose Redis is not there. */
  function openRedisNowhere() {
    const redis = openRedis("redis://127.0.0.1:1", () => undefined);
    redis.disconnect();
    return redis;
  }
});
