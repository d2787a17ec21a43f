import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createInstance, type CreatePorts } from "../../../apps/core/instances/create-instance.ts";
import type { CreateRequest, CreateResult } from "../../../apps/core/instances/handout.ts";
import { reap } from "../../../apps/core/instances/reap.ts";
import { reconcile } from "../../../apps/core/instances/reconcile.ts";
import { containerName, labels } from "../../../apps/core/services/container.ts";
import { handoutRules } from "../../../apps/core/settings/instances.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { keepWarmRules } from "../../../apps/core/settings/warm-pool.ts";
import { keepWarm, type KeepWarmPorts } from "../../../apps/core/warm-pool/keep-warm.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { crashAt, moments } from "../../bed/crash.ts";
import { createTwinService, TWIN_IMAGE } from "../../bed/twin-service.ts";

const start = new Date("2026-01-01T00:00:00Z");
const ROUND = { concurrency: 4, hostBudgetMs: 20_000 };
const HOUR_MS = 3_600_000;

/** Hosts, the first of them with instances ready, and hand-outs. */
async function open({
  hosts = { a: 40, b: 40 },
  ready = 2,
  env = {},
}: {
  readonly hosts?: Readonly<Record<string, number>>;
  readonly ready?: number;
  readonly env?: Readonly<Record<string, string>>;
} = {}) {
  const service = createTwinService({ start });
  for (const [name, capacity] of Object.entries(hosts)) {
    await service.addHost(name, { capacity });
    service.discovery.beat(name, {}, HOUR_MS);
  }
  const settings = loadSettings(
    {
      INSTANCE_IMAGE: TWIN_IMAGE,
      SERVER_SECRET: "sixteen characters",
      QUOTA_PER_NETWORK: "10000",
      STARTS_PER_NETWORK_PER_DAY: "10000",
      HANDOUTS_PER_MINUTE: "100000",
      NEWCOMER_PERCENT: "0",
      PROOF_OF_WORK_MAX_BITS: "0",
      WARM_POOL_MIN: String(ready),
      WARM_POOL_MAX: String(Math.max(ready, 16)),
      ...env,
    },
    ["INSTANCE_IMAGE", "SERVER_SECRET"],
  );
  let made = 0;
  const told = { warmFailures: [] as string[], hostFailures: [] as string[] };
  const random = {
    id: () => `id${String(++made).padStart(14, "0")}`,
    password: () => `password${made}`,
    token: () => `token${made}`,
    nonce: () => Buffer.alloc(12, made),
    seed: () => Buffer.alloc(32, made),
  };
  const ports: CreatePorts & KeepWarmPorts = {
    ...service,
    ...service.time,
    random,
    onHostFailure: (_host, instanceId) => told.hostFailures.push(instanceId),
    onWarmFailure: (_host, instanceId) => told.warmFailures.push(instanceId),
    onStandbyTaken: () => undefined,
    rules: handoutRules(settings),
  };
  const keep = keepWarm({ ...ports, fleet: service.openCache() }, keepWarmRules(settings));
  const pool = async () => (await service.store.warmPool.list()).map(({ instanceId }) => instanceId);
  for (let runs = 0; runs < 100 && (await pool()).length < ready; runs++) await service.time.run(keep());
  await service.fleet.refresh(service.clock());
  let callers = 0;
  const request = (over: Partial<CreateRequest> = {}): CreateRequest => ({
    address: `198.51.${callers >> 8}.${callers++ & 255}`,
    ttlSeconds: undefined,
    idempotencyKey: undefined,
    signal: new AbortController().signal,
    ...over,
  });
  const create = (over: Partial<CreateRequest> = {}, by: CreatePorts = ports): Promise<CreateResult> =>
    service.time.run(createInstance(by, request(over)));
  /** How often each call to an instance or an engine has been made from here on. */
  const watch = () => {
    const calls: string[] = [];
    for (const call of ["probe", "checkLogin", "startContainer", "removeContainer"])
      service.before.set(call, () => calls.push(call));
    return calls;
  };
  const clear = async () => {
    await reconcile(service, ROUND);
    await reap(service, ROUND);
  };
  const stateOf = (id: string) => service.states()[id];
  return { ...service, ports, keep, pool, request, create, watch, clear, told, stateOf };
}

const idOf = (result: CreateResult) => (result.kind === "created" ? result.handout.id : result.kind);
const isWarm = (result: CreateResult) => result.kind === "created" && result.wasWarm;

