import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { endInstance } from "../../../apps/core/instances/end-instance.ts";
import { reap } from "../../../apps/core/instances/reap.ts";
import { reconcile } from "../../../apps/core/instances/reconcile.ts";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import type { EngineHost } from "../../../apps/core/fleet/host.ts";
import type { EndCause, InstanceState } from "../../../apps/core/instances/instance.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";

const start = new Date("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);
const hostNamed = (name: string): EngineHost => ({ name, engineUrl: "unix:///x", deployment: "d" });

interface Row {
  id: string;
  host: string;
  state: InstanceState;
  expiresAt: Date;
  cause?: EndCause;
}

/** Rows and containers in memory, that follow the rules of the store and the engines. */
function fakeWorld(rows: Row[], containers: Record<string, string[]> = {}) {
  const world = {
    rows: new Map(rows.map((row) => [row.id, row])),
    containers: new Map(Object.entries(containers).map(([host, ids]) => [host, new Map(ids.map((id) => [id, true]))])),
    down: new Set<string>(),
    /** Instances whose containers the engine refuses to remove. */
    stubborn: new Set<string>(),
    mysqlDown: false,
    removals: [] as string[],
    now: at(100),
  };
  const containersOf = (host: EngineHost) => {
    if (world.down.has(host.name)) throw new EngineFault("unreachable", host.name, new Error("down"));
    return world.containers.get(host.name) ?? new Map<string, boolean>();
  };
  const checkMysql = () => {
    if (world.mysqlDown) throw new Unavailable("mysql", new Error("down"));
  };
  const ports = {
    clock: () => world.now,
    store: {
      leases: {
        listDue: () => {
          checkMysql();
          const due = [...world.rows.values()].filter(
            ({ state, expiresAt }) => state === "ending" || (state === "running" && expiresAt <= world.now),
          );
          return Promise.resolve(
            due.map((row) => ({ instanceId: row.id, state: row.state, host: hostNamed(row.host) })),
          );
        },
        listOpenOf: (hostName: string) =>
          Promise.resolve(
            [...world.rows.values()]
              .filter(({ host, state }) => host === hostName && state !== "ended")
              .map(({ id, state, expiresAt }) => ({ id, state, deadline: expiresAt })),
          ),
        beginEnd: (id: string, cause: EndCause) => {
          checkMysql();
          const row = world.rows.get(id);
          if (
            !row ||
            row.state === "ending" ||
            row.state === "ended" ||
            (cause === "expired" && row.expiresAt > world.now)
          )
            return Promise.resolve(false);
          Object.assign(row, { state: "ending", cause });
          return Promise.resolve(true);
        },
        close: (id: string) => {
          const row = world.rows.get(id);
          if (row?.state === "ending") row.state = "ended";
          return Promise.resolve();
        },
      },
      hosts: {
        list: () =>
          Promise.resolve(
            [...new Set([...world.containers.keys(), ...rows.map(({ host }) => host)])].map((name) => ({
              host: hostNamed(name),
            })),
          ),
      },
    },
    engines: {
      removeContainer: async (host: EngineHost, id: string) => {
        world.removals.push(`${id} of ${host.name}`);
        await Promise.resolve();
        const containers = containersOf(host);
        if (world.stubborn.has(id)) throw new EngineFault("refused", host.name, new Error("device or resource busy"));
        containers.delete(id);
      },
      listContainers: async (host: EngineHost) => {
        await Promise.resolve();
        return [...containersOf(host)].map(([instanceId, running]) => ({ instanceId, running }));
      },
    },
  };
  const states = () =>
    Object.fromEntries(
      [...world.rows.values()].map(({ id, state, cause }) => [id, cause ? `${state}, ${cause}` : state]),
    );
  return { world, ports, states };
}

const row = (id: string, state: InstanceState, over: Partial<Row> = {}): Row => ({
  id,
  host: "a",
  state,
  expiresAt: at(1000),
  ...over,
});
const overdue = { expiresAt: at(100) };

describe("endInstance", () => {
  it("closes the row only after the container is gone", async () => {
    const { ports, states, world } = fakeWorld([row("i", "running")], { a: ["i"] });
    world.down.add("a");
    const result = await endInstance(ports, { instanceId: "i", state: "running", host: hostNamed("a") }, "owner");
    assert.ok(result.kind === "later" && result.fault instanceof EngineFault, "the fault is told, for the log");
    assert.equal(result.fault.reason, "unreachable");
    assert.deepEqual(states(), { i: "ending, owner" });
    world.down.clear();
    assert.deepEqual(await endInstance(ports, { instanceId: "i", state: "ending", host: hostNamed("a") }, "expired"), {
      kind: "ended",
    });
    assert.deepEqual(states(), { i: "ended, owner" }, "the first cause stays");
  });

  it("does nothing to an instance that has ended, or that somebody else is ending", async () => {
    const { ports, world } = fakeWorld([row("i", "ending")], { a: ["i"] });
    await endInstance(ports, { instanceId: "i", state: "ended", host: hostNamed("a") }, "owner");
    await endInstance(ports, { instanceId: "i", state: "running", host: hostNamed("a") }, "owner");
    assert.deepEqual(world.removals, []);
  });
});

describe("reap", () => {
  it("ends what is past its time on all hosts, and finishes ends that were begun", async () => {
    const { ports, states } = fakeWorld(
      [
        row("over", "running", overdue),
        row("begun", "ending", { host: "b", cause: "owner" }),
        row("young", "running"),
        row("starting", "starting", overdue),
      ],
      { a: ["over", "young"], b: ["begun"] },
    );
    assert.deepEqual(await reap(ports, 4), { ended: 2, waiting: [] });
    assert.deepEqual(states(), {
      over: "ended, expired",
      begun: "ended, owner",
      young: "running",
      starting: "starting",
    });
  });

  it("ends leases on time also where the host does not answer, and tells what waits", async () => {
    const many = Array.from({ length: 10 }, (_, index) => row(`i${index}`, "running", overdue));
    const { ports, states, world } = fakeWorld([...many, row("elsewhere", "running", { ...overdue, host: "b" })], {
      a: many.map(({ id }) => id),
      b: ["elsewhere"],
    });
    world.down.add("a");
    const { ended, waiting } = await reap(ports, 4);
    assert.equal(ended, 1);
    assert.deepEqual(
      waiting.map(({ hostName, instances, fault }) => [hostName, instances, fault.reason]),
      [["a", 10, "unreachable"]],
    );
    assert.deepEqual(new Set(many.map(({ id }) => states()[id])), new Set(["ending, expired"]));
    world.down.clear();
    assert.deepEqual(await reap(ports, 4), { ended: 10, waiting: [] });
    assert.deepEqual(new Set(Object.values(states())), new Set(["ended, expired"]));
  });

  it("does not ask a host again and again that does not answer", async () => {
    const many = Array.from({ length: 100 }, (_, index) => row(`i${index}`, "ending"));
    const { ports, world } = fakeWorld(many);
    world.down.add("a");
    assert.equal((await reap(ports, 4)).waiting[0]?.instances, 100);
    assert.ok(world.removals.length <= 8, String(world.removals.length));
  });

  it("is not held up by containers that an engine refuses to remove", async () => {
    const many = Array.from({ length: 20 }, (_, index) => row(`i${index}`, "ending", { cause: "owner" }));
    const { ports, states, world } = fakeWorld(many, { a: many.map(({ id }) => id) });
    for (const { id } of many.slice(0, 6)) world.stubborn.add(id);
    const { ended, waiting } = await reap(ports, 4);
    assert.equal(ended, 14);
    assert.deepEqual(
      waiting.map(({ hostName, instances, fault }) => [hostName, instances, fault.reason]),
      [["a", 6, "refused"]],
    );
    assert.equal(states()["i19"], "ended, owner");
  });

  it("by two at once ends everything once", async () => {
    const many = Array.from({ length: 20 }, (_, index) => row(`i${index}`, "running", overdue));
    const { ports, states } = fakeWorld(many, { a: many.map(({ id }) => id) });
    await Promise.all([reap(ports, 4), reap(ports, 4)]);
    assert.deepEqual(new Set(Object.values(states())), new Set(["ended, expired"]));
  });

  it("throws when MySQL does not answer", async () => {
    const { ports, world } = fakeWorld([]);
    world.mysqlDown = true;
    await assert.rejects(reap(ports, 4), Unavailable);
  });
});

describe("reconcile", () => {
  const broken = () =>
    fakeWorld(
      [
        row("fine", "running"),
        row("lost", "running"),
        row("stuck", "starting", overdue),
        row("young", "starting"),
        row("far", "running", { host: "b" }),
      ],
      { a: ["fine", "stuck", "nobodys"], b: ["far", "nobodys-either"] },
    );

  it("repairs every disagreement in one run and tells each", async () => {
    const { ports, states, world } = broken();
    const { repairs, unseen } = await reconcile(ports, 4);
    assert.deepEqual(repairs.map(({ hostName, kind, instanceId }) => `${hostName} ${kind} ${instanceId}`).sort(), [
      "a end lost",
      "a end stuck",
      "a remove-container nobodys",
      "b remove-container nobodys-either",
    ]);
    assert.deepEqual(unseen, []);
    assert.deepEqual(states(), {
      fine: "running",
      lost: "ended, lost",
      stuck: "ended, failed",
      young: "starting",
      far: "running",
    });
    assert.deepEqual(
      [...world.containers].map(([host, ids]) => [host, [...ids.keys()]]),
      [
        ["a", ["fine"]],
        ["b", ["far"]],
      ],
    );
    assert.deepEqual((await reconcile(ports, 4)).repairs, [], "the next run finds nothing");
  });

  it("leaves a host alone that does not answer: its instances are unseen, not lost", async () => {
    const { ports, states, world } = broken();
    world.down.add("b");
    const { unseen } = await reconcile(ports, 4);
    assert.deepEqual(
      unseen.map(({ hostName, fault }) => [hostName, fault.reason]),
      [["b", "unreachable"]],
    );
    assert.equal(states()["far"], "running");
    assert.equal(states()["lost"], "ended, lost", "the others are repaired all the same");
  });

  it("goes on with the other repairs of a host that refuses one, and tells", async () => {
    const { ports, states, world } = broken();
    for (const id of ["lost", "nobodys"]) world.stubborn.add(id);
    world.containers.get("a")?.set("nobodys-too", true);
    const { repairs, unseen } = await reconcile(ports, 4);
    assert.deepEqual(repairs.map(({ hostName, kind, instanceId }) => `${hostName} ${kind} ${instanceId}`).sort(), [
      "a end stuck",
      "a remove-container nobodys-too",
      "b remove-container nobodys-either",
    ]);
    assert.deepEqual(
      unseen.map(({ hostName, fault }) => [hostName, fault.reason]),
      [["a", "refused"]],
    );
    assert.equal(states()["lost"], "ending, lost", "the reaper goes on with it");
  });

  it("removes no more than a hundred containers of a host in one run, rows before them, and the rest in the next runs", async () => {
    const { ports, states, world } = fakeWorld([row("lost", "running"), row("elsewhere", "running", { host: "b" })], {
      a: Array.from({ length: 250 }, (_, index) => `made-up-${index}`),
      b: [],
    });
    const counts: number[][] = [];
    for (let run = 0; run < 4; run++) {
      const { repairs } = await reconcile(ports, 4);
      counts.push(["a", "b"].map((name) => repairs.filter(({ hostName }) => hostName === name).length));
    }
    assert.deepEqual(counts, [
      [100, 1],
      [100, 0],
      [51, 0],
      [0, 0],
    ]);
    assert.deepEqual(states(), { lost: "ended, lost", elsewhere: "ended, lost" });
    assert.equal(world.containers.get("a")?.size, 0);
  });

  it("by two at once comes to the same", async () => {
    const { ports, states } = broken();
    await Promise.all([reconcile(ports, 4), reconcile(ports, 4)]);
    await reap(ports, 4);
    assert.deepEqual(states(), {
      fine: "running",
      lost: "ended, lost",
      stuck: "ended, failed",
      young: "starting",
      far: "running",
    });
  });
});
