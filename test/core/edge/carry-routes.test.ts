import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createCarrier } from "../../../apps/core/edge/carry-routes.ts";
import type { Route } from "../../../apps/core/edge/routes.ts";
import { PlaneFault } from "../../../apps/core/edge/plane-fault.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinLeasePlane } from "../../../apps/twins/lease-plane.ts";
import { createVirtualTime } from "../../../apps/twins/time.ts";
import { createCallFaults } from "../../../apps/twins/turns.ts";

const REREAD_MS = 60_000;

/** A carrier whose routes are a map that tests change. */
function bed() {
  const time = createVirtualTime(new Date("2026-11-26T00:00:00Z"));
  const faults = createCallFaults();
  const plane = createTwinLeasePlane({ faults });
  const routes = new Map<string, Route>();
  let changed = new Set<string>();
  let isAway = false;
  const reads: ("all" | "changed")[] = [];
  const carrier = createCarrier(
    {
      plane,
      nowMs: () => time.clock().getTime(),
      routes: {
        read: (mark, named) => {
          if (isAway) return Promise.reject(new Unavailable("mysql", new Error("gone")));
          reads.push(mark === undefined ? "all" : "changed");
          const ids = mark === undefined ? [...routes.keys()] : [...changed, ...named];
          changed = new Set();
          return Promise.resolve({
            isAll: mark === undefined,
            routes: ids.flatMap((id) => routes.get(id) ?? []),
            gone: ids.filter((id) => !routes.has(id)),
            mark: { at: reads.length },
          });
        },
      },
    },
    { rereadMs: REREAD_MS },
  );
  const put = (id: string, port: number) => {
    routes.set(id, { id, address: "10.0.0.1", port });
    changed.add(id);
  };
  const end = (id: string) => {
    routes.delete(id);
    changed.add(id);
  };
  const carried = () => Object.fromEntries(plane.carried());
  return { time, faults, plane, routes, reads, carrier, put, end, carried, away: (is: boolean) => (isAway = is) };
}

