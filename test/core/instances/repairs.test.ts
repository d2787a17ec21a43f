import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ContainerFacts } from "../../../apps/core/fleet/contract.ts";
import { findRepairs, type Repair, type RowFacts } from "../../../apps/core/instances/repairs.ts";

const now = new Date("2026-01-01T00:00:00Z");
const later = new Date(now.getTime() + 1000);

const row = (id: string, state: RowFacts["state"], deadline = later): RowFacts => ({ id, state, deadline });
const idsOf = (rows: readonly RowFacts[]) => new Set(rows.map(({ id }) => id));
const repairs = (
  rows: readonly RowFacts[],
  containers: readonly ContainerFacts[],
  after: ReadonlySet<string> = idsOf(rows),
) => findRepairs(rows, containers, after, now);

const anyId = fc.constantFrom("a", "b", "c", "d", "e", "f");
const anyRows = fc.uniqueArray(
  fc.oneof(
    fc.record({ id: anyId, state: fc.constant("starting" as const), deadline: fc.constantFrom(now, later) }),
    fc.record({ id: anyId, state: fc.constantFrom("running" as const, "ending" as const) }),
  ),
  { selector: ({ id }) => id },
);
const anyContainers = fc.uniqueArray(fc.record({ instanceId: anyId, running: fc.boolean() }), {
  selector: ({ instanceId }) => instanceId,
});

/** What is left once every repair is done: ends close the row and take its container along. */
function repaired(rows: readonly RowFacts[], containers: readonly ContainerFacts[], done: readonly Repair[]) {
  const gone = new Set(done.map(({ instanceId }) => instanceId));
  return {
    rows: rows.filter(({ id }) => !gone.has(id)),
    containers: containers.filter(({ instanceId }) => !gone.has(instanceId)),
  };
}

describe("findRepairs", () => {
  it("finds nothing to do where each running row has its running container", () => {
    assert.deepEqual(repairs([row("a", "running")], [{ instanceId: "a", running: true }]), []);
  });

  it("ends a running row whose container is gone or has stopped, as lost", () => {
    assert.deepEqual(repairs([row("a", "running"), row("b", "running")], [{ instanceId: "b", running: false }]), [
      { kind: "end", instanceId: "a", cause: "lost", reason: "its container is gone" },
      { kind: "end", instanceId: "b", cause: "lost", reason: "its container has stopped" },
    ]);
  });

  it("ends a starting row at its deadline, with or without a container", () => {
    const expected = [{ kind: "end", instanceId: "a", cause: "failed", reason: "still starting after its deadline" }];
    assert.deepEqual(repairs([row("a", "starting", now)], []), expected);
    assert.deepEqual(repairs([row("a", "starting", now)], [{ instanceId: "a", running: true }]), expected);
  });

  it("leaves a starting row alone before its deadline, whatever its container does", () => {
    for (const containers of [[], [{ instanceId: "a", running: false }], [{ instanceId: "a", running: true }]])
      assert.deepEqual(repairs([row("a", "starting")], containers), []);
  });

  it("leaves ending rows and their containers to the reaper", () => {
    assert.deepEqual(repairs([row("a", "ending", now)], [{ instanceId: "a", running: true }]), []);
  });

  it("removes a container without an open row, running or not", () => {
    assert.deepEqual(
      repairs(
        [],
        [
          { instanceId: "a", running: true },
          { instanceId: "b", running: false },
        ],
      ).map(({ kind, instanceId }) => [kind, instanceId]),
      [
        ["remove-container", "a"],
        ["remove-container", "b"],
      ],
    );
  });

  it("spares a container whose row came between the two readings", () => {
    assert.deepEqual(repairs([], [{ instanceId: "a", running: true }], new Set(["a"])), []);
  });

  it("never ends a starting row before its deadline, nor touches an ending one", () => {
    fc.assert(
      fc.property(anyRows, anyContainers, fc.uniqueArray(anyId), (rows, containers, after) => {
        const ended = new Set(
          findRepairs(rows, containers, new Set(after), now).flatMap((repair) =>
            repair.kind === "end" ? [repair.instanceId] : [],
          ),
        );
        for (const row of rows) {
          if (row.state === "ending" || (row.state === "starting" && row.deadline > now)) assert.ok(!ended.has(row.id));
        }
      }),
    );
  });

  it("never removes a container that had an open row when rows were last read", () => {
    fc.assert(
      fc.property(anyRows, anyContainers, fc.uniqueArray(anyId), (rows, containers, after) => {
        for (const repair of findRepairs(rows, containers, new Set(after), now))
          assert.ok(repair.kind === "end" || !after.some((id) => id === repair.instanceId));
      }),
    );
  });

  it("leaves nothing to repair for the next run", () => {
    fc.assert(
      fc.property(anyRows, anyContainers, (rows, containers) => {
        const left = repaired(rows, containers, repairs(rows, containers));
        assert.deepEqual(repairs(left.rows, left.containers), []);
      }),
    );
  });
});
