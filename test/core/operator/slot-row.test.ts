import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { slotLegend, slotRow } from "../../../apps/core/operator/slot-row.ts";

describe("a host's row of slots", () => {
  const words = (row: string) =>
    Array.from(row, (letter) => new Map<string, string>(Object.entries(slotLegend)).get(letter));

  it("says by the legend what each slot is; those that nothing takes are free", () => {
    const row = slotRow(8, [
      { slot: 4, state: "port-taken" },
      { slot: 0, state: "running" },
      { slot: 1, state: "starting" },
      { slot: 2, state: "ending" },
      { slot: 6, state: "warm" },
      { slot: 7, state: "warming" },
    ]);
    assert.equal(row.length, 8);
    assert.deepEqual(words(row), ["leased", "starting", "ending", "free", "port-taken", "free", "warm", "starting"]);
  });

  it("leaves out slots beyond the capacity, which go once they are free", () => {
    assert.deepEqual(
      words(
        slotRow(1, [
          { slot: 0, state: "running" },
          { slot: 1, state: "running" },
        ]),
      ),
      ["leased"],
    );
  });
});