describe("carrying routes", () => {
  it("makes the plane carry what there is, and follows each change", async () => {
    const { carrier, put, end, carried, reads } = bed();
    put("a", 1);
    put("b", 2);
    assert.deepEqual((await carrier.step([], true)).changed, 2);
    assert.deepEqual(carried(), { a: "10.0.0.1 1", b: "10.0.0.1 2" });
    put("a", 3);
    end("b");
    put("c", 4);
    await carrier.step([], false);
    assert.deepEqual(carried(), { a: "10.0.0.1 3", c: "10.0.0.1 4" });
    assert.deepEqual(reads, ["all", "changed"]);
  });

  it("says what it carries for those that it was asked for, once it does", async () => {
    const { carrier, put } = bed();
    put("a", 1);
    assert.deepEqual((await carrier.step(["a", "unknown"], false)).carried, [
      { id: "a", target: "10.0.0.1 1" },
      { id: "unknown", target: null },
    ]);
  });

  it("says nothing while the plane does not take it on, and does it with the next step", async () => {
    const { carrier, put, carried, faults } = bed();
    await carrier.step([], true);
    put("a", 1);
    faults.add({ call: "changeRoutes", times: 1, fault: () => new PlaneFault("gone") });
    const failed = await carrier.step(["a"], false);
    assert.deepEqual([failed.carried, failed.isWhole, failed.fault instanceof PlaneFault], [[], false, true]);
    assert.deepEqual((await carrier.step(["a"], false)).carried, [{ id: "a", target: "10.0.0.1 1" }]);
    assert.deepEqual(carried(), { a: "10.0.0.1 1" });
  });

  it("finds what it has not heard of whether its change took effect", async () => {
    const { carrier, put, end, carried, faults } = bed();
    put("a", 1);
    await carrier.step([], true);
    end("a");
    faults.add({ call: "changeRoutes", times: 1, effect: "done", fault: () => new PlaneFault("too late") });
    await carrier.step([], false);
    assert.deepEqual((await carrier.step(["a"], false)).carried, [{ id: "a", target: null }]);
    assert.deepEqual(carried(), {});
  });

  it("keeps all routes while they cannot be read, repairs them even then, and says nothing of them", async () => {
    const { carrier, put, end, carried, plane, away } = bed();
    put("a", 1);
    put("b", 2);
    await carrier.step([], true);
    away(true);
    end("a");
    plane.tamper((table) => table.delete("b"));
    const report = await carrier.step(["a"], true);
    assert.deepEqual([report.carried, report.isWhole, report.repaired], [[], false, 1]);
    assert.ok(report.fault instanceof Unavailable);
    assert.deepEqual(carried(), { a: "10.0.0.1 1", b: "10.0.0.1 2" });
    away(false);
    assert.ok((await carrier.step([], false)).isWhole);
    assert.deepEqual(carried(), { b: "10.0.0.1 2" });
  });

  it("leaves a plane alone whose routes it has never read", async () => {
    const { carrier, carried, plane, away } = bed();
    plane.tamper((table) => table.set("of-before", "10.0.0.1 9"));
    away(true);
    assert.equal((await carrier.step([], true)).isWhole, false);
    assert.ok(!carrier.hasRead());
    assert.deepEqual(carried(), { "of-before": "10.0.0.1 9" });
    away(false);
    await carrier.step([], true);
    assert.deepEqual(carried(), {});
  });

  it("repairs what somebody else has changed, whatever it was, and counts it", async () => {
    const { carrier, put, carried, plane } = bed();
    put("a", 1);
    put("b", 2);
    await carrier.step([], true);
    plane.tamper((table) => {
      table.set("a", "10.66.6.6 1").set("stranger", "10.66.6.6 2");
      table.delete("b");
    });
    assert.equal((await carrier.step([], false)).repaired, 0, "it is not looked at");
    assert.equal((await carrier.step([], true)).repaired, 3);
    assert.deepEqual(carried(), { a: "10.0.0.1 1", b: "10.0.0.1 2" });
    assert.equal((await carrier.step([], true)).repaired, 0);
  });

  it("finds nothing to repair in what it has done itself, also for those that it was asked for", async () => {
    const { carrier, put, end } = bed();
    await carrier.step([], true);
    put("a", 1);
    assert.equal((await carrier.step(["a"], false)).changed, 1, "it is both changed and asked for");
    assert.equal((await carrier.step([], true)).repaired, 0);
    put("a", 2);
    put("b", 3);
    assert.equal((await carrier.step(["a", "b", "b"], true)).repaired, 0);
    end("a");
    await carrier.step(["a"], false);
    assert.equal((await carrier.step([], true)).repaired, 0);
  });

  it("has a plane that was started anew carry all again", async () => {
    const { carrier, put, carried, plane } = bed();
    put("a", 1);
    await carrier.step([], true);
    await carrier.betweenSteps(() => {
      plane.tamper((table) => table.clear());
      return Promise.resolve();
    });
    const report = await carrier.step([], false);
    assert.deepEqual([report.changed, report.repaired], [1, 0]);
    assert.deepEqual(carried(), { a: "10.0.0.1 1" });
  });

  it("takes no step while a plane is started anew, which would change what is just being replaced", async () => {
    const { carrier, put, end, carried, plane } = bed();
    put("ends", 1);
    await carrier.step([], true);
    let isStarted: () => void = () => undefined;
    const starting = carrier.betweenSteps(async () => {
      const asOfNow = new Map(carrier.table());
      await new Promise<void>((resolve) => (isStarted = resolve));
      plane.tamper((table) => {
        table.clear();
        for (const [id, target] of asOfNow) table.set(id, target);
      });
    });
    end("ends");
    put("comes", 1);
    const step = carrier.step(["ends", "comes"], false);
    await new Promise(setImmediate);
    assert.deepEqual(Object.keys(carried()), ["ends"]);
    isStarted();
    await starting;
    assert.deepEqual((await step).carried, [
      { id: "ends", target: null },
      { id: "comes", target: "10.0.0.1 1" },
    ]);
    assert.deepEqual(Object.keys(carried()), ["comes"]);
  });

  it("puts a whole table in place when much has changed", async () => {
    const { carrier, put, plane, faults } = bed();
    await carrier.step([], true);
    faults.add({ call: "changeRoutes", fault: () => new PlaneFault("single changes take too long") });
    for (let number = 0; number < 500; number++) put(`id-${number}`, number + 1);
    assert.equal((await carrier.step([], false)).changed, 500);
    assert.equal(plane.carried().size, 500);
  });

  it("reads all routes from time to time, and finds then what no change told", async () => {
    const { carrier, put, routes, carried, reads, time } = bed();
    put("a", 1);
    await carrier.step([], true);
    routes.delete("a");
    await carrier.step([], true);
    assert.deepEqual(carried(), { a: "10.0.0.1 1" });
    time.pass(REREAD_MS);
    await carrier.step([], false);
    assert.deepEqual(carried(), {});
    assert.deepEqual(reads, ["all", "changed", "all"]);
  });

  it("ends the connections of instances that have ended or moved, and no others", async () => {
    const { carrier, put, end, plane } = bed();
    for (const [index, id] of ["stays", "ends", "moves"].entries()) put(id, index + 1);
    await carrier.step([], true);
    const open = new Set(["stays", "ends", "moves"]);
    for (const id of [...open]) plane.connect(id, () => void open.delete(id));
    end("ends");
    put("moves", 9);
    assert.equal((await carrier.step([], false)).endedSessions, 2);
    assert.deepEqual([...open], ["stays"]);
  });

  it("ends connections with the next step that it could not end with this one, and says nothing before", async () => {
    const { carrier, put, end, plane, faults } = bed();
    put("a", 1);
    await carrier.step([], true);
    let wasEnded = false;
    plane.connect("a", () => (wasEnded = true));
    end("a");
    faults.add({ call: "endSessions", times: 1, fault: () => new PlaneFault("too late") });
    assert.deepEqual((await carrier.step(["a"], false)).carried, []);
    assert.ok(!wasEnded);
    assert.deepEqual((await carrier.step(["a"], false)).carried, [{ id: "a", target: null }]);
    assert.ok(wasEnded);
  });

  it("hands a port to the next instance without a moment in which the last one's id leads there", async () => {
    const { carrier, put, end, plane, carried } = bed();
    put("last", 1);
    await carrier.step([], true);
    let wasEnded = false;
    plane.connect("last", () => (wasEnded = true));
    end("last");
    put("next", 1);
    await carrier.step([], false);
    assert.ok(wasEnded);
    assert.deepEqual(carried(), { next: "10.0.0.1 1" });
  });
});
