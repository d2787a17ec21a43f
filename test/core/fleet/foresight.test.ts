import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { arrivalsPerSecond, readArrivals, stockFor } from "../../../apps/core/fleet/demand.ts";
import type { DropletFacts } from "../../../apps/core/fleet/droplets.ts";
import { wantedEmpty } from "../../../apps/core/fleet/foresight.ts";
import { hostNamed } from "./host-named.ts";

const now = new Date("2026-01-01T00:00:00Z");
const before = (seconds: number) => new Date(now.getTime() - seconds * 1000);

/** A host of 40 slots that took so many seconds to join. */
function joined(number: number, inUse: number, { tookSeconds = 90, warm = 0, capacity = 40 } = {}): DropletFacts {
  const name = `gar-${number}`;
  return {
    row: {
      name,
      state: "joined",
      dropletId: number,
      orderedAt: before(10_000 - number + tookSeconds),
      joinedAt: before(10_000 - number),
      idleSince: null,
      unhealthySince: null,
    },
    host: {
      host: hostNamed(name, capacity, "active"),
      ...{ inUse, warm, occupied: inUse + warm, lastExpiry: null, unreachableSince: null },
      heartbeat: {
        kind: "beat",
        beat: {
          name,
          publicIp: "",
          privateIp: "",
          dockerPort: 0,
          containers: 0,
          memAvailableMb: 1,
          sentAt: "2026-01-01T00:00:00Z",
        },
      },
    },
    cloud: "unlisted",
  };
}

const wanted = (arrivalsPerSecond: number, droplets: readonly DropletFacts[], standbys = 1) =>
  wantedEmpty({ droplets, arrivalsPerSecond }, standbys);

describe("the number of empty hosts wanted", () => {
  it("is what the operator has set while nothing is asked for, and while that is enough", () => {
    assert.equal(wanted(0, [joined(1, 40)]), 1);
    assert.equal(wanted(0, [joined(1, 40)], 3), 3);
    assert.equal(wanted(0.01, [joined(1, 40)]), 1);
    assert.equal(wanted(0, []), 1);
  });

  it("is one more for each host that hand-outs fill whole until a droplet that is ordered now is a host", () => {
    // 120 s at 1 a second.
    assert.equal(wanted(1, [joined(1, 40)]), 1 + 3);
    assert.equal(wanted(1, [joined(1, 40, { tookSeconds: 270 })]), 1 + 7);
    assert.equal(wanted(1, [joined(1, 40)], 2), 2 + 3);
  });

  it("is one while few ask, however small its hosts are", () => {
    assert.equal(wanted(1 / 60, [joined(1, 2, { capacity: 2 })]), 1 + 1, "two of them fill a host of two slots");
    assert.equal(wanted(1 / 60, [joined(1, 2, { capacity: 2, tookSeconds: 5 })]), 1);
  });

  it("is less by what hosts in use have free, warm instances included", () => {
    assert.equal(wanted(1, [joined(1, 0), joined(2, 0)]), 4, "an empty host is one of them");
    assert.equal(wanted(1, [joined(1, 10), joined(2, 10, { warm: 30 })]), 1 + 1);
    assert.equal(wanted(1, [joined(1, 1), joined(2, 1), joined(3, 1), joined(4, 1)]), 1);
  });

  it("goes by the slowest of the last five that joined, and by the slots of the last", () => {
    const quick = [2, 3, 4, 5, 6].map((number) => joined(number, 40));
    assert.equal(wanted(1, [joined(1, 40, { tookSeconds: 5000 }), ...quick]), 4);
    assert.equal(wanted(1, [...quick, joined(7, 80, { capacity: 80 })]), 2);
  });

  it("is none where none is ever to be ordered", () => {
    assert.equal(wanted(100, [joined(1, 40)], 0), 0);
  });

  it("is what the operator has set until a first host tells how many slots a droplet has", () => {
    assert.equal(wanted(100, []), 1);
  });
});

describe("what is asked for", () => {
  it("is counted over the last minute and the last ten, and the higher rate counts", async () => {
    assert.equal(arrivalsPerSecond(60, 60), 1);
    assert.equal(arrivalsPerSecond(0, 600), 1);
    const asked: Date[] = [];
    const rate = await readArrivals((since) => Promise.resolve({ all: asked.push(since) === 1 ? 30 : 1200 }), now);
    assert.deepEqual(asked, [before(60), before(600)]);
    assert.equal(rate, 2);
  });

  it("has a reserve that matters less the more there is", () => {
    assert.equal(stockFor(0, 100), 0);
    assert.ok(stockFor(0.01, 100) > 3);
    assert.ok(stockFor(100, 100) < 10_000 * 1.03);
  });
});
