import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hoursOf, readHours, refusedHours } from "../../public/assets/ops/hours.js";

const DAY = 86_400;

describe("hours on the operators' page", () => {
  it("are read as a person writes them, and turned into seconds", () => {
    for (const [text, seconds] of [
      ["2", 7200],
      [" 1.5 ", 5400],
      ["1,5", 5400],
      ["0.1", 360],
      ["24", DAY],
    ] as const)
      assert.deepEqual(readHours(text, DAY), { seconds });
  });

  it("are answered in hours when they are no number, nothing, or too many", () => {
    for (const text of ["", "soon", "2h", "-1", "1e3", "1.2.3", "0x10", "9999999"])
      assert.match(readHours(text, DAY).fault ?? "", /^Write a number of hours/, text);
    assert.match(readHours("0", DAY).fault ?? "", /use End/);
    assert.equal(readHours("30", 9000).fault, "It can end in 2.5 hours (2 h 30 min) at the latest.");
  });

  it("that were the most when they were offered are the most still, some seconds later", () => {
    assert.deepEqual(readHours("2.5", 8990), { seconds: 8990 });
  });

  it("are never offered beyond the latest end", () => {
    assert.deepEqual([0, 359, 5400, 86_399].map(hoursOf), ["0", "0", "1.5", "23.9"]);
  });

  it("that the service refuses are told by its bounds, or else by its own words", () => {
    assert.equal(
      refusedHours({ leastSeconds: 60, mostSeconds: 5400, detail: "ttlSeconds must be from 60 to 5400." }),
      "It can end in 1 min at the earliest, and in 1 h 30 min at the latest.",
    );
    assert.equal(refusedHours({ detail: "The instance has ended." }), "The instance has ended.");
  });
});