describe("a hand-out of a warm instance", () => {
  it("is one that was ready, with its password, for as long as was asked for, and starts no container", async () => {
    const service = await open();
    service.time.pass(600_000);
    await service.fleet.refresh(service.clock());
    const [oldest] = await service.pool();
    const calls = service.watch();
    const result = await service.create({ ttlSeconds: 3600 });
    assert.ok(result.kind === "created" && result.wasWarm);
    const { handout } = result;
    const now = service.clock().getTime();
    assert.equal(handout.id, oldest);
    assert.deepEqual(
      [handout.createdAt, handout.expiresAt],
      [new Date(now).toISOString(), new Date(now + HOUR_MS).toISOString()],
    );
    assert.deepEqual(calls, ["checkLogin"], "one round trip");
    assert.ok(handout.url.includes(handout.password));
    await service.checkLogin("a.internal", handout.port, handout.password, AbortSignal.timeout(1000));
    const row = await service.store.leases.find(handout.id);
    const label = service.machine("a").containers.get(containerName(handout.id))?.spec.Labels[labels.notAfter];
    assert.ok(row && Number(label) * 1000 >= row.latestEnd.getTime(), "the host lets the longest lease run");
  });

  it("is another one each time, and a cold one when none is left", async () => {
    const service = await open();
    const results = [await service.create(), await service.create(), await service.create()];
    assert.deepEqual(results.map(isWarm), [true, true, false]);
    assert.equal(new Set(results.map(idOf)).size, 3);
    assert.equal(new Set(results.map((result) => result.kind === "created" && result.handout.password)).size, 3);
  });

  it("costs a caller who may hold no more no call to any instance or engine, and leaves the pool as it is", async () => {
    const service = await open({ env: { QUOTA_PER_ADDRESS: "1" } });
    await service.create({ address: "203.0.113.1" });
    const before = await service.pool();
    const calls = service.watch();
    for (let count = 0; count < 5; count++)
      assert.equal((await service.create({ address: "203.0.113.1" })).kind, "quota-exceeded");
    assert.deepEqual([calls, await service.pool()], [[], before]);
  });

  it("is found again with the idempotency key, password and all", async () => {
    const service = await open();
    const asked = { address: "203.0.113.1", idempotencyKey: "key" };
    const [first, again] = [await service.create(asked), await service.create(asked)];
    assert.ok(first.kind === "created" && again.kind === "created" && again.replayed);
    assert.deepEqual(again.handout, first.handout);
    assert.equal((await service.pool()).length, 1);
  });

  describe("in bad moments", () => {
    it("whose server is dead becomes a cold one on the same host, and the dead one goes", async () => {
      const service = await open();
      const dead = await service.pool();
      for (const id of dead) {
        const container = service.machine("a").containers.get(containerName(id));
        if (container) container.running = false;
      }
      const result = await service.create();
      assert.deepEqual([result.kind === "created" && result.hostName, isWarm(result)], ["a", false]);
      assert.deepEqual(service.told.warmFailures, dead.slice(0, 1), "one was tried");
      assert.equal(service.stateOf(dead[0] ?? ""), "ended, failed");
      await service.clear();
      assert.deepEqual(service.containersOf("a"), [idOf(result)], "reconcile ends the other one");
      assert.deepEqual(service.told.hostFailures, [], "the host is not to blame");
    });

    it("at whose port something else answers becomes a cold one", async () => {
      const service = await open();
      const [stolen] = await service.pool();
      service.faults.add({
        call: "checkLogin",
        times: 1,
        fault: () => new Error("it answers without a password"),
      });
      const result = await service.create();
      assert.deepEqual([isWarm(result), service.told.warmFailures], [false, [stolen]]);
      assert.notEqual(idOf(result), stolen);
    });

    it("that does not answer at all is given up with its host, for another host", async () => {
      const service = await open();
      service.before.set("checkLogin", () => service.time.pass(1_000));
      service.faults.add({ call: "checkLogin", times: 1, fault: () => new Error("aborted") });
      const calls: string[] = [];
      service.before.set("removeContainer", () => calls.push("removeContainer"));
      const result = await service.create();
      assert.equal(result.kind === "created" && result.hostName, "b");
      assert.deepEqual(calls, [], "a host that hangs is not asked again while the caller waits");
    });

    it("made under another secret is not connected to, whatever its recipe says", async () => {
      const service = await open();
      const calls = service.watch();
      const other = { ...service.ports, rules: { ...service.ports.rules, serverSecret: "another secret of ours" } };
      const result = await service.create({}, other);
      assert.deepEqual([isWarm(result), calls.includes("checkLogin")], [false, false]);
    });

    it("made by other settings is left to the job, and the caller gets a cold one", async () => {
      const service = await open();
      const recipe = Buffer.alloc(32, 1);
      const warm = service.ports.rules.warm && { ...service.ports.rules.warm, recipe };
      const result = await service.create({}, { ...service.ports, rules: { ...service.ports.rules, warm } });
      assert.deepEqual([isWarm(result), (await service.pool()).length], [false, 2]);
    });

    it("gives way on a full host to one that can be handed out", async () => {
      const service = await open({ hosts: { a: 2 } });
      const warm = service.ports.rules.warm && { ...service.ports.rules.warm, recipe: Buffer.alloc(32, 1) };
      const ports = { ...service.ports, rules: { ...service.ports.rules, warm } };
      const results = [
        await service.create({}, ports),
        await service.create({}, ports),
        await service.create({}, ports),
      ];
      assert.deepEqual(
        results.map(({ kind }) => kind),
        ["created", "created", "no-capacity"],
      );
      assert.deepEqual(service.containersOf("a"), results.slice(0, 2).map(idOf).sort());
    });

    for (const [what, spoil] of [
      ["was cordoned", (service) => service.elsewhere.hosts.setState("a", "cordoned")],
      ["is drained", (service) => service.elsewhere.hosts.setState("a", "draining")],
    ] as const satisfies readonly [string, (service: Awaited<ReturnType<typeof open>>) => unknown][])
      it(`is none of a host that ${what} a moment ago`, async () => {
        const service = await open();
        await spoil(service);
        const result = await service.create();
        assert.deepEqual([result.kind === "created" && result.hostName, isWarm(result)], ["b", false]);
      });

    it("is none of a host that has fallen silent, also when it is back before the job has noticed", async () => {
      const service = await open();
      const silent = await service.pool();
      service.discovery.remove("a");
      await service.fleet.refresh(service.clock());
      assert.equal(isWarm(await service.create()), false);
      await service.time.run(service.keep());
      service.discovery.beat("a");
      await service.fleet.refresh(service.clock());
      const result = await service.create();
      assert.ok(!silent.includes(idOf(result)));
    });

    for (const call of ["checkLogin", "handouts.complete"])
      it(`is taken back when the caller hangs up before ${call}, and goes to nobody else`, async () => {
        const service = await open({ ready: 1 });
        const [id = ""] = await service.pool();
        const caller = new AbortController();
        service.before.set(call, () => caller.abort());
        assert.equal((await service.create({ signal: caller.signal })).kind, "abandoned");
        assert.deepEqual([service.stateOf(id), service.containersOf("a")], ["ended, abandoned", []]);
        assert.equal(service.tables.quotaPlaces.size, 0);
        service.before.clear();
        assert.notEqual(idOf(await service.create()), id);
      });

    for (const effect of ["none", "done"] as const)
      it(`is taken back when MySQL goes away at the end of it (effect ${effect})`, async () => {
        const service = await open({ ready: 1 });
        const down = new Unavailable("mysql", new Error("down"));
        service.faults.add({ call: "handouts.complete", times: 1, effect, fault: () => down });
        await assert.rejects(service.create(), down);
        assert.deepEqual([service.containersOf("a"), service.tables.quotaPlaces.size], [[], 0]);
      });

    it("killed at any call, leaves a lease that works or nothing, and the instance goes to nobody else", async () => {
      let points = 0;
      for (const moment of moments)
        for (let call = 1; ; call++) {
          assert.ok(call < 30, "a hand-out comes to an end");
          const service = await open({ ready: 1 });
          const [claimed = ""] = await service.pool();
          const { each, crashing, crashed } = crashAt(call, moment);
          const { store, engines, probe, checkLogin } = service.ports;
          const dying: CreatePorts = {
            ...service.ports,
            store: each(store),
            engines: each(engines),
            probe: crashing(probe),
            checkLogin: crashing(checkLogin),
          };
          const request = service.request({ idempotencyKey: "key", address: "203.0.113.1" });
          const isOver = await service.time.run(
            Promise.race([createInstance(dying, request).then(() => true), crashed.then(() => false)]),
          );
          const others = new Set<string>();
          for (let count = 0; count < 3; count++) others.add(idOf(await service.create()));
          const wasClaimed = service.stateOf(claimed) !== "warm" && !others.has(claimed);
          service.time.pass(40_000);
          await service.clear();
          const state = service.stateOf(claimed);
          assert.ok(
            others.has(claimed) || state === "running" || state === "ended, failed",
            `${moment} call ${call}: ${String(state)}`,
          );
          assert.equal(service.containersOf("a").includes(claimed), state === "running", `${moment} call ${call}`);
          const holders = [...service.tables.quotaPlaces.values()].flatMap((places) => [...places]);
          assert.equal(new Set(holders).size, holders.length);
          await service.fleet.refresh(service.clock());
          const again = await service.create({ idempotencyKey: "key", address: "203.0.113.1" });
          assert.ok(again.kind === "created");
          if (wasClaimed && state === "running") assert.equal(again.handout.id, claimed);
          if (isOver) break;
          points++;
        }
      assert.ok(points >= 6, `${points} crash points were tried`);
    });

    it("is for those who come first in a burst of 200, and none fails for it", async () => {
      const service = await open({ hosts: { a: 120, b: 120 }, ready: 16 });
      const calls = Array.from({ length: 200 }, () => createInstance(service.ports, service.request()));
      const [results] = await service.time.run(Promise.all([Promise.all(calls), service.keep()]));
      assert.ok(results.every(({ kind }) => kind === "created"));
      assert.equal(new Set(results.map(idOf)).size, 200);
      assert.ok(results.filter(isWarm).length >= 16);
    });

    it("gets the last slot from one that is starting only once that is given up, so that its port is free", async () => {
      const service = await open({ hosts: { a: 1 }, ready: 0, env: { WARM_POOL_MIN: "1" } });
      let handOut: Promise<CreateResult> | undefined;
      service.before.set("startContainer", async () => {
        if (handOut) return service.time.delay(200);
        handOut = createInstance(service.ports, service.request());
        while ((await service.pool()).length > 0) await service.time.delay(1);
        return service.time.delay(100);
      });
      service.before.set("probe", () => service.time.delay(1000));
      await service.time.run(service.keep());
      assert.ok(handOut);
      const result = await service.time.run(handOut);
      assert.ok(result.kind === "created" && !result.wasWarm, result.kind);
      assert.deepEqual([service.told.hostFailures, service.containersOf("a").length], [[], 1]);
      await service.clear();
      assert.equal(service.stateOf(result.handout.id), "running");
    });

    it("waits for a slot no longer than three seconds where who starts an instance of the pool has died", async () => {
      const service = await open({ hosts: { a: 1 }, ready: 0, env: { WARM_POOL_MIN: "1" } });
      const died = Promise.withResolvers<undefined>();
      service.before.set("probe", () => {
        service.before.delete("probe");
        died.resolve(undefined);
        return new Promise<never>(() => undefined);
      });
      void service.keep();
      await service.time.run(died.promise);
      const begun = service.clock().getTime();
      assert.equal((await service.create()).kind, "no-capacity");
      assert.ok(service.clock().getTime() - begun <= 3_100);
      await service.clear();
      assert.equal(service.containersOf("a").length, 1, "it may yet come, until its deadline");
      service.time.pass(HOUR_MS / 60);
      await service.clear();
      await service.fleet.refresh(service.clock());
      assert.equal((await service.create()).kind, "created");
    });

    it("is sold once: a burst of 200 on 40 slots gets 40, whatever the pool holds of them", async () => {
      const service = await open({ hosts: { a: 40 }, ready: 16, env: { WARM_POOL_MAX: "30" } });
      const calls = Array.from({ length: 200 }, () => createInstance(service.ports, service.request()));
      const [results] = await service.time.run(Promise.all([Promise.all(calls), service.keep(), service.keep()]));
      const given = results.filter(({ kind }) => kind === "created");
      assert.ok(results.every(({ kind }) => kind === "created" || kind === "no-capacity"));
      const ports = given.map((result) => result.kind === "created" && result.handout.port);
      assert.equal(new Set(ports).size, given.length);
      // What was started for the pool while the last slots went may hold one for a moment.
      let sold = given.length;
      while ((await service.pool()).length > 0) {
        await service.fleet.refresh(service.clock());
        assert.equal((await service.create()).kind, "created");
        sold++;
      }
      assert.equal(sold, 40);
      const [host] = await service.store.hosts.list();
      assert.deepEqual([host?.inUse, host?.occupied, service.containersOf("a").length], [40, 40, 40]);
    });
  });
});
