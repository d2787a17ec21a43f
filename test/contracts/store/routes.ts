import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { RoutesMark } from "../../../apps/core/edge/contract.ts";
import { createRouteView } from "../../../apps/core/edge/route-view.ts";
import { at, hash, host, newId, start, useStore, type OpenStore } from "./bed.ts";

/** Routes of instances, as gateways read them. */
export function describeRoutes(open: OpenStore): void {
  describe("routes", () => {
    const { bed, take, lease } = useStore(open);
    let view: ReturnType<typeof createRouteView>;
    let mark: RoutesMark | undefined;
    beforeEach(async () => {
      view = createRouteView();
      mark = undefined;
      await bed.store.hosts.register(host("a", { checkHost: "10.0.0.1" }), start);
      await look();
    });

    /** Reads what has changed since the last look, and these. */
    async function look(...named: string[]): Promise<[string, string][]> {
      const read = await bed.store.routes.read(mark, named);
      view.take(read);
      mark = read.mark;
      return [...view.table()].sort(([one], [other]) => (one < other ? -1 : 1));
    }

    async function warm(): Promise<string> {
      const id = newId();
      const draft = { id, passwordHash: hash("x"), nonce: hash("n"), recipe: hash("r"), createdAt: start };
      const taken = await bed.store.warmPool.begin({ ...draft, deadline: at(30), latestEnd: at(9_999) }, "a");
      assert.equal(taken.kind, "taken");
      return id;
    }

    it("are none at first", async () => {
      assert.deepEqual(await look(), []);
    });

    it("begin when an instance takes its slot, and end when its end begins", async () => {
      const { id } = await take();
      assert.deepEqual(await look(id), [[id, "10.0.0.1 20000"]]);
      await bed.store.handouts.complete(id, at(3_600), start, undefined);
      assert.deepEqual(await look(id), [[id, "10.0.0.1 20000"]]);
      await bed.store.leases.beginEnd(id, "owner", at(1));
      assert.deepEqual(await look(id), []);
      await bed.store.leases.close(id, at(2));
      assert.deepEqual(await look(id), []);
    });

    it("are there for instances that are kept ready, from their start on", async () => {
      const id = await warm();
      assert.deepEqual(await look(), [[id, "10.0.0.1 20000"]]);
      await bed.store.warmPool.ready(id, { engine: "redis", version: "7.0.15" }, at(1));
      assert.deepEqual(await look(id), [[id, "10.0.0.1 20000"]]);
      await bed.store.warmPool.end(id);
      await bed.store.leases.close(id, at(2));
      assert.deepEqual(await look(id), [], "also of one that leaves no row");
    });

    it("are found by what has changed, and by a look at all", async () => {
      const ids = [
        await lease(),
        await lease({ address: "198.51.100.2" }),
        await lease({ address: "198.51.100.3" }),
      ].sort();
      assert.deepEqual(
        (await look()).map(([id]) => id),
        ids,
      );
      await bed.store.leases.beginEnd(ids[0] ?? "", "owner", at(1));
      assert.deepEqual(
        (await look()).map(([id]) => id),
        ids.slice(1),
      );
      mark = undefined;
      assert.deepEqual(
        (await look()).map(([id]) => id),
        ids.slice(1),
      );
    });

    it("lead to where their host is now", async () => {
      const id = await lease();
      await look();
      await bed.store.hosts.register(host("a", { checkHost: "10.0.0.9" }), at(1));
      assert.deepEqual(await look(), [[id, "10.0.0.9 20000"]]);
    });

    it("are none for instances that do not exist, however many are asked for", async () => {
      assert.deepEqual(await look(...Array.from({ length: 150 }, newId)), []);
    });
  });
}
