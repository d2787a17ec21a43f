import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineFault, type EngineFaultReason } from "../../../apps/core/fleet/engine-fault.ts";
import { createInstance, type CreatePorts } from "../../../apps/core/instances/create-instance.ts";
import type { CreateRequest, CreateResult } from "../../../apps/core/instances/handout.ts";
import { reconcile } from "../../../apps/core/instances/reconcile.ts";
import { handoutRules } from "../../../apps/core/settings/instances.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinService, TWIN_IMAGE, type TwinService } from "../../bed/twin-service.ts";

const start = new Date("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);
const rules = handoutRules(
  loadSettings(
    {
      INSTANCE_IMAGE: TWIN_IMAGE,
      SERVER_SECRET: "sixteen characters",
      HANDOUT_TIMEOUT_SECONDS: "30",
      SLOT_BACKOFF_SECONDS: "300",
    },
    ["INSTANCE_IMAGE", "SERVER_SECRET"],
  ),
);
const request: CreateRequest = {
  address: "198.51.100.1",
  ttlSeconds: undefined,
  idempotencyKey: undefined,
  signal: new AbortController().signal,
};
const keyed: CreateRequest = { ...request, idempotencyKey: "key" };
const engineFault = (reason: EngineFaultReason) => () => new EngineFault(reason, "a", new Error(reason));
const down = new Unavailable("mysql", new Error("down"));
const noPong = () => new Error("no pong");

/** Hosts a and b, empty and open; `hostNames` names others. */
async function open(hostNames: readonly string[] = ["a", "b"]) {
  const service = createTwinService({ start });
  for (const name of hostNames) await service.addHost(name);
  await service.fleet.refresh(start);
  const told = {
    failures: [] as string[],
    warmFailures: [] as string[],
    reasons: [] as string[],
    standbys: [] as string[],
  };
  let number = 0;
  const ports: CreatePorts = {
    ...service,
    ...service.time,
    random: {
      id: () => `id${String(++number).padStart(14, "0")}`,
      password: () => `password${number}`,
      token: () => `token${number}`,
      nonce: () => Buffer.alloc(12, number),
    },
    onHostFailure: (hostName, _id, fault) => {
      told.failures.push(hostName);
      told.reasons.push(fault instanceof Error ? fault.message : String(fault));
    },
    onWarmFailure: (hostName, _id, fault) => {
      told.warmFailures.push(hostName);
      told.reasons.push(fault instanceof Error ? fault.message : String(fault));
    },
    onStandbyTaken: (hostName) => told.standbys.push(hostName),
    rules,
  };
  const create = (over: Partial<CreateRequest> = {}): Promise<CreateResult> =>
    service.time.run(createInstance(ports, { ...request, ...over }));
  return { ...service, ports, told, create };
}

const id = (number: number) => `id${String(number).padStart(14, "0")}`;
const hostOf = (result: CreateResult) => (result.kind === "created" ? result.hostName : result.kind);

/** All instances there ever were, in their order. */
const rowsOf = ({ states }: TwinService) => Object.values(states());

/** Nothing is left of hand-outs: no container, no slot that is not free, no quota place, no key. */
async function assertNothingLeft(service: TwinService): Promise<void> {
  const { tables, store, containersOf } = service;
  for (const { host, inUse, occupied } of await store.hosts.list())
    assert.deepEqual([inUse, occupied, containersOf(host.name)], [0, 0, []], host.name);
  assert.deepEqual([tables.quotaPlaces.size, tables.claims.size], [0, 0]);
}

describe("createInstance", () => {
  it("hands out an instance whose container runs, on a slot of the first host", async () => {
    const service = await open();
    assert.deepEqual(await service.create(), {
      kind: "created",
      hostName: "a",
      replayed: false,
      wasWarm: false,
      handout: {
        id: id(1),
        host: "a.example.org",
        port: 20_000,
        username: "default",
        password: "password1",
        url: "redis://default:password1@a.example.org:20000",
        engine: "redis",
        version: "7.0.15",
        createdAt: start.toISOString(),
        expiresAt: at(43_200).toISOString(),
        token: "token1",
      },
    });
    assert.deepEqual(rowsOf(service), ["running"]);
    assert.deepEqual([service.containersOf("a"), service.containersOf("b")], [[id(1)], []]);
    assert.deepEqual((await service.store.leases.find(id(1)))?.expiresAt, at(43_200));
  });

  it("promises nothing before the container is seen to answer", async () => {
    const service = await open();
    const seen: unknown[] = [];
    service.before.set("probe", async () =>
      seen.push((await service.elsewhere.leases.find(id(1)))?.state, service.containersOf("a")),
    );
    await service.create();
    assert.deepEqual(seen, ["starting", [id(1)]]);
  });

  it("tells that an empty host is taken as soon as its slot is, before anything can fail", async () => {
    const service = await open(["b"]);
    const toldAtStart: string[] = [];
    service.before.set("startContainer", () => toldAtStart.push(...service.told.standbys));
    await service.create();
    assert.deepEqual(toldAtStart, ["b"]);
    await service.create();
    assert.deepEqual(service.told.standbys, ["b"], "the second instance does not find it empty");
  });

  it("counts the lifetime from the hand-out, not from the request", async () => {
    const service = await open();
    service.before.set("probe", () => service.time.pass(5_000));
    const result = await service.create({ ttlSeconds: 60 });
    assert.equal(result.kind === "created" && result.handout.expiresAt, at(65).toISOString());
  });

  it("takes nothing for a lifetime out of bounds", async () => {
    const service = await open();
    assert.equal((await service.create({ ttlSeconds: 1 })).kind, "lease-out-of-bounds");
    assert.deepEqual(rowsOf(service), []);
  });

  it("refuses by quota at once, without trying other hosts", async () => {
    const service = await open();
    for (let count = 0; count < rules.quotaPerAddress; count++) await service.create({ ttlSeconds: 60 + count });
    assert.deepEqual(await service.create(), {
      kind: "quota-exceeded",
      quota: rules.quotaPerAddress,
      nextFreeAt: at(60),
    });
    assert.equal(rowsOf(service).length, rules.quotaPerAddress);
    assert.deepEqual(
      service.fleet.standings(start).map(({ standing }) => standing),
      ["open", "open"],
      "no host is to blame",
    );
  });

  describe("on another host", () => {
    it("goes on when one turns out closed or full", async () => {
      const closed = await open();
      await closed.store.hosts.setState("a", "cordoned");
      assert.equal(hostOf(await closed.create()), "b");
      const full = await open();
      await full.elsewhere.hosts.register(
        { ...((await full.store.hosts.list())[0]?.host ?? assert.fail("no host")), capacity: 0 },
        start,
      );
      assert.equal(hostOf(await full.create()), "b");
    });

    for (const [what, spoil] of [
      [
        "does not start it",
        ({ faults }) => faults.add({ call: "startContainer", times: 1, fault: engineFault("refused") }),
      ],
      ["has no image", ({ machine }) => machine("a").images.clear()],
      ["starts it without a PONG", ({ faults }) => faults.add({ call: "probe", times: 1, fault: noPong })],
    ] as const satisfies readonly [string, (service: TwinService) => void][]) {
      it(`goes on when one ${what}, and undoes what it took there`, async () => {
        const service = await open();
        spoil(service);
        assert.equal(hostOf(await service.create()), "b");
        assert.deepEqual(rowsOf(service), ["ended, failed", "running"]);
        assert.deepEqual([service.containersOf("a"), service.containersOf("b")], [[], [id(2)]]);
        assert.deepEqual(service.told.failures, ["a"]);
        assert.deepEqual(
          service.fleet.standings(start).map(({ host, standing }) => [host.name, standing]),
          [
            ["a", "backing-off"],
            ["b", "open"],
          ],
        );
      });
    }

    it("goes on when one does not answer for its time, without holding the caller up for longer", async () => {
      const service = await open();
      service.before.set("probe", () => {
        for (const container of service.machine("a").containers.values()) container.running = false;
      });
      assert.equal(hostOf(await service.create()), "b");
      assert.deepEqual(service.time.clock(), new Date(start.getTime() + rules.readyTimeoutMs));
      assert.deepEqual(rowsOf(service), ["ended, failed", "running"]);
    });

    for (const silence of ["unreachable", "timeout"] as const)
      it(`goes on when one does not answer (${silence}): its row waits, its quota place is free`, async () => {
        const service = await open();
        service.machine("a").silence = silence;
        assert.equal(hostOf(await service.create()), "b");
        assert.deepEqual(rowsOf(service), ["ending, failed", "running"]);
        assert.equal(service.tables.quotaPlaces.get(request.address)?.size, 1);
      });

    it("goes on without asking a host again that hangs: the caller would wait once more", async () => {
      const service = await open();
      service.faults.add({ call: "startContainer", times: 1, effect: "done", fault: engineFault("timeout") });
      assert.equal(hostOf(await service.create()), "b");
      assert.deepEqual(rowsOf(service), ["ending, failed", "running"]);
      assert.deepEqual(service.containersOf("a"), [id(1)], "what may have been started is left to the reaper");
    });

    it("goes on when what failed cannot be removed either: its row stays for the reaper", async () => {
      const service = await open();
      service.faults.add({ call: "probe", times: 1, fault: noPong });
      service.faults.add({ call: "removeContainer", times: 1, fault: engineFault("refused") });
      assert.equal(hostOf(await service.create()), "b");
      assert.deepEqual(rowsOf(service), ["ending, failed", "running"]);
      assert.deepEqual(service.told.failures, ["a", "a"]);
    });
  });

  it("tries another slot of a host when the port is taken, and passes over that slot for a while", async () => {
    const service = await open();
    for (const port of [20_000, 20_001]) service.machine("a").heldPorts.add(port);
    const result = await service.create();
    assert.deepEqual([hostOf(result), result.kind === "created" && result.handout.port], ["a", 20_002]);
    assert.deepEqual(rowsOf(service), ["ended, failed", "ended, failed", "running"]);
    assert.deepEqual(service.containersOf("a"), [id(3)]);
    const taken = async (seconds: number) => (await service.store.slots.listTaken(at(seconds))).map(({ slot }) => slot);
    assert.deepEqual([await taken(299), await taken(300)], [[0, 1, 2], [2]]);
    assert.ok(service.fleet.standings(start).every(({ standing }) => standing === "open"));
  });

  it("gives a host up when port after port is taken", async () => {
    const service = await open();
    for (let port = 20_000; port < 20_040; port++) service.machine("a").heldPorts.add(port);
    assert.equal(hostOf(await service.create()), "b");
    assert.deepEqual(rowsOf(service), [...Array<string>(5).fill("ended, failed"), "running"]);
  });

  it("undoes a hand-out that somebody else has undone meanwhile, blames no host for it, and tries anew", async () => {
    const service = await open(["a"]);
    service.before.set("handouts.complete", () => service.elsewhere.leases.beginEnd(id(1), "failed", start));
    assert.equal(hostOf(await service.create()), "a");
    assert.deepEqual([rowsOf(service), service.containersOf("a")], [["ended, failed", "running"], [id(2)]]);
    assert.ok(service.fleet.standings(start).every(({ standing }) => standing === "open"));
  });

  it("undoes a hand-out that came too late to count", async () => {
    const service = await open(["a"]);
    service.before.set("probe", () => service.time.pass(30_000));
    assert.deepEqual(await service.create(), { kind: "no-capacity", reason: "too-slow" });
    assert.deepEqual(rowsOf(service), ["ended, failed"]);
    await assertNothingLeft(service);
  });

  it("tells why there is no room", async () => {
    const blind = await open();
    blind.time.pass(60_000);
    assert.deepEqual(await blind.create(), { kind: "no-capacity", reason: "fleet-unseen" });
    assert.deepEqual(await (await open([])).create(), { kind: "no-capacity", reason: "no-open-host" });
    const closed = await open();
    for (const name of ["a", "b"]) await closed.store.hosts.setState(name, "cordoned");
    assert.deepEqual(await closed.create(), { kind: "no-capacity", reason: "no-open-host" });
    const broken = await open();
    broken.faults.add({ call: "probe", fault: noPong });
    assert.deepEqual(await broken.create(), { kind: "no-capacity", reason: "hosts-failed" });
  });

  it("tells what runs in the instance, in the answer and later", async () => {
    const service = await open(["a"]);
    service.machine("a").server = { engine: "valkey", version: "8.1.1" };
    const result = await service.create();
    assert.ok(result.kind === "created");
    assert.deepEqual([result.handout.engine, result.handout.version], ["valkey", "8.1.1"]);
    assert.deepEqual((await service.store.leases.find(result.handout.id))?.server, {
      engine: "valkey",
      version: "8.1.1",
    });
  });

  it("hands out no Redis whose licence restricts it, and says so to the operator", async () => {
    const service = await open(["a"]);
    service.machine("a").server = { engine: "redis", version: "8.0.2" };
    assert.deepEqual(await service.create(), { kind: "no-capacity", reason: "hosts-failed" });
    assert.match(service.told.reasons.join(), /not handed out: Redis 8\.0\.2 has a licence .* Set INSTANCE_IMAGE to/);
    await assertNothingLeft(service);
  });

  it("tells how a server ended that does not answer", async () => {
    const service = await open(["a"]);
    service.before.set("probe", () => {
      for (const container of service.machine("a").containers.values()) container.running = false;
    });
    service.faults.add({ call: "probe", fault: noPong });
    assert.deepEqual(await service.create(), { kind: "no-capacity", reason: "hosts-failed" });
    assert.deepEqual(service.told.reasons, ["the server of the instance does not run: it ended with exit code 137"]);
    await assertNothingLeft(service);
  });

  it("stops trying when its time is over", async () => {
    const service = await open();
    service.before.set("probe", () => service.time.pass(30_000));
    service.faults.add({ call: "probe", fault: noPong });
    assert.deepEqual(await service.create(), { kind: "no-capacity", reason: "too-slow" });
    assert.deepEqual(rowsOf(service), ["ended, failed"]);
    await assertNothingLeft(service);
  });

  it("blames no host whose turn to start did not come within its time", async () => {
    const service = await open();
    service.before.set("startContainer", () => service.time.pass(30_000));
    assert.deepEqual(await service.create(), { kind: "no-capacity", reason: "too-slow" });
    assert.deepEqual(rowsOf(service), ["ended, failed"]);
    assert.deepEqual(service.told.failures, []);
    await assertNothingLeft(service);
  });

  describe("when MySQL goes away", () => {
    it("before anything was taken, takes nothing", async () => {
      const service = await open();
      service.faults.add({ call: "handouts.takeSlot", fault: () => down });
      await assert.rejects(service.create(), down);
      assert.deepEqual(rowsOf(service), []);
    });

    it("before the hand-out, removes the container all the same and says so", async () => {
      const service = await open();
      for (const call of ["handouts.complete", "leases.beginEnd"]) service.faults.add({ call, fault: () => down });
      await assert.rejects(service.create(), down);
      assert.deepEqual([rowsOf(service), service.containersOf("a")], [["starting"], []]);
      service.faults.clear();
      service.time.pass(30_000);
      await reconcile(service, { concurrency: 1, hostBudgetMs: 20_000 });
      await assertNothingLeft(service);
    });

    for (const [how, lost] of [
      ["written", ["handouts.complete"]],
      ["perhaps written", ["handouts.complete", "leases.beginEnd"]],
    ] as const) {
      it(`during the hand-out, keeps what is ${how} for a key's retry, and blames no host`, async () => {
        const service = await open();
        service.faults.add({ call: "handouts.complete", effect: "done", fault: () => down });
        for (const call of lost.slice(1)) service.faults.add({ call, fault: () => down });
        await assert.rejects(service.create(keyed), down);
        assert.deepEqual([rowsOf(service), service.containersOf("a")], [["running"], [id(1)]]);
        assert.deepEqual(service.told.failures, []);
        assert.ok(service.fleet.standings(start).every(({ standing }) => standing === "open"));
        service.faults.clear();
        const retry = await service.create(keyed);
        assert.ok(retry.kind === "created" && retry.replayed);
        assert.deepEqual([retry.handout.id, retry.handout.password], [id(1), "password1"]);
      });
    }

    it("during the hand-out, undoes what was not written", async () => {
      const service = await open();
      service.faults.add({ call: "handouts.complete", fault: () => down });
      await assert.rejects(service.create(keyed), down);
      assert.deepEqual(rowsOf(service), ["ended, failed"]);
      await assertNothingLeft(service);
    });

    for (const effect of ["none", "done"] as const)
      it(`during the hand-out, effect ${effect}, undoes what no retry can ask for, and blames no host`, async () => {
        const service = await open();
        service.faults.add({ call: "handouts.complete", effect, fault: () => down });
        await assert.rejects(service.create(), down);
        assert.deepEqual(rowsOf(service), ["ended, abandoned"]);
        assert.deepEqual(service.told.failures, []);
        assert.ok(service.fleet.standings(start).every(({ standing }) => standing === "open"));
        await assertNothingLeft(service);
      });
  });

  describe("when the caller hangs up", () => {
    /** A caller who hangs up before a call. */
    const hangingUpBefore = async (call: string) => {
      const service = await open();
      const caller = new AbortController();
      service.before.set(call, () => caller.abort());
      return { service, signal: caller.signal };
    };

    for (const call of ["startContainer", "probe", "handouts.complete"])
      it(`before ${call}, takes back what nobody waits for`, async () => {
        const { service, signal } = await hangingUpBefore(call);
        assert.deepEqual(await service.create({ signal }), { kind: "abandoned" });
        assert.deepEqual(rowsOf(service), ["ended, abandoned"]);
        await assertNothingLeft(service);
      });

    it("hands out all the same to a key: its caller can come back for the answer", async () => {
      const { service, signal } = await hangingUpBefore("probe");
      assert.equal((await service.create({ ...keyed, signal })).kind, "created");
      assert.deepEqual(rowsOf(service), ["running"]);
    });

    it("does not go on to another host for nobody", async () => {
      const { service, signal } = await hangingUpBefore("probe");
      service.faults.add({ call: "probe", fault: noPong });
      assert.deepEqual(await service.create({ signal }), { kind: "abandoned" });
      assert.equal(rowsOf(service).length, 1);
      await assertNothingLeft(service);
    });
  });

  describe("with an idempotency key", () => {
    it("seals the answer, so that the store alone cannot give the password away", async () => {
      const service = await open();
      assert.equal((await service.create(keyed)).kind, "created");
      const [claim] = service.tables.claims.values();
      assert.ok(claim?.sealedAnswer && !claim.sealedAnswer.includes("password1"));
    });

    it("keeps no answer without a key", async () => {
      const service = await open();
      await service.create();
      assert.equal(service.tables.claims.size, 0);
    });

    it("gives the first answer again, and tells when the lease ends now, after a change of it", async () => {
      const service = await open();
      const first = await service.create(keyed);
      assert.ok(first.kind === "created");
      assert.deepEqual(await service.create(keyed), {
        kind: "created",
        handout: first.handout,
        hostName: undefined,
        replayed: true,
      });
      await service.store.leases.setExpiry(first.handout.id, at(7200), start);
      const again = await service.create(keyed);
      assert.equal(again.kind === "created" && again.handout.expiresAt, at(7200).toISOString());
      assert.deepEqual(rowsOf(service), ["running"]);
    });

    it("waits for a first request that is still under way", async () => {
      const service = await open();
      service.before.set("probe", () => service.time.delay(170));
      const first = createInstance(service.ports, keyed);
      const later = service.time.delay(100).then(() => createInstance(service.ports, keyed));
      const [one, two] = await service.time.run(Promise.all([first, later]));
      assert.ok(one.kind === "created" && !one.replayed && two.kind === "created" && two.replayed);
      assert.deepEqual(two.handout, one.handout);
      assert.deepEqual(rowsOf(service), ["running"]);
    });

    it("waits also when the first request was faster by a moment", async () => {
      const service = await open();
      const both = [createInstance(service.ports, keyed), createInstance(service.ports, keyed)];
      const results = await service.time.run(Promise.all(both));
      assert.deepEqual(results.map((result) => result.kind === "created" && result.replayed).sort(), [false, true]);
      assert.deepEqual(rowsOf(service), ["running"]);
    });

    it("does it itself when the first request came to nothing", async () => {
      const service = await open(["a"]);
      service.before.set("probe", () => service.time.delay(170));
      service.faults.add({ call: "probe", times: 1, fault: noPong });
      const fleet = service.openCache();
      await fleet.refresh(start);
      const first = createInstance(service.ports, keyed);
      const later = service.time.delay(100).then(() => createInstance({ ...service.ports, fleet }, keyed));
      const [one, two] = await service.time.run(Promise.all([first, later]));
      assert.equal(one.kind, "no-capacity");
      assert.ok(two.kind === "created" && !two.replayed);
      assert.deepEqual(rowsOf(service), ["ended, failed", "running"]);
    });

    it("refuses another request with the same key, finished or not", async () => {
      const service = await open();
      service.before.set("probe", () => service.time.delay(170));
      const first = createInstance(service.ports, keyed);
      const other = service.time.delay(100).then(() => createInstance(service.ports, { ...keyed, ttlSeconds: 60 }));
      const [, refused] = await service.time.run(Promise.all([first, other]));
      assert.deepEqual(refused, { kind: "idempotency-key-reused" });
      assert.deepEqual(await service.create({ ...keyed, ttlSeconds: 60 }), { kind: "idempotency-key-reused" });
      assert.deepEqual(rowsOf(service), ["running"]);
    });

    it("does not wait for ever", async () => {
      const service = await open();
      service.before.set("probe", () => new Promise(() => undefined));
      void createInstance(service.ports, keyed);
      service.time.pass(1_000);
      assert.deepEqual(await service.create(keyed), { kind: "idempotency-key-in-progress" });
      assert.deepEqual(service.time.clock(), at(31));
    });
  });
});
