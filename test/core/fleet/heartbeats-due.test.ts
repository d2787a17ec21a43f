import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { heartbeatsDue, type KnownHeartbeat } from "../../../apps/core/fleet/heartbeats-due.ts";
import { beat } from "../../contracts/heartbeat.ts";

const now = new Date("2026-01-01T00:00:00Z");
const rules = { sinceMs: 1000, maxAgeMs: 10_000 };
const nameOf = (index: number) => `host-${index}`;

/** Read so many milliseconds ago, when its key had `lifeMs` left. */
const heard = (agoMs: number, lifeMs?: number): KnownHeartbeat => ({
  reading: { kind: "beat", beat: beat("any"), ...(lifeMs !== undefined && { lifeMs }) },
  readAt: new Date(now.getTime() - agoMs),
});
const silent: KnownHeartbeat = { reading: undefined, readAt: now };
const refused: KnownHeartbeat = { reading: { kind: "refused", reason: "not JSON" }, readAt: now };

/** So many hosts, all heard a moment ago but for some. */
const fleet = (count: number, others: Readonly<Record<number, KnownHeartbeat | undefined>> = {}) =>
  new Map(
    Array.from({ length: count }, (_, index) => [nameOf(index), index in others ? others[index] : heard(0, 9_000)]),
  );

describe("the heartbeats that are due", () => {
  it("are all those of a small fleet", () => {
    assert.equal(heartbeatsDue(fleet(256), [], now, rules).length, 256);
  });

  it("are of a large fleet those read longest ago: as many as the time since the last reading asks for", () => {
    const of = (sinceMs: number) => heartbeatsDue(fleet(5000), [], now, { ...rules, sinceMs });
    assert.deepEqual(
      of(1000),
      Array.from({ length: 1000 }, (_, index) => nameOf(index)),
    );
    assert.equal(of(2500).length, 2500);
    assert.equal(of(5000).length, 5000, "half of the greatest age: all");
    assert.equal(of(60_000).length, 5000);
  });

  it("are besides those never read, those whose keys have come to their end, and those of the next hosts", () => {
    const due = heartbeatsDue(
      fleet(5000, { 4000: undefined, 4001: heard(3000, 3000), 4002: heard(3000, 3001), 4003: heard(3000) }),
      [nameOf(4999)],
      now,
      rules,
    );
    assert.deepEqual(
      due.filter((name) => Number(name.slice(5)) >= 1000),
      [nameOf(4999), nameOf(4000), nameOf(4001)],
    );
  });

  it("are besides those of hosts that are silent or not believed: of very many, some at a time", () => {
    const few = heartbeatsDue(fleet(5000, { 4000: silent, 4001: refused }), [], now, rules);
    assert.deepEqual(few.slice(1000), [nameOf(4000), nameOf(4001)]);
    const all = heartbeatsDue(new Map([...fleet(5000).keys()].map((name) => [name, silent])), [], now, rules);
    assert.equal(all.length, 1256);
  });
});
