import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import type { Draft, TakeResult } from "../../../apps/core/instances/handout.ts";
import { reap } from "../../../apps/core/instances/reap.ts";
import { reconcile } from "../../../apps/core/instances/reconcile.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { keepWarmRules, WARM_PERIOD_MS } from "../../../apps/core/settings/warm-pool.ts";
import { keepWarm, type KeepWarmPorts } from "../../../apps/core/warm-pool/keep-warm.ts";
import { sealedPassword } from "../../../apps/core/warm-pool/recipe.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { liveOnly } from "../../bed/budgets.ts";
import { crashAt, moments } from "../../bed/crash.ts";
import { createTwinService, TWIN_IMAGE, TWIN_SECRET } from "../../bed/twin-service.ts";

const ROUND = { concurrency: 4, hostBudgetMs: 20_000 };
const down = new Unavailable("mysql", new Error("down"));

/** A fleet of empty hosts, and the job that keeps two instances ready on it. */
async function open({
  hosts = { a: 40, b: 40 },
  env = {},
}: { readonly hosts?: Readonly<Record<string, number>>; readonly env?: Readonly<Record<string, string>> } = {}) {
  const service = createTwinService();
  for (const [name, capacity] of Object.entries(hosts)) {
    await service.addHost(name, { capacity });
    service.discovery.beat(name, {}, 3_600_000);
  }
  const { time, tables, store } = service;
  let seeds = 0;
  const ports: KeepWarmPorts = {
    ...service,
    ...time,
    random: { id: () => `warm-${++seeds}`, seed: () => Buffer.alloc(32, seeds) },
  };
  const rulesOf = (more: Readonly<Record<string, string>>) =>
    keepWarmRules(
      loadSettings({ INSTANCE_IMAGE: TWIN_IMAGE, SERVER_SECRET: TWIN_SECRET, ...env, ...more }, [
        "INSTANCE_IMAGE",
        "SERVER_SECRET",
      ]),
    );
  const rules = rulesOf({});
  const keep = keepWarm(ports, rules);
  /** A run, and the pause after it. */
  const run = async (job = keep) => {
    const report = await time.run(job());
    time.pass(WARM_PERIOD_MS);
    return report;
  };
  /** Runs until nothing happens any more. */
  const settle = async (job = keep) => {
    for (let runs = 0; runs < 100; runs++) {
      const { started, ended, failures } = await run(job);
      if (started + ended + failures.length === 0) return;
    }
    assert.fail("it does not come to rest");
  };
  /** What the jobs make of what was left half done. */
  const clear = async () => {
    await reconcile(service, ROUND);
    await reap(service, ROUND);
  };
  /** Ready instances, as their hosts' names. */
  const ready = async () =>
    (await store.warmPool.list()).flatMap(({ state, host }) => (state === "warm" ? host.name : []));
  /** Each container has its row on that host, and each row its container and its slot. */
  const assertTidy = async () => {
    for (const { host, occupied } of await store.hosts.list()) {
      const rows = [...tables.instances.values()].filter(
        ({ hostName, state }) => hostName === host.name && state !== "ended",
      );
      assert.deepEqual(rows.map(({ id }) => id).sort(), service.containersOf(host.name), host.name);
      assert.equal(rows.length, occupied);
    }
  };
  let callers = 0;
  /** A hand-out of another process takes a slot. */
  const take = (hostName: string): Promise<TakeResult> => {
    const now = time.clock();
    const draft: Draft = {
      id: `caller-${++callers}`,
      address: `10.0.0.${callers}`,
      tokenHash: Buffer.alloc(32),
      passwordHash: Buffer.alloc(32),
      createdAt: now,
      deadline: new Date(now.getTime() + 30_000),
      latestEnd: new Date(now.getTime() + 86_400_000),
    };
    const offer = { recipe: rules.recipe, readySince: new Date(now.getTime() - rules.maxAgeMs) };
    return service.elsewhere.handouts.takeSlot(draft, hostName, liveOnly(1), undefined, offer);
  };
  /** And gets one that is ready. */
  const handOut = async (hostName: string): Promise<string> => {
    const taken = await take(hostName);
    assert.ok(taken.kind === "taken-warm", taken.kind);
    const now = time.clock();
    await service.elsewhere.handouts.complete(taken.id, new Date(now.getTime() + 3_600_000), now, undefined);
    return taken.id;
  };
  const standingOf = (name: string) =>
    service.fleet.standings(time.clock()).find(({ host }) => host.name === name)?.standing;
  const told = (kind: string) => tables.events.filter((event) => event.kind === kind);
  return {
    ...service,
    ports,
    rules,
    rulesOf,
    keep,
    run,
    settle,
    clear,
    ready,
    assertTidy,
    take,
    handOut,
    standingOf,
    told,
  };
}

