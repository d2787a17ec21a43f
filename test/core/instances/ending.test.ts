import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import { endInstance } from "../../../apps/core/instances/end-instance.ts";
import { reap } from "../../../apps/core/instances/reap.ts";
import { reconcile } from "../../../apps/core/instances/reconcile.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinService, type TwinService } from "../../bed/twin-service.ts";

/** Leases that are over after {@link open} has let this time pass. */
const overdue = { ttlSeconds: 100 };
const down = () => new Unavailable("mysql", new Error("down"));

/** Hosts a and b with the instances that `prepare` adds, a hundred seconds later. */
async function open(
  prepare: (service: TwinService) => Promise<unknown> = () => Promise.resolve(),
): Promise<TwinService> {
  const service = createTwinService();
  for (const name of ["a", "b"]) await service.addHost(name, { capacity: 200 });
  await prepare(service);
  service.time.pass(100_000);
  return service;
}

/** Adds as many instances of a state, and gives their ids. */
async function addMany(
  service: TwinService,
  count: number,
  ...[hostName, state, over]: [string, "running" | "ending", { ttlSeconds?: number; container?: boolean }?]
): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `i${index}`);
  for (const id of ids) await service.addInstance(id, hostName, state, over);
  return ids;
}

/** A restart some seconds into 2026. */
const restarted = (seconds: number) =>
  ({ at: new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)), cause: "out-of-memory" }) as const;

/** Counts the calls that reach engines to remove something. */
function countRemovals(service: TwinService): () => number {
  let removals = 0;
  service.before.set("removeContainer", () => removals++);
  return () => removals;
}

describe("endInstance", () => {
  const end = async (service: TwinService, cause: "owner" | "expired") =>
    endInstance(service, (await service.store.leases.findContainer("i")) ?? assert.fail("no such instance"), cause);

  it("closes the row only after the container is gone", async () => {
    const service = await open(({ addInstance }) => addInstance("i", "a", "running"));
    service.machine("a").silence = "unreachable";
    const result = await end(service, "owner");
    assert.ok(result.kind === "later" && result.fault instanceof EngineFault, "the fault is told, for the log");
    assert.equal(result.fault.reason, "unreachable");
    assert.deepEqual([service.states(), service.containersOf("a")], [{ i: "ending, owner" }, ["i"]]);
    service.machine("a").silence = undefined;
    assert.deepEqual(await end(service, "expired"), { kind: "ended" });
    assert.deepEqual(
      [service.states(), service.containersOf("a")],
      [{ i: "ended, owner" }, []],
      "the first cause stays",
    );
  });

  it("does nothing to an instance that has ended, or that somebody else is ending", async () => {
    const service = await open(({ addInstance }) => addInstance("i", "a", "ending"));
    const place = (await service.store.leases.findContainer("i")) ?? assert.fail("no such instance");
    const removals = countRemovals(service);
    for (const state of ["ended", "running"] as const)
      assert.deepEqual(await endInstance(service, { ...place, state }, "operator"), { kind: "ended" });
    assert.equal(removals(), 0);
    assert.deepEqual([service.states(), service.containersOf("a")], [{ i: "ending, owner" }, ["i"]]);
  });
});

