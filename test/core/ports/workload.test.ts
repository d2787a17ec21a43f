import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  recipeOf,
  stepsTo,
  whyNoWorkload,
  workloadContainerName,
  type WorkloadContainer,
  type WorkloadSpec,
  type WorkloadStep,
} from "../../../apps/core/ports/workload.ts";

const spec = (facts: Partial<WorkloadSpec> = {}): WorkloadSpec => ({
  host: "one",
  name: "web",
  image: "web:1",
  command: ["/run.sh"],
  memoryMb: 64,
  millicpus: 500,
  copies: 2,
  state: "running",
  ...facts,
});
const container = (copy: number, facts: Partial<WorkloadContainer> = {}): WorkloadContainer => ({
  id: `id-${copy}`,
  name: workloadContainerName("web", copy),
  workload: "web",
  recipe: recipeOf(spec()),
  state: "running",
  ...facts,
});
const told = (steps: readonly WorkloadStep[]) => steps.map(({ kind, container: name }) => `${kind} ${name}`);

/** What becomes of containers by steps, as an engine would do them. */
function carriedOut(workload: WorkloadSpec, before: readonly WorkloadContainer[], steps: readonly WorkloadStep[]) {
  const there = new Map(before.map((each) => [each.name, each]));
  for (const { kind, container: called } of steps) {
    const name = [...there.values()].find(({ id }) => id === called)?.name ?? called;
    const one = there.get(name);
    if (kind === "create") {
      assert.ok(!one, "a name is free before it is given again");
      there.set(name, {
        id: `new-${name}`,
        name,
        workload: workload.name,
        recipe: recipeOf(workload),
        state: "stopped",
      });
      continue;
    }
    assert.ok(one, `${kind} of one that is there`);
    const from = { start: "stopped", stop: "running", pause: "running", unpause: "paused", remove: one.state } as const;
    assert.equal(one.state, from[kind]);
    if (kind === "remove") there.delete(name);
    else
      there.set(name, {
        ...one,
        state: ({ start: "running", stop: "stopped", pause: "paused", unpause: "running" } as const)[kind],
      });
  }
  return [...there.values()];
}

describe("a workload", () => {
  it("gets its containers, and nothing more once they run", () => {
    assert.deepEqual(told(stepsTo(spec(), [])), [
      "create workload-web-1",
      "start workload-web-1",
      "create workload-web-2",
      "start workload-web-2",
    ]);
    assert.deepEqual(stepsTo(spec(), [container(1), container(2)]), []);
  });

  it("loses what is more than its copies, and all when it is removed", () => {
    assert.deepEqual(told(stepsTo(spec({ copies: 1 }), [container(1), container(2)])), ["remove id-2"]);
    assert.deepEqual(told(stepsTo(spec({ state: "removed" }), [container(1), container(2)])), [
      "remove id-1",
      "remove id-2",
    ]);
  });

  it("gets new containers for another image, command or limit, and none for another number", () => {
    for (const change of [{ image: "web:2" }, { command: null }, { memoryMb: 65 }, { millicpus: 501 }])
      assert.deepEqual(told(stepsTo(spec({ ...change, copies: 1 }), [container(1)])), [
        "remove id-1",
        "create workload-web-1",
        "start workload-web-1",
      ]);
    assert.deepEqual(told(stepsTo(spec({ copies: 1 }), [container(1)])), []);
  });

  it("leaves containers of others alone", () => {
    assert.deepEqual(stepsTo(spec({ state: "removed" }), [container(1, { workload: "other" })]), []);
  });

  it("comes from whatever there is to what should be, and then rests", () => {
    const states = fc.constantFrom("running", "paused", "stopped");
    const there = fc.uniqueArray(
      fc.record({ copy: fc.integer({ min: 1, max: 6 }), state: states, isOld: fc.boolean() }),
      { selector: ({ copy }) => copy },
    );
    const wanted = fc.record({
      copies: fc.integer({ min: 1, max: 6 }),
      state: fc.constantFrom("running", "paused", "stopped", "removed"),
    });
    fc.assert(
      fc.property(there, wanted, (some, facts) => {
        const workload = spec(facts);
        const before = some.map(({ copy, state, isOld }) =>
          container(copy, { state, ...(isOld && { recipe: "old" }) }),
        );
        const after = carriedOut(workload, before, stepsTo(workload, before));
        assert.deepEqual(
          after.map(({ name, state }) => `${name} ${state}`).sort(),
          facts.state === "removed"
            ? []
            : Array.from({ length: facts.copies }, (_, index) => `workload-web-${index + 1} ${facts.state}`),
        );
        assert.deepEqual(stepsTo(workload, after), []);
      }),
    );
  });

  it("is refused with a wrong name, image, limit, number or command", () => {
    assert.equal(whyNoWorkload(spec()), undefined);
    assert.equal(whyNoWorkload(spec({ command: null })), undefined);
    for (const [facts, why] of [
      [{ name: "-web" }, /name/],
      [{ name: "a".repeat(33) }, /name/],
      [{ name: "web/../x" }, /name/],
      [{ image: "Web;id" }, /is no name of an image/],
      [{ memoryMb: 5 }, /memoryMb is 5: it must be a whole number, 6 to/],
      [{ millicpus: 0.5 }, /millicpus/],
      [{ copies: 0 }, /copies/],
      [{ copies: 201 }, /copies/],
      [{ command: [] }, /1 to 64 words/],
      [{ command: ["a\0b"] }, /NUL/],
      [{ command: ["a".repeat(4097)] }, /4096 characters/],
    ] as const)
      assert.match(whyNoWorkload(spec(facts)) ?? "", why);
  });
});
