import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLeaseNews, soonOver, titleOf } from "../../public/assets/lease-news.js";
import type { Entry } from "../../public/home-types.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const SECOND = 1000;
const MINUTE = 60 * SECOND;

const entry = (leftMs: number, more: Partial<Entry> = {}, id = "a"): Entry => ({
  instance: {
    id,
    host: "host",
    port: 20_000,
    username: "default",
    createdAt: new Date(NOW - 60 * MINUTE).toISOString(),
    expiresAt: new Date(NOW + leftMs).toISOString(),
  },
  state: "running",
  ...more,
});
/** What is said at each look, the leases ending later or earlier by what is left. */
const told = (...looks: readonly Entry[][]) => {
  const news = createLeaseNews();
  return looks.map((entries) => news.look(entries, NOW));
};

describe("the end of a lease", () => {
  it("is told once at ten minutes, once at one, and when it has come", () => {
    const lefts = [11 * MINUTE, 10 * MINUTE, 10 * MINUTE - SECOND, 61 * SECOND, MINUTE, 59 * SECOND];
    assert.deepEqual(
      told(
        ...lefts.map((left) => [entry(left)]),
        [entry(0, { state: "ending" })],
        [entry(0, { state: "ending" })],
        [entry(0, { state: "ended", endCause: "expired" })],
      ),
      [
        "",
        "Your Redis ends in 10 minutes.",
        "",
        "",
        "Your Redis ends in 1 minute.",
        "",
        "Your Redis is ending.",
        "",
        "Your Redis has ended. Its time was up.",
      ],
    );
  });

  it("is told with the reason when it comes from elsewhere, and not to whoever ended it", () => {
    for (const [endCause, words] of [
      ["operator", "Your Redis has ended. The operator ended it."],
      ["lost", "Your Redis has ended. It stopped unexpectedly."],
      ["owner", ""],
    ] as const)
      assert.deepEqual(told([entry(60 * MINUTE)], [entry(60 * MINUTE, { state: "ended", endCause })])[1], words);
    assert.deepEqual(told([entry(0, { state: "ended", endCause: "expired" })]), [""], "what ended before is no news");
  });

  it("is told to whoever comes late by what is left, and again after an extension", () => {
    assert.deepEqual(told([entry(7 * MINUTE)], [entry(20 * SECOND)], [entry(60 * MINUTE)], [entry(10 * MINUTE)]), [
      "Your Redis ends in 7 minutes.",
      "Your Redis ends in less than a minute.",
      "",
      "Your Redis ends in 10 minutes.",
    ]);
  });

  it("is told by the name that its holder gave it", () => {
    assert.deepEqual(told([entry(9 * MINUTE, { name: "Carts" }), entry(MINUTE, {}, "b")]), [
      "Carts ends in 9 minutes. Your Redis ends in 1 minute.",
    ]);
  });

  it("stands in the title while it is near, whichever instance is shown, and once it has come", () => {
    const [long, short] = [entry(60 * MINUTE, { name: "Carts" }), entry(9.5 * MINUTE, { name: "Queue" }, "b")];
    assert.equal(titleOf([long, short], long, NOW), "10 min left: Queue");
    assert.equal(titleOf([entry(20 * SECOND)], undefined, NOW), "1 min left: Your Redis");
    assert.equal(titleOf([long], long, NOW), "Carts");
    assert.equal(titleOf([long], entry(0, { state: "ending" }), NOW), "Ending: Your Redis");
    assert.equal(titleOf([], entry(0, { state: "ended", name: "Queue" }), NOW), "Ended: Queue");
    assert.equal(titleOf([], undefined, NOW), undefined);
  });

  it("that is nearest is the one to extend", () => {
    const entries = [entry(9 * MINUTE), entry(3 * MINUTE, {}, "b"), entry(-1, {}, "c"), entry(11 * MINUTE, {}, "d")];
    assert.deepEqual(soonOver(entries, NOW), { entry: entries[1], leftMs: 3 * MINUTE });
    assert.equal(soonOver([entry(11 * MINUTE), entry(0, { state: "ended" })], NOW), undefined);
  });
});
