import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keptRecords } from "../../../apps/core/operator/kept-records.ts";

describe("what is told of the records of visitors", () => {
  const times = (historyDays: number, accessRecordDays?: number) =>
    keptRecords({ historyDays, accessRecordDays })
      .slice(0, 2)
      .map((sentence) => /(\d+ days?) after/.exec(sentence)?.[1]);

  it("is how long the settings keep the address and the rest, the address as long as the rest by default", () => {
    assert.deepEqual(times(30), ["30 days", "30 days"]);
    assert.deepEqual(times(30, 1), ["1 day", "30 days"]);
  });

  it("is what happens: an address goes with its record at the latest", () => {
    assert.deepEqual(times(7, 90), ["7 days", "7 days"]);
  });
});