describe("reap", () => {
  it("ends what is past its time on all hosts, and finishes ends that were begun", async () => {
    const service = await open(async ({ addInstance }) => {
      await addInstance("over", "a", "running", overdue);
      await addInstance("begun", "b", "ending");
      await addInstance("young", "a", "running");
      await addInstance("starting", "a", "starting", overdue);
    });
    assert.deepEqual(await reap(service, { concurrency: 4, hostBudgetMs: 20_000 }), { ended: 2, waiting: [] });
    assert.deepEqual(service.states(), {
      over: "ended, expired",
      begun: "ended, owner",
      young: "running",
      starting: "starting",
    });
    assert.deepEqual([service.containersOf("a"), service.containersOf("b")], [["starting", "young"], []]);
  });

  it("ends leases on time also where the host does not answer, and tells what waits", async () => {
    const service = await open(async (each) => {
      await addMany(each, 10, "a", "running", overdue);
      await each.addInstance("elsewhere", "b", "running", overdue);
    });
    service.machine("a").silence = "unreachable";
    const { ended, waiting } = await reap(service, { concurrency: 4, hostBudgetMs: 20_000 });
    assert.equal(ended, 1);
    assert.deepEqual(
      waiting.map(({ hostName, instances, fault }) => [hostName, instances, fault.reason]),
      [["a", 10, "unreachable"]],
    );
    assert.deepEqual(
      (await service.store.events.list({}, 10)).map(({ actor, kind, host, reason }) => [actor, kind, host, reason]),
      [["reap", "hold", "a", "ended instances wait for their host: unreachable"]],
    );
    const { elsewhere, ...others } = service.states();
    assert.deepEqual([elsewhere, new Set(Object.values(others))], ["ended, expired", new Set(["ending, expired"])]);
    assert.equal(service.tables.quotaPlaces.size, 0, "their holders may have others");
    service.machine("a").silence = undefined;
    assert.deepEqual(await reap(service, { concurrency: 4, hostBudgetMs: 20_000 }), { ended: 10, waiting: [] });
    assert.deepEqual(new Set(Object.values(service.states())), new Set(["ended, expired"]));
  });

  it("does not ask a host again and again that does not answer", async () => {
    const service = await open((each) => addMany(each, 100, "a", "ending"));
    service.machine("a").silence = "timeout";
    const removals = countRemovals(service);
    assert.equal((await reap(service, { concurrency: 4, hostBudgetMs: 20_000 })).waiting[0]?.instances, 100);
    assert.ok(removals() <= 8, String(removals()));
  });

  it("is not held up by containers that an engine refuses to remove", async () => {
    const service = await open(async (each) => {
      for (const id of (await addMany(each, 20, "a", "ending")).slice(0, 6)) each.machine("a").stubborn.add(id);
    });
    const { ended, waiting } = await reap(service, { concurrency: 4, hostBudgetMs: 20_000 });
    assert.equal(ended, 14);
    assert.deepEqual(
      waiting.map(({ hostName, instances, fault }) => [hostName, instances, fault.reason]),
      [["a", 6, "refused"]],
    );
    assert.equal(service.states()["i19"], "ended, owner");
    assert.equal(service.containersOf("a").length, 6);
  });

  it("by two at once ends everything once", async () => {
    const service = await open((each) => addMany(each, 20, "a", "running", overdue));
    await Promise.all([
      reap(service, { concurrency: 4, hostBudgetMs: 20_000 }),
      reap(service, { concurrency: 4, hostBudgetMs: 20_000 }),
    ]);
    assert.deepEqual(new Set(Object.values(service.states())), new Set(["ended, expired"]));
    assert.deepEqual(service.containersOf("a"), []);
  });

  it("throws when MySQL does not answer", async () => {
    const service = await open();
    service.faults.add({ call: "leases.listDue", fault: down });
    await assert.rejects(reap(service, { concurrency: 4, hostBudgetMs: 20_000 }), Unavailable);
  });
});

