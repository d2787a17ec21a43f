import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createRouteView } from "../../../apps/core/edge/route-view.ts";
import { diffRoutes, type Route } from "../../../apps/core/edge/routes.ts";

const route = (id: string, port: number, address = "10.0.0.1"): Route => ({ id, address, port });

describe("the changes between two tables of routes", () => {
  it("are none when both are equal", () => {
    assert.deepEqual(diffRoutes(new Map([["a", "10.0.0.1 1"]]), new Map([["a", "10.0.0.1 1"]])), []);
  });

  it("take away first, so that no port has two instances at any moment", () => {
    assert.deepEqual(diffRoutes(new Map([["new", "10.0.0.1 1"]]), new Map([["old", "10.0.0.1 1"]])), [
      { kind: "delete", id: "old" },
      { kind: "add", id: "new", target: "10.0.0.1 1" },
    ]);
  });

  it("are looked for where they may be, when that is known", () => {
    const desired = new Map([
      ["a", "10.0.0.1 1"],
      ["b", "10.0.0.1 2"],
    ]);
    assert.deepEqual(diffRoutes(desired, new Map([["c", "10.0.0.1 3"]]), ["b", "c", "unknown"]), [
      { kind: "delete", id: "c" },
      { kind: "add", id: "b", target: "10.0.0.1 2" },
    ]);
  });

  it("are one for a route, however often it is named", () => {
    const added = [{ kind: "add", id: "a", target: "10.0.0.1 1" }];
    assert.deepEqual(diffRoutes(new Map([["a", "10.0.0.1 1"]]), new Map(), ["a", "b", "a"]), added);
  });

  it("make one table of any other", () => {
    const tables = fc
      .dictionary(
        fc.constantFrom("a", "b", "c", "d", "e", "f"),
        fc.constantFrom("10.0.0.1 1", "10.0.0.1 2", "10.0.0.2 1"),
      )
      .map((entries) => new Map(Object.entries(entries)));
    fc.assert(
      fc.property(tables, tables, (desired, actual) => {
        const changed = new Map<string, string>(actual);
        for (const change of diffRoutes(desired, actual)) {
          if (change.kind === "delete") assert.ok(changed.delete(change.id), "only what is there is taken away");
          else {
            assert.equal(changed.has(change.id), change.kind === "set", "nothing is there twice");
            changed.set(change.id, change.target);
          }
        }
        assert.deepEqual([...changed].sort(), [...desired].sort());
      }),
    );
  });
});

describe("the view of routes", () => {
  const part = { isAll: false, routes: [], gone: [] };

  it("takes on what has changed, and forgets nothing else", () => {
    const view = createRouteView();
    view.take({ isAll: true, routes: [route("a", 1), route("b", 2)], gone: [] });
    view.take({ ...part, routes: [route("b", 3)], gone: ["a", "unknown"] });
    view.take(part);
    assert.deepEqual([...view.table()], [["b", "10.0.0.1 3"]]);
  });

  it("forgets what a complete look does not find any more", () => {
    const view = createRouteView();
    view.take({ isAll: true, routes: [route("a", 1), route("b", 2)], gone: [] });
    view.take({ isAll: true, routes: [route("b", 2)], gone: [] });
    assert.deepEqual([...view.table().keys()], ["b"]);
  });

  it("carries nobody to a host that has no address, and tells of it until it has one", () => {
    const view = createRouteView();
    view.take({ ...part, routes: [route("a", 1, "host-a.internal"), route("b", 0), route("c", 1, "fd00::1")] });
    assert.deepEqual([...view.table()], [["c", "fd00::1 1"]]);
    assert.deepEqual(
      [...view.unreachable()],
      [
        ["a", "host-a.internal"],
        ["b", "10.0.0.1"],
      ],
    );
    view.take({ ...part, routes: [route("a", 1)], gone: ["b"] });
    assert.deepEqual([...view.unreachable()], []);
  });
});
