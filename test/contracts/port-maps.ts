import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { PortMaps } from "../../apps/core/ports/contract.ts";
import type { PortMapReport } from "../../apps/core/ports/port-map-report.ts";
import { renderPortMap } from "../../apps/core/ports/port-map.ts";

/** An empty way to hosts' programs, and a program that reports what it is told to. */
export type PortMapBed = {
  readonly portMaps: PortMaps;
  readonly report: (host: string, report: PortMapReport) => Promise<void> | void;
};

/** Holds a way to hosts' programs to its contract. */
export function describePortMapsContract(open: () => Promise<PortMapBed> | PortMapBed): void {
  describe("port maps", () => {
    let bed: PortMapBed;
    beforeEach(async () => {
      bed = await open();
    });
    const empty = renderPortMap([]);
    const stopped = renderPortMap([{ port: 80, state: "stopped", size: 13, members: [], buckets: [] }]);

    it("are unknown for a host that was told nothing and has told nothing", async () => {
      assert.deepEqual(await bed.portMaps.read(["a"]), new Map([["a", { wanted: undefined, report: undefined }]]));
      assert.deepEqual(await bed.portMaps.read([]), new Map());
    });

    it("are those that were left last, each host's its own", async () => {
      await bed.portMaps.put("a", empty);
      await bed.portMaps.put("a", stopped);
      await bed.portMaps.put("b", empty);
      assert.deepEqual(await Promise.all(["a", "b", "c"].map((host) => bed.portMaps.readText(host))), [
        stopped.text,
        empty.text,
        undefined,
      ]);
      const facts = await bed.portMaps.read(["a", "b"]);
      assert.deepEqual([facts.get("a")?.wanted, facts.get("b")?.wanted], [stopped.revision, empty.revision]);
    });

    it("come with what the host's program has reported", async () => {
      const report = { revision: stopped.revision, result: "refused", reason: "line 2" } as const;
      await bed.report("a", report);
      assert.deepEqual((await bed.portMaps.read(["b", "a"])).get("a")?.report, report);
    });
  });
}