describe("reconcile", () => {
  const broken = () =>
    open(async ({ addInstance, addContainer }) => {
      await addInstance("fine", "a", "running");
      await addInstance("lost", "a", "running", { container: false });
      await addInstance("stuck", "a", "starting", overdue);
      await addInstance("young", "a", "starting", { container: false });
      await addInstance("far", "b", "running");
      addContainer("nobodys", "a");
      addContainer("nobodys-either", "b");
    });
  const lines = (repairs: Awaited<ReturnType<typeof reconcile>>["repairs"]) =>
    repairs.map(({ hostName, kind, instanceId }) => `${hostName} ${kind} ${instanceId}`).sort();
  const repaired = {
    fine: "running",
    lost: "ended, lost",
    stuck: "ended, failed",
    young: "starting",
    far: "running",
  };

  it("looks at the rows of a host a second time only when there is a container without one", async () => {
    const service = await open(async ({ addInstance, addContainer }) => {
      await addInstance("fine", "a", "running");
      await addInstance("lost", "a", "running", { container: false });
      await addInstance("far", "b", "running");
      addContainer("nobodys", "b");
    });
    let looks = 0;
    service.before.set("leases.listOpenOf", () => looks++);
    await reconcile(service, { concurrency: 4, hostBudgetMs: 20_000 });
    assert.equal(looks, 3);
  });

  it("repairs every disagreement in one run and tells each", async () => {
    const service = await broken();
    const { repairs, unseen } = await reconcile(service, { concurrency: 4, hostBudgetMs: 20_000 });
    assert.deepEqual(lines(repairs), [
      "a end lost",
      "a end stuck",
      "a remove-container nobodys",
      "b remove-container nobodys-either",
    ]);
    assert.deepEqual(unseen, []);
    const events = await service.store.events.list({}, 10);
    assert.deepEqual(
      events.map(({ actor, host, kind, instance, reason, data }) => [actor, host, kind, instance, reason, data]).sort(),
      [
        ["reconcile", "a", "end", "lost", "its container is gone", { cause: "lost" }],
        ["reconcile", "a", "end", "stuck", "still starting after its deadline", { cause: "failed" }],
        ["reconcile", "a", "remove-container", "nobodys", "it has no open row on this host", null],
        ["reconcile", "b", "remove-container", "nobodys-either", "it has no open row on this host", null],
      ],
    );
    assert.deepEqual(service.states(), repaired);
    assert.deepEqual([service.containersOf("a"), service.containersOf("b")], [["fine"], ["far"]]);
    assert.deepEqual(
      (await reconcile(service, { concurrency: 4, hostBudgetMs: 20_000 })).repairs,
      [],
      "the next run finds nothing",
    );
  });

  it("ends an instance whose container has stopped", async () => {
    const service = await open(({ addInstance }) => addInstance("i", "a", "running"));
    for (const container of service.machine("a").containers.values()) container.running = false;
    const { repairs } = await reconcile(service, { concurrency: 4, hostBudgetMs: 20_000 });
    assert.deepEqual(
      repairs.map(({ reason }) => reason),
      ["its container has stopped"],
    );
    assert.deepEqual([service.states(), service.containersOf("a")], [{ i: "ended, lost" }, []]);
  });

  it("tells each restart of a server once, with its cause, and lets the lease run on", async () => {
    const service = await open(async ({ addInstance, machine }) => {
      for (const id of ["i", "other", "ended"]) await addInstance(id, "a", id === "ended" ? "ending" : "running");
      for (const container of machine("a").containers.values())
        if (!container.spec.name.endsWith("other")) container.lastRestart = restarted(5);
    });
    const limits = { concurrency: 4, hostBudgetMs: 20_000 };
    const { repairs, restarts } = await reconcile(service, limits);
    assert.deepEqual([repairs, restarts], [[], [{ instanceId: "i", hostName: "a", ...restarted(5) }]]);
    assert.deepEqual((await reconcile(service, limits)).restarts, [], "it is known");
    for (const container of service.machine("a").containers.values()) container.lastRestart = restarted(9);
    await Promise.all([reconcile(service, limits), reconcile(service, limits)]);
    const events = await service.store.events.list({ instance: "i" }, 10);
    assert.deepEqual(
      events.map(({ actor, host, kind, times, data }) => [actor, host, kind, times, data]),
      [["reconcile", "a", "restart", 2, { at: restarted(9).at.toISOString(), cause: "out-of-memory" }]],
      "the same again, counted",
    );
    assert.match(events[0]?.reason ?? "", /^out of memory: .* it runs again, empty, at the same address$/);
    assert.equal(service.states()["i"], "running");
    assert.deepEqual((await service.store.leases.find("i"))?.lastRestart, restarted(9));
  });

  it("leaves a host alone that does not answer: its instances are unseen, not lost", async () => {
    const service = await broken();
    service.machine("b").silence = "unreachable";
    const { unseen } = await reconcile(service, { concurrency: 4, hostBudgetMs: 20_000 });
    assert.deepEqual(
      unseen.map(({ hostName, fault }) => [hostName, fault.reason]),
      [["b", "unreachable"]],
    );
    assert.equal(service.states()["far"], "running");
    assert.equal(service.states()["lost"], "ended, lost", "the others are repaired all the same");
  });

  it("goes on with the other repairs of a host that refuses one, and tells", async () => {
    const service = await broken();
    for (const id of ["lost", "nobodys"]) service.machine("a").stubborn.add(id);
    service.addContainer("nobodys-too", "a");
    const { repairs, unseen } = await reconcile(service, { concurrency: 4, hostBudgetMs: 20_000 });
    assert.deepEqual(lines(repairs), [
      "a end stuck",
      "a remove-container nobodys-too",
      "b remove-container nobodys-either",
    ]);
    assert.deepEqual(
      unseen.map(({ hostName, fault }) => [hostName, fault.reason]),
      [["a", "refused"]],
    );
    assert.deepEqual(await service.store.events.list({ instance: "lost" }, 1), [], "what was not done is no event");
    assert.equal(service.states()["lost"], "ending, lost", "the reaper goes on with it");
  });

  it("makes a hundred repairs of a host in one run at most, rows first, and the others in the next runs", async () => {
    const service = await open(async ({ addInstance, addContainer }) => {
      await addInstance("lost", "a", "running", { container: false });
      await addInstance("elsewhere", "b", "running", { container: false });
      for (let index = 0; index < 250; index++) addContainer(`made-up-${index}`, "a");
    });
    const counts: number[][] = [];
    for (let run = 0; run < 4; run++) {
      const { repairs } = await reconcile(service, { concurrency: 4, hostBudgetMs: 20_000 });
      counts.push(["a", "b"].map((name) => repairs.filter(({ hostName }) => hostName === name).length));
    }
    assert.deepEqual(counts, [
      [100, 1],
      [100, 0],
      [51, 0],
      [0, 0],
    ]);
    assert.deepEqual(service.states(), { lost: "ended, lost", elsewhere: "ended, lost" });
    assert.deepEqual(service.containersOf("a"), []);
  });

  it("by two at once comes to the same", async () => {
    const service = await broken();
    await Promise.all([
      reconcile(service, { concurrency: 4, hostBudgetMs: 20_000 }),
      reconcile(service, { concurrency: 4, hostBudgetMs: 20_000 }),
    ]);
    await reap(service, { concurrency: 4, hostBudgetMs: 20_000 });
    assert.deepEqual(service.states(), repaired);
  });
});
