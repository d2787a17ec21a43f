import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sampleFigures, type SamplePorts } from "../../../apps/core/figures/sample-figures.ts";
import type { MinuteFigures } from "../../../apps/core/figures/figures.ts";
import type { HostState, HeartbeatReading } from "../../../apps/core/fleet/host.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";

const now = new Date("2026-01-01T00:10:30Z");
const beat = (name: string): HeartbeatReading => ({
  kind: "beat",
  beat: {
    name,
    publicIp: "192.0.2.1",
    privateIp: "10.0.0.1",
    dockerPort: 2376,
    containers: 0,
    memAvailableMb: 100,
    sentAt: now.toISOString(),
  },
});
const host = (name: string, inUse: number, state: HostState = "active") => ({
  host: {
    name,
    engineUrl: "https://10.0.0.1:2376",
    deployment: "d",
    publicHost: "192.0.2.1",
    checkHost: "10.0.0.1",
    bindAddress: "0.0.0.0",
    capacity: 4,
    basePort: 20_000,
    state,
  },
  inUse,
  occupied: inUse,
  unreachableSince: null,
});

describe("sampling figures", () => {
  const sample = async (
    over: { redisIsAway?: boolean; lastSample?: Date; isEmpty?: boolean; isFleet?: boolean } = {},
  ) => {
    const kept = new Map<string, MinuteFigures>();
    const order: string[] = [];
    let asked: Date[] = [];
    const ports: SamplePorts = {
      store: {
        hosts: {
          list: () =>
            Promise.resolve(over.isEmpty ? [] : [host("a", 4), host("b", 1), host("c", 0), host("d", 0, "cordoned")]),
        },
        droplets: {
          list: () =>
            Promise.resolve(over.isEmpty ? [] : [{ state: "joined" }, { state: "joined" }, { state: "booting" }]),
        },
        history: {
          countHandouts: () => Promise.resolve({ running: 5 }),
        },
        figures: {
          countEnds: (from, to) => {
            asked = [from, to];
            return Promise.resolve([
              { minute: new Date("2026-01-01T00:08:00Z"), cause: "expired", ends: 2 },
              { minute: new Date("2026-01-01T00:08:00Z"), cause: "owner", ends: 1 },
              { minute: new Date("2026-01-01T00:09:00Z"), cause: "lost", ends: 3 },
            ]);
          },
          lastMinute: (source) => Promise.resolve(source === "gauges" ? over.lastSample : undefined),
          keepMinute: (minute, source, figures) => {
            order.push(source);
            kept.set(`${minute.toISOString().slice(11, 16)} ${source}`, figures);
            return Promise.resolve();
          },
        },
      },
      readHeartbeats: () =>
        over.redisIsAway
          ? Promise.reject(new Unavailable("redis", new Error("gone")))
          : Promise.resolve(new Map(["a", "b", "d"].map((name) => [name, beat(name)]))),
      clock: () => now,
    };
    await sampleFigures(ports, over.isFleet ?? true);
    return { kept, asked: asked.map((moment) => moment.toISOString().slice(0, 19)), order };
  };

  it("keeps what there is in this minute, and what ended in whole minutes before", async () => {
    const { kept, asked } = await sample({ lastSample: new Date("2026-01-01T00:09:00Z") });
    assert.deepEqual(kept.get("00:10 gauges"), {
      leases: 5,
      slots: { inUse: 5, all: 16 },
      droplets: { joined: 2, booting: 1 },
      hosts: { full: 1, open: 1, silent: 1, cordoned: 1 },
    });
    assert.deepEqual(
      [kept.get("00:08 ends"), kept.get("00:09 ends")],
      [{ ends: { expired: 2, owner: 1 } }, { ends: { lost: 3 } }],
    );
    assert.deepEqual(asked, ["2026-01-01T00:00:00", "2026-01-01T00:10:00"]);
  });

  it("keeps zeros of an empty fleet, and nothing about droplets without a fleet", async () => {
    assert.deepEqual((await sample({ isEmpty: true })).kept.get("00:10 gauges"), {
      leases: 5,
      slots: { inUse: 0, all: 0 },
      droplets: { joined: 0 },
      hosts: { open: 0 },
    });
    assert.equal((await sample({ isEmpty: true, isFleet: false })).kept.get("00:10 gauges")?.droplets, undefined);
  });

  it("counts the ends of all minutes since the last sample, up to a week", async () => {
    assert.deepEqual((await sample({ lastSample: new Date("2025-12-31T20:15:00Z") })).asked, [
      "2025-12-31T20:15:00",
      "2026-01-01T00:10:00",
    ]);
    for (const lastSample of [new Date("2025-06-01T00:00:00Z"), undefined]) {
      assert.deepEqual((await sample({ ...(lastSample && { lastSample }) })).asked, [
        "2025-12-25T00:10:00",
        "2026-01-01T00:10:00",
      ]);
    }
  });

  it("keeps the ends first: until they are kept, no sample says that they are", async () => {
    assert.deepEqual((await sample()).order, ["ends", "ends", "gauges"]);
  });

  it("leaves standings out while Redis is away: which hosts are alive is unknown then", async () => {
    const { kept } = await sample({ redisIsAway: true });
    assert.ok(!("hosts" in (kept.get("00:10 gauges") ?? {})));
    assert.equal(kept.get("00:10 gauges")?.leases, 5);
  });
});
