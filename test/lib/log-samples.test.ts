import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sampleLogs } from "../../apps/lib/log-samples.ts";

describe("samples of a log", () => {
  it("are the first lines of each kind in a minute; the others are counted, and told when it is over", () => {
    const told: [string, number][] = [];
    const samples = sampleLogs(2, (kind, suppressed) => told.push([kind, suppressed]));
    const written = (kind: string, times: number) =>
      Array.from({ length: times }, () => samples.admits(kind)).filter(Boolean).length;
    assert.deepEqual([written("a", 5), written("b", 2), written("c", 1)], [2, 2, 1]);
    samples.turnOver();
    assert.deepEqual(told, [["a", 3]]);
    assert.equal(written("a", 3), 2);
    samples.stop();
    assert.deepEqual(told, [
      ["a", 3],
      ["a", 1],
    ]);
  });
});
