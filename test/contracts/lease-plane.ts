import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { LeasePlane } from "../../apps/core/edge/contract.ts";
import { until } from "../bed/until.ts";

/** A plane with clients, to hold it to its contract, real or a twin. */
export type LeasePlaneBed = {
  readonly plane: LeasePlane;
  /** Targets that something answers at. */
  readonly targets: readonly [string, string];
  /** Connects to an instance as a client does. */
  readonly connect: (id: string) => Promise<PlaneConnection>;
  readonly close: () => Promise<void>;
};

/** A client's connection: where it leads, undefined when it is refused. */
export type PlaneConnection = { readonly target: string | undefined; readonly isOpen: () => boolean };

const idOf = (number: number) => String(number).padStart(16, "0");

/** What every plane of leases keeps to. The suite closes a bed after each test. */
export function describeLeasePlaneContract(open: () => Promise<LeasePlaneBed>): void {
  describe("a plane of leases", () => {
    let bed: LeasePlaneBed;
    beforeEach(async () => {
      bed = await open();
    });
    afterEach(() => bed.close());

    const sorted = async () => [...(await bed.plane.readRoutes())].sort(([one], [other]) => (one < other ? -1 : 1));
    const add = (id: string, target: string) => bed.plane.changeRoutes([{ kind: "add", id, target }]);

    it("carries nothing at first, and refuses whoever asks for an instance", async () => {
      assert.deepEqual(await sorted(), []);
      assert.equal((await bed.connect(idOf(1))).target, undefined);
    });

    it("carries a route from the moment that it is added until it is taken away", async () => {
      const [target] = bed.targets;
      await add(idOf(1), target);
      assert.deepEqual(await sorted(), [[idOf(1), target]]);
      assert.equal((await bed.connect(idOf(1))).target, target);
      assert.equal((await bed.connect(idOf(2))).target, undefined);
      await bed.plane.changeRoutes([{ kind: "delete", id: idOf(1) }]);
      assert.deepEqual(await sorted(), []);
      assert.equal((await bed.connect(idOf(1))).target, undefined);
    });

    it("moves a route: new connections go to where it leads now", async () => {
      const [before, after] = bed.targets;
      await add(idOf(1), before);
      await bed.plane.changeRoutes([{ kind: "set", id: idOf(1), target: after }]);
      assert.deepEqual(await sorted(), [[idOf(1), after]]);
      assert.equal((await bed.connect(idOf(1))).target, after);
    });

    it("shows a route that was added twice as none that it should have, and has it once when it is set or taken away", async () => {
      const [target] = bed.targets;
      for (const over of ["set", "delete"] as const) {
        await add(idOf(1), target);
        await add(idOf(1), target);
        assert.notDeepEqual(await sorted(), [[idOf(1), target]]);
        await bed.plane.changeRoutes([{ kind: over, id: idOf(1), target }]);
        assert.deepEqual(await sorted(), over === "set" ? [[idOf(1), target]] : []);
        await bed.plane.changeRoutes([{ kind: "delete", id: idOf(1) }]);
      }
    });

    it("does many changes in their order, and takes away without harm what is not there", async () => {
      const [target] = bed.targets;
      const ids = Array.from({ length: 1_000 }, (_, number) => idOf(number));
      await bed.plane.changeRoutes(ids.map((id) => ({ kind: "add", id, target })));
      assert.deepEqual(
        await sorted(),
        ids.map((id) => [id, target]),
      );
      await bed.plane.changeRoutes([
        ...ids.slice(1).map((id) => ({ kind: "delete" as const, id })),
        { kind: "delete", id: "unknown000000000" },
        { kind: "delete", id: idOf(0) },
        { kind: "add", id: idOf(0), target },
      ]);
      assert.deepEqual(await sorted(), [[idOf(0), target]]);
    });

    it("puts a whole table in the place of another, and keeps open what is connected", async () => {
      const [before, after] = bed.targets;
      await add(idOf(1), before);
      await add(idOf(2), before);
      const connection = await bed.connect(idOf(1));
      await bed.plane.swapRoutes(
        new Map(Array.from({ length: 2_000 }, (_, number) => [idOf(number + 2), after] as const)),
      );
      assert.equal((await bed.plane.readRoutes()).size, 2_000);
      assert.equal((await bed.connect(idOf(1))).target, undefined);
      assert.equal((await bed.connect(idOf(2))).target, after);
      assert.ok(connection.isOpen());
      await bed.plane.swapRoutes(new Map());
      assert.deepEqual(await sorted(), []);
    });

    it("ends the connections to an instance, and no others", async () => {
      const [one, other] = bed.targets;
      await add(idOf(1), one);
      await add(idOf(2), other);
      const connections = [await bed.connect(idOf(1)), await bed.connect(idOf(1)), await bed.connect(idOf(2))];
      assert.ok(connections.every((connection) => connection.isOpen()));
      assert.equal(await bed.plane.endSessions([]), 0);
      assert.equal(await bed.plane.endSessions([{ id: idOf(1), target: one }]), 2);
      await until("they are closed", () => connections.filter((connection) => !connection.isOpen()).length === 2);
      assert.ok(connections[2]?.isOpen());
      assert.equal(await bed.plane.endSessions([{ id: idOf(1), target: one }]), 0);
    });

    it("counts connections that are open, and those that ever were", async () => {
      const [target] = bed.targets;
      await add(idOf(1), target);
      const before = await bed.plane.readFacts();
      await bed.connect(idOf(1));
      const facts = await bed.plane.readFacts();
      assert.deepEqual([facts.connections - before.connections, facts.accepted - before.accepted], [1, 1]);
    });
  });
}
