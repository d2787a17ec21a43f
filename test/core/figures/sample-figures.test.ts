import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EndCause } from "../../../apps/core/events/names.ts";
import type { MinuteFigures } from "../../../apps/core/figures/figures.ts";
import { sampleFigures } from "../../../apps/core/figures/sample-figures.ts";
import { SCALING } from "../../../apps/core/fleet/scaling.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinLeadership } from "../../../apps/twins/leadership.ts";
import { createTwinService, type TwinService } from "../../bed/twin-service.ts";

const now = new Date("2026-01-01T00:10:30Z");
const LONG_AGO = new Date("2025-01-01T00:00:00Z");

/** A service to be sampled, and what a sample leaves. */
async function open(prepare: (service: TwinService) => Promise<unknown> = () => Promise.resolve()) {
  const service = createTwinService({ start: now });
  await prepare(service);
  const sample = (isFleet = true) =>
    sampleFigures(
      { store: service.store, readHeartbeats: service.discovery.readHeartbeats, clock: service.clock },
      isFleet,
    );
  const kept = (): Record<string, MinuteFigures> =>
    Object.fromEntries(
      [...service.tables.minutes.values()].map(({ minute, source, figures }) => [
        `${minute.toISOString().slice(0, 16)} ${source}`,
        figures,
      ]),
    );
  return { service, sample, kept };
}

/** Hosts of every standing with five leases, two of them droplets, and a third droplet on its way. */
async function addFleet(service: TwinService): Promise<void> {
  const { store, elsewhere } = service;
  const term = (await createTwinLeadership(service.tables, SCALING).term()) ?? assert.fail("nobody else leads");
  const order = { namePrefix: "d", region: "fra1", size: "small", tokenHash: Buffer.alloc(32), cap: 9 };
  for (const dropletId of [1, 2, 3]) {
    const name = (await elsewhere.droplets.addOrder(term, order, now)) ?? assert.fail("no order");
    await elsewhere.droplets.adopt(name, dropletId, 0.01);
    if (dropletId === 3) continue;
    await service.addHost(name, { capacity: 4 });
    const [known] = (await store.hosts.list()).filter(({ host }) => host.name === name);
    await elsewhere.droplets.admit(known?.host ?? assert.fail("no host"), now);
  }
  for (const name of ["silent", "cordoned"]) await service.addHost(name, { capacity: 4 });
  service.discovery.remove("silent");
  await elsewhere.hosts.setState("cordoned", "cordoned");
  for (let index = 0; index < 4; index++) await service.addInstance(`i${index}`, "d-1", "running");
  await service.addInstance("i4", "d-2", "running");
}

/** Adds instances that ended in such a way at such a time. */
async function addEnds(service: TwinService, ends: readonly (readonly [string, EndCause])[]): Promise<void> {
  await service.addHost("past", { capacity: 100 });
  for (const [index, [time, cause]] of ends.entries()) {
    const id = `past${index}`;
    await service.addInstance(id, "past", "running", { ttlSeconds: 60 });
    assert.ok(await service.elsewhere.leases.beginEnd(id, cause, new Date(now.getTime() + 60_000)));
    await service.elsewhere.leases.close(id, new Date(time));
  }
}

describe("sampling figures", () => {
  it("keeps what there is in this minute, and what ended in whole minutes before", async () => {
    const { service, sample, kept } = await open(addFleet);
    await addEnds(service, [
      ["2026-01-01T00:08:00Z", "expired"],
      ["2026-01-01T00:08:59Z", "expired"],
      ["2026-01-01T00:08:30Z", "owner"],
      ["2026-01-01T00:09:59Z", "lost"],
      ["2026-01-01T00:10:10Z", "owner"],
    ]);
    await service.elsewhere.hosts.register({ ...hostOf(service, "past"), capacity: 0 }, now);
    await sample();
    assert.deepEqual(kept(), {
      "2026-01-01T00:08 ends": { ends: { expired: 2, owner: 1 } },
      "2026-01-01T00:09 ends": { ends: { lost: 1 } },
      "2026-01-01T00:10 gauges": {
        leases: 5,
        slots: { inUse: 5, all: 16 },
        droplets: { joined: 2, booting: 1 },
        hosts: { full: 2, open: 1, silent: 1, cordoned: 1 },
      },
    });
  });

  it("keeps that a fleet has no host and no droplet, and of a service without a fleet nothing about droplets", async () => {
    const { sample, kept } = await open();
    await sample(true);
    const fleet = { leases: 0, slots: { inUse: 0, all: 0 }, hosts: { open: 0 }, droplets: { joined: 0 } };
    assert.deepEqual(kept(), { "2026-01-01T00:10 gauges": fleet });
    await sample(false);
    assert.equal(kept()["2026-01-01T00:10 gauges"]?.droplets, undefined);
  });

  describe("makes up for the ends of minutes in which no job ran", () => {
    const table: readonly (readonly [what: string, last: Date | undefined, kept: string, forgotten: string])[] = [
      ["since the last sample", new Date("2025-12-31T20:15:00Z"), "2025-12-31T20:15:00Z", "2025-12-31T20:14:59Z"],
      [
        "as far back as ten minutes in any case",
        new Date("2026-01-01T00:09:00Z"),
        "2026-01-01T00:00:00Z",
        "2025-12-31T23:59:59Z",
      ],
      ["as far back as a week", LONG_AGO, "2025-12-25T00:10:00Z", "2025-12-25T00:09:59Z"],
      ["as far back as a week when there was no sample", undefined, "2025-12-25T00:10:00Z", "2025-12-25T00:09:59Z"],
    ];
    for (const [what, last, counted, forgotten] of table)
      it(what, async () => {
        const { service, sample, kept } = await open();
        await addEnds(service, [
          [counted, "owner"],
          [forgotten, "owner"],
        ]);
        if (last) await service.elsewhere.figures.keepMinute(last, "gauges", { leases: 1 });
        await sample();
        const ends = Object.entries(kept()).filter(([name]) => name.endsWith("ends"));
        assert.deepEqual(ends, [[`${counted.slice(0, 16)} ends`, { ends: { owner: 1 } }]]);
      });
  });

  it("keeps the ends first: until they are kept, no sample says that they are", async () => {
    const { service, sample, kept } = await open();
    await addEnds(service, [["2026-01-01T00:08:00Z", "owner"]]);
    const isEnds = (_minute: Date, source: string) => source === "ends";
    const down = new Unavailable("mysql", new Error("down"));
    service.faults.add({ call: "figures.keepMinute", matches: isEnds, fault: () => down });
    await assert.rejects(sample(), down);
    assert.deepEqual(kept(), {});
  });

  it("leaves standings out while Redis is away: who is alive is unknown, nobody is dead", async () => {
    const { service, sample, kept } = await open(addFleet);
    service.faults.add({ call: "readHeartbeats", fault: () => new Unavailable("redis", new Error("gone")) });
    await sample();
    const gauges = kept()["2026-01-01T00:10 gauges"];
    assert.ok(gauges && !("hosts" in gauges));
    assert.equal(gauges.leases, 5);
  });

  it("by two at once keeps the same as by one", async () => {
    const { service, sample, kept } = await open(addFleet);
    await addEnds(service, [["2026-01-01T00:08:00Z", "owner"]]);
    await sample();
    const once = kept();
    service.tables.minutes.clear();
    await Promise.all([sample(), sample()]);
    assert.deepEqual(kept(), once);
  });
});

function hostOf({ tables }: TwinService, name: string) {
  return tables.hosts.get(name) ?? assert.fail(`there is no host ${name}`);
}
