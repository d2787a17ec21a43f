import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createReplyBudget } from "../../../apps/core/console/reply-budget.ts";

const at = (seconds: number) => new Date(1_800_000_000_000 + seconds * 1000);

describe("a budget of replies", () => {
  it("lets a caller read up to its bytes, and again a minute after its first reply", () => {
    const budget = createReplyBudget(100);
    budget.charge(["a"], 60, at(0));
    assert.equal(budget.waitMs(["a"], at(10)), 0);
    budget.charge(["a"], 60, at(20));
    assert.equal(budget.waitMs(["a"], at(20)), 40_000);
    assert.equal(budget.waitMs(["a"], at(59.999)), 1);
    assert.equal(budget.waitMs(["a"], at(60)), 0);
    budget.charge(["a"], 60, at(60));
    assert.equal(budget.waitMs(["a"], at(60)), 0, "the new minute begins with nothing read");
  });

  it("counts each caller for itself, and refuses when one of those concerned has read its share", () => {
    const budget = createReplyBudget(100);
    budget.charge(["a", "i"], 100, at(0));
    budget.charge(["b", "j"], 100, at(30));
    assert.equal(budget.waitMs(["c", "k"], at(30)), 0);
    assert.equal(budget.waitMs(["a", "k"], at(30)), 30_000);
    assert.equal(budget.waitMs(["c", "j"], at(30)), 60_000);
    assert.equal(budget.waitMs(["a", "j"], at(30)), 60_000, "the later of the two");
  });

  it("remembers nobody for longer than a minute", () => {
    const budget = createReplyBudget(100);
    for (let caller = 0; caller < 120; caller++) budget.charge([`${caller}`], 1000, at(caller));
    assert.equal(budget.count(), 60);
    assert.equal(budget.waitMs(["119"], at(200)), 0);
    assert.equal(budget.count(), 0);
  });
});