describe("keepWarm", () => {
  it("has two ready while nothing is asked for, on the host that placement chooses next, and then does nothing", async () => {
    const pool = await open();
    assert.deepEqual(await pool.run(), { wanted: 2, started: 1, ended: 0, failures: [] });
    assert.deepEqual(await pool.run(), { wanted: 2, started: 1, ended: 0, failures: [] });
    assert.deepEqual(await pool.ready(), ["a", "a"]);
    for (let runs = 0; runs < 20; runs++)
      assert.deepEqual(await pool.run(), { wanted: 2, started: 0, ended: 0, failures: [] });
    await pool.assertTidy();
    assert.equal(pool.told("warm")[0]?.times, 1, "it is told once");
  });

  it("replaces each that is handed out, and has more ready while more are asked for", async () => {
    const pool = await open();
    await pool.settle();
    await pool.handOut("a");
    await pool.settle();
    assert.equal((await pool.ready()).length, 2);
    for (let count = 0; count < 40; count++) {
      if ((await pool.ready()).length === 0) await pool.run();
      await pool.handOut((await pool.ready())[0] ?? "none");
    }
    const busy = await pool.run();
    assert.ok(busy.wanted > 2 && busy.wanted <= 16, String(busy.wanted));
    await pool.settle();
    pool.time.pass(11 * 60_000);
    await pool.settle();
    assert.ok((await pool.ready()).length <= 4);
    await pool.assertTidy();
  });

  it("makes a password that stands nowhere: neither in the container, nor in the store", async () => {
    const pool = await open();
    await pool.run();
    const [row] = pool.tables.instances.values();
    assert.ok(row?.nonce);
    const password = sealedPassword(TWIN_SECRET, row.nonce, row.id);
    await pool.probe(pool.machine("a").address, row.port, password, AbortSignal.timeout(1000));
    const seen = JSON.stringify([[...pool.machine("a").containers], [...pool.tables.instances], pool.tables.events]);
    assert.ok(!seen.includes(password));
    await pool.handOut("a");
    assert.equal(pool.tables.instances.get(row.id)?.nonce, null, "nobody can derive it again");
  });

  it("is never without a ready one while all grow old together", async () => {
    const pool = await open({ env: { WARM_POOL_MIN: "4", WARM_MAX_AGE_SECONDS: "60" } });
    await pool.settle();
    const seen = new Set<string>();
    for (let runs = 0; runs < 200; runs++) {
      await pool.run();
      const list = await pool.store.warmPool.list();
      for (const { instanceId } of list) seen.add(instanceId);
      assert.ok(list.filter(({ state }) => state === "warm").length >= 4);
      assert.ok(list.length <= 8);
    }
    assert.ok(seen.size >= 20, "they are replaced");
    await pool.assertTidy();
  });

  it("ends all when it is switched off, or when image, limits or secret have changed", async () => {
    const pool = await open({ env: { WARM_POOL_MIN: "5" } });
    await pool.settle();
    for (const change of [{ INSTANCE_MAX_CLIENTS: "99" }, { SERVER_SECRET: "another secret of the server" }]) {
      const rules = pool.rulesOf(change);
      await pool.settle(keepWarm(pool.ports, rules));
      assert.ok((await pool.store.warmPool.list()).every(({ recipe }) => recipe.equals(rules.recipe)));
      assert.equal((await pool.ready()).length, 5);
    }
    await pool.settle(keepWarm(pool.ports, pool.rulesOf({ WARM_POOL_MAX: "0", WARM_POOL_MIN: "0" })));
    assert.deepEqual([pool.tables.instances.size, pool.containersOf("a")], [0, []]);
  });

  describe("in bad moments", () => {
    it("ends those of a host that is drained, and starts others elsewhere", async () => {
      const pool = await open();
      await pool.settle();
      await pool.store.hosts.setState("a", "draining");
      await pool.settle();
      assert.deepEqual([await pool.ready(), pool.containersOf("a")], [["b", "b"], []]);
      assert.equal(pool.told("end-warm")[0]?.reason, "its host is draining");
      await pool.assertTidy();
    });

    for (const [moment, call] of [
      ["before it has a slot", "warmPool.begin"],
      ["before its container starts", "startContainer"],
      ["before it answers", "probe"],
      ["before it is ready", "warmPool.ready"],
    ] as const) {
      it(`leaves nothing on a host that is drained ${moment}`, async () => {
        const pool = await open();
        pool.before.set(call, () => pool.elsewhere.hosts.setState("a", "draining"));
        const { started, failures } = await pool.run();
        assert.deepEqual([started, failures], [0, []], "no fault of the host's");
        assert.deepEqual([await pool.ready(), pool.tables.instances.size], [[], 0]);
        await pool.assertTidy();
      });

      it(`gives its slot to a hand-out that needs the last one ${moment}, and leaves no container`, async () => {
        const pool = await open({ hosts: { a: 1 } });
        const results: string[] = [];
        pool.before.set(call, async () => {
          const taken = await pool.take("a");
          results.push(taken.kind === "slot-held" ? `starting: ${taken.isStarting}` : taken.kind);
          await pool.clear();
          results.push((await pool.take("a")).kind);
        });
        const { started, failures } = await pool.run();
        assert.deepEqual([started, failures], [0, []]);
        const held = call === "warmPool.begin" ? "taken" : "starting: true";
        assert.deepEqual(results, [held, "host-full"], "the reaper does not free it ahead of the container");
        assert.deepEqual([pool.containersOf("a"), await pool.ready()], [[], []], "the hand-out starts its own");
        assert.equal((await pool.take("a")).kind, call === "warmPool.begin" ? "host-full" : "taken");
        assert.notEqual(pool.standingOf("a"), "backing-off");
      });
    }

    it("ends those of a host that has fallen silent, whether or not its engine answers", async () => {
      for (const silence of [undefined, "timeout"] as const) {
        const pool = await open({ env: { WARM_POOL_MIN: "4" } });
        await pool.settle();
        pool.discovery.remove("a");
        pool.machine("a").silence = silence;
        await pool.settle();
        assert.deepEqual(await pool.ready(), ["b", "b", "b", "b"]);
        assert.equal((await pool.take("a")).kind, "taken", "none of them is handed out once it is back");
        pool.machine("a").silence = undefined;
        await pool.clear();
        assert.deepEqual(pool.containersOf("a"), []);
      }
    });

    it("asks an engine once that does not answer, and leaves the rest to the reaper", async () => {
      const pool = await open({ env: { WARM_POOL_MIN: "6" } });
      await pool.settle();
      await pool.store.hosts.setState("a", "cordoned");
      pool.machine("a").silence = "timeout";
      let asked = 0;
      pool.before.set("removeContainer", () => ++asked);
      assert.equal((await pool.run()).ended, 6);
      assert.equal(asked, 1);
      pool.machine("a").silence = undefined;
      await pool.clear();
      await pool.assertTidy();
    });

    it("passes over a host that fails for a while, says why, and fills the pool elsewhere", async () => {
      const pool = await open();
      pool.faults.add({
        call: "startContainer",
        times: 1,
        fault: () => new EngineFault("refused", "a", new Error("no")),
      });
      const { failures } = await pool.run();
      assert.deepEqual(
        failures.map(({ hostName }) => hostName),
        ["a"],
      );
      assert.match(pool.told("hold")[0]?.reason ?? "", /no instance can be kept ready on it: engine of a: no/);
      await pool.settle();
      assert.equal((await pool.ready()).length, 2);
      await pool.assertTidy();
    });

    it("passes over a slot whose port something else holds, and goes on with the next", async () => {
      const pool = await open({ hosts: { a: 4 } });
      pool.machine("a").heldPorts.add(20_000);
      assert.equal((await pool.run()).failures.length, 1);
      assert.equal(pool.standingOf("a"), "open", "the host is not to blame");
      await pool.settle();
      assert.deepEqual([...pool.tables.instances.values()].map(({ port }) => port).sort(), [20_001, 20_002]);
      assert.equal((await pool.store.slots.listTaken(pool.clock()))[0]?.state, "port-taken");
    });

    it("hands out no image whose licence forbids it, and leaves no container of it", async () => {
      const pool = await open({ hosts: { a: 4 } });
      pool.machine("a").server = { engine: "redis", version: "8.0.2" };
      const { failures } = await pool.run();
      assert.match(String(failures[0]?.fault), /not handed out: Redis 8\.0\.2/);
      assert.deepEqual([pool.tables.instances.size, pool.containersOf("a")], [0, []]);
    });

    it("does nothing while it is unknown which hosts are alive", async () => {
      const pool = await open();
      await pool.settle();
      const before = [...pool.tables.instances.values()];
      pool.time.pass(pool.rules.maxAgeMs);
      pool.faults.add({ call: "readHeartbeats", fault: () => new Unavailable("redis", new Error("down")) });
      await assert.rejects(pool.time.run(pool.keep()), Unavailable);
      assert.deepEqual([...pool.tables.instances.values()], before);
      assert.equal(pool.containersOf("a").length, 2);
    });

    for (const effect of ["none", "done"] as const)
      it(`loses nothing when MySQL goes away as one becomes ready (effect ${effect})`, async () => {
        const pool = await open();
        pool.faults.add({ call: "warmPool.ready", times: 1, effect, fault: () => down });
        await assert.rejects(pool.time.run(pool.keep()), down);
        assert.deepEqual(await pool.ready(), effect === "done" ? ["a"] : []);
        // It may have been handed out by now.
        if (effect === "done") await pool.handOut("a");
        const held = pool.containersOf("a");
        pool.time.pass(60_000);
        await pool.settle();
        assert.equal((await pool.ready()).length, 2);
        assert.equal(pool.containersOf("a").includes(held[0] ?? ""), effect === "done");
        await pool.assertTidy();
      });

    it("leaves alone what a hand-out claims in the moment in which it was to be ended", async () => {
      const pool = await open({ env: { WARM_POOL_MIN: "1" } });
      await pool.settle();
      const off = keepWarm(pool.ports, pool.rulesOf({ WARM_POOL_MAX: "0", WARM_POOL_MIN: "0" }));
      let claimed: string | undefined;
      pool.before.set("warmPool.end", async () => {
        claimed ??= await pool.handOut("a");
      });
      assert.equal((await pool.run(off)).ended, 0);
      assert.deepEqual([pool.containersOf("a"), pool.told("end-warm")], [[claimed], []]);
    });

    it("starts none on a host while a hand-out starts a container there", async () => {
      const pool = await open();
      await pool.settle();
      await pool.handOut("a");
      await pool.addInstance("cold", "a", "starting", { ttlSeconds: 20 });
      assert.equal((await pool.run()).started, 0);
      await pool.elsewhere.handouts.complete(
        "cold",
        new Date(pool.clock().getTime() + 60_000),
        pool.clock(),
        undefined,
      );
      assert.equal((await pool.run()).started, 1);
    });

    it("comes to rest with two processes at it, and neither undoes the other's work again and again", async () => {
      const pool = await open({ env: { WARM_POOL_MIN: "6" } });
      const fleet = pool.openCache();
      const other = keepWarm({ ...pool.ports, fleet }, pool.rules);
      for (let runs = 0; runs < 20; runs++) {
        await pool.time.run(Promise.all([pool.keep(), other()]));
        pool.time.pass(WARM_PERIOD_MS);
      }
      const { length } = await pool.ready();
      assert.ok(length >= 6 && length <= 8, String(length));
      assert.equal(pool.told("end-warm").length, 0);
      await pool.assertTidy();
    });

    it("killed at any call, leaves nothing that the next runs do not clear", async () => {
      let points = 0;
      for (const moment of moments)
        for (let call = 1; ; call++) {
          assert.ok(call < 60, "a run comes to an end");
          const pool = await open({ env: { WARM_POOL_MIN: "1" } });
          // One that has to end, and one that has to start.
          await pool.settle();
          await pool.store.hosts.setState("a", "cordoned");
          const { each, crashing, crashed } = crashAt(call, moment);
          const { store, engines, probe, fleet } = pool.ports;
          const dying = keepWarm(
            {
              ...pool.ports,
              store: each(store),
              engines: each(engines),
              probe: crashing(probe),
              fleet: { ...fleet, refresh: crashing(fleet.refresh) },
            },
            pool.rules,
          );
          const isOver = await pool.time.run(Promise.race([dying().then(() => true), crashed.then(() => false)]));
          pool.time.pass(60_000);
          await pool.clear();
          await pool.settle();
          await pool.clear();
          assert.ok((await pool.ready()).length >= 1, `${moment} call ${call}`);
          assert.deepEqual(pool.containersOf("a"), [], `${moment} call ${call}`);
          await pool.assertTidy();
          if (isOver) break;
          points++;
        }
      assert.ok(points >= 20, `${points} crash points were tried`);
    });
  });
});
