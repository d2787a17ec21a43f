import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { createTwinDiscovery } from "../../apps/twins/discovery.ts";
import { createVirtualTime } from "../../apps/twins/time.ts";
import { createCallFaults } from "../../apps/twins/turns.ts";
import { describeDiscoveryContract } from "../contracts/discovery.ts";

const start = new Date("2026-01-01T00:00:00Z");

describe("heartbeats in memory", () => {
  describeDiscoveryContract(() => {
    const { clock, pass } = createVirtualTime(start);
    const faults = createCallFaults();
    const discovery = createTwinDiscovery({ clock, faults });
    return Promise.resolve({
      discovery,
      set: (hostName, value, lifeMs) => {
        discovery.set(hostName, value, lifeMs);
        return Promise.resolve();
      },
      outlive: async (hostName) => {
        while ((await discovery.readHeartbeats([hostName])).size > 0) pass(10);
      },
      kill: () => {
        discovery.clear();
        faults.add({
          matches: (...given: unknown[]) => !(Array.isArray(given[0]) && given[0].length === 0),
          fault: () => new Unavailable("redis", new Error("gone")),
        });
        return Promise.resolve();
      },
      restart: () => {
        faults.clear();
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    });
  });

  it("last ten seconds when no lifetime is given", async () => {
    const { clock, pass } = createVirtualTime(start);
    const discovery = createTwinDiscovery({ clock });
    discovery.beat("host-a", { containers: null });
    pass(9_999);
    const reading = (await discovery.readHeartbeats(["host-a"])).get("host-a");
    assert.deepEqual(reading?.kind === "beat" && [reading.beat.name, reading.beat.containers], ["host-a", null]);
    pass(1);
    assert.equal((await discovery.readHeartbeats(["host-a"])).size, 0);
  });
});
