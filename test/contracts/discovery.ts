import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { ReadHeartbeats } from "../../apps/core/fleet/contract.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { beat } from "./heartbeat.ts";

/** Heartbeats of no host, to hold a reader to its contract, real or a twin. */
export type DiscoveryBed = {
  readonly discovery: { readonly readHeartbeats: ReadHeartbeats; readonly ping: () => Promise<void> };
  /** Sets a host's key for so many milliseconds; null: for ever. */
  readonly set: (hostName: string, value: string, lifeMs: number | null) => Promise<void>;
  /** Resolves when the key of a host has ended. */
  readonly outlive: (hostName: string) => Promise<void>;
  /** Ends the system, which loses all its data; it answers again when the last of these resolves. */
  readonly kill: () => Promise<void>;
  readonly restart: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Opens a reader of heartbeats; the suite closes it after each test. */
export type OpenDiscovery = () => Promise<DiscoveryBed>;

const LIFE_MS = 10_000;

const isUnavailable = (fault: unknown) =>
  fault instanceof Unavailable && fault.system === "redis" && fault.cause instanceof Error;

/** What every reader of heartbeats keeps to. */
export function describeDiscoveryContract(open: OpenDiscovery): void {
  describe("discovery", () => {
    let bed: DiscoveryBed;
    beforeEach(async () => {
      bed = await open();
    });
    afterEach(() => bed.close());

    const setBeat = (name: string, value: string | object = beat(name), lifeMs: number | null = LIFE_MS) =>
      bed.set(name, typeof value === "string" ? value : JSON.stringify(value), lifeMs);
    const kindsOf = async (names: readonly string[]) =>
      [...(await bed.discovery.readHeartbeats(names))].map(([name, { kind }]) => [name, kind]);

    it("reads the heartbeat of each host asked for, and of no other", async () => {
      for (const name of ["host-a", "host-b", "host-c"]) await setBeat(name);
      const heartbeats = await bed.discovery.readHeartbeats(["host-b", "host-a"]);
      assert.deepEqual([...heartbeats.keys()], ["host-b", "host-a"]);
      for (const [name, reading] of heartbeats) {
        assert.ok(reading.kind === "beat");
        assert.deepEqual(reading.beat, beat(name));
        const { lifeMs = 0 } = reading;
        assert.ok(lifeMs > 0 && lifeMs <= LIFE_MS, `its key has ${lifeMs} ms left`);
      }
    });

    it("leaves out a host whose key does not exist, or has expired", async () => {
      await setBeat("host-a");
      await setBeat("host-c", beat("host-c"), 50);
      await bed.outlive("host-c");
      assert.deepEqual([...(await bed.discovery.readHeartbeats(["host-a", "host-b", "host-c"])).keys()], ["host-a"]);
    });

    it("reads the newest heartbeat, which lasts for the lifetime of its key", async () => {
      await setBeat("host-a", beat("host-a"), 50);
      await setBeat("host-a", { ...beat("host-a"), containers: 4 });
      await setBeat("host-b", beat("host-b"), 50);
      await bed.outlive("host-b");
      const reading = (await bed.discovery.readHeartbeats(["host-a"])).get("host-a");
      assert.equal(reading?.kind === "beat" && reading.beat.containers, 4);
    });

    it("keeps a refused heartbeat apart from silence, beside those that are fine", async () => {
      await setBeat("host-a", "{");
      await setBeat("host-b", beat("host-a"));
      await setBeat("host-c");
      assert.deepEqual(await kindsOf(["host-a", "host-b", "host-c", "host-d"]), [
        ["host-a", "refused"],
        ["host-b", "refused"],
        ["host-c", "beat"],
      ]);
    });

    it("refuses a heartbeat that would never end, or not for a long time: no host sends such", async () => {
      await setBeat("host-a", beat("host-a"), null);
      await setBeat("host-b", beat("host-b"), 3_700_000);
      await setBeat("host-c");
      assert.deepEqual(await kindsOf(["host-a", "host-b", "host-c"]), [
        ["host-a", "refused"],
        ["host-b", "refused"],
        ["host-c", "beat"],
      ]);
    });

    it("reads a thousand hosts in one go", async () => {
      const names = Array.from({ length: 1000 }, (_, index) => `host-${index}`);
      await Promise.all(names.map((name) => setBeat(name)));
      assert.equal((await bed.discovery.readHeartbeats(names)).size, 1000);
    });

    it("throws Unavailable while the system is gone, and knows nothing when it comes back empty", async () => {
      await setBeat("host-a");
      await bed.kill();
      try {
        await assert.rejects(bed.discovery.readHeartbeats(["host-a"]), isUnavailable);
        await assert.rejects(bed.discovery.ping(), isUnavailable);
        assert.equal((await bed.discovery.readHeartbeats([])).size, 0, "no host is nothing to ask for");
      } finally {
        await bed.restart();
      }
      await bed.discovery.ping();
      assert.equal((await bed.discovery.readHeartbeats(["host-a"])).size, 0, "silent until its next heartbeat");
      await setBeat("host-a");
      assert.equal((await bed.discovery.readHeartbeats(["host-a"])).size, 1);
    });
  });
}
