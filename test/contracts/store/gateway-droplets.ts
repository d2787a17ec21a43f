import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { at, hash, start, useStore, type OpenStore } from "./bed.ts";

/** The store's contract of gateways that the fleet orders. */
export function describeGatewayDroplets(open: OpenStore): void {
  describe("droplets of gateways", () => {
    const { bed } = useStore(open);
    let term: number;
    beforeEach(async () => {
      term = await bed.lead();
    });
    const intent = { namePrefix: "gar-gw", region: "fra1", size: "small", plan: "0123456789abcdef", cap: 3 };
    const order = async (over: { term?: number; cap?: number } = {}) =>
      bed.store.gatewayDroplets.addOrder(
        over.term ?? term,
        { ...intent, tokenHash: hash("token"), cap: over.cap ?? intent.cap },
        start,
      );
    const ordered = async () => (await order()) ?? assert.fail("the order is refused");
    async function joined(dropletId: number): Promise<string> {
      const name = await ordered();
      assert.ok(await bed.store.gatewayDroplets.adopt(name, dropletId, 0.00893));
      assert.ok(await bed.store.gatewayDroplets.admit(name, at(60)));
      return name;
    }
    const states = async () => (await bed.store.gatewayDroplets.list()).map(({ state }) => state);

    it("live from order to end, and are no hosts' droplets", async () => {
      const { gatewayDroplets } = bed.store;
      const name = await joined(7);
      assert.deepEqual(await gatewayDroplets.list(), [
        {
          ...{ name, state: "joined", dropletId: 7, plan: intent.plan, orderedAt: start, joinedAt: at(60) },
          ...{ silentSince: null, drainingSince: null },
        },
      ]);
      assert.deepEqual(await bed.store.droplets.list(), []);
      assert.deepEqual(await bed.store.droplets.readOrderFailures(), { inARow: 0, outOfStock: 0, lastAt: null });
      assert.ok(await gatewayDroplets.beginDrain(term, name, at(70)));
      assert.equal(await gatewayDroplets.beginDrain(term, name, at(71)), false, "it drains already");
      await gatewayDroplets.keepTimers([{ name, silentSince: at(72), drainingSince: at(73) }]);
      const [row] = await gatewayDroplets.list();
      assert.deepEqual([row?.state, row?.silentSince, row?.drainingSince], ["draining", at(72), at(73)]);
      await gatewayDroplets.forgetSilence();
      assert.equal((await gatewayDroplets.list())[0]?.silentSince, null);
      assert.ok(await gatewayDroplets.beginDestroy(term, name, "drained", at(80)));
      assert.equal(await gatewayDroplets.beginDestroy(term, name, "drained", at(81)), false, "its end has begun");
      assert.deepEqual([await states(), await gatewayDroplets.listGoneIds(start)], [["destroying"], []]);
      await gatewayDroplets.close(name, "gone", at(90));
      await gatewayDroplets.close(name, "again", at(91));
      assert.deepEqual([await states(), await gatewayDroplets.listGoneIds(at(89))], [[], [7]]);
      assert.deepEqual(await gatewayDroplets.listGoneIds(at(90)), []);
      assert.deepEqual(await gatewayDroplets.listCosts(at(90)), [
        { dropletId: 7, hourlyPrice: 0.00893, orderedAt: start, goneAt: at(90) },
      ]);
      await bed.store.history.prune(at(90));
      assert.equal((await gatewayDroplets.listCosts(start)).length, 1);
      await bed.store.history.prune(at(91));
      assert.deepEqual(await gatewayDroplets.listCosts(start), []);
    });

    it("are ordered by the leader alone, and never more than allowed", async () => {
      assert.equal(await order({ term: term - 1 }), undefined);
      const first = await ordered();
      assert.equal(await order({ cap: 1 }), undefined);
      const second = await ordered();
      assert.notEqual(first, second);
      assert.match(first, /^gar-gw-\d+$/);
      assert.equal(await bed.store.gatewayDroplets.beginDestroy(term - 1, first, "", at(1)), false);
    });

    it("are adopted by one order each", async () => {
      const { gatewayDroplets } = bed.store;
      const [one, other] = [await ordered(), await ordered()];
      assert.ok(await gatewayDroplets.adopt(one, 7, 1));
      assert.ok(await gatewayDroplets.adopt(one, 7, 1), "again");
      assert.equal(await gatewayDroplets.adopt(one, 8, 1), false);
      assert.equal(await gatewayDroplets.adopt(other, 7, 1), false);
      await gatewayDroplets.closeOrder(other, "no room", true, at(5));
      assert.deepEqual(await gatewayDroplets.readOrderFailures(), { inARow: 1, outOfStock: 1, lastAt: at(5) });
      assert.ok(await gatewayDroplets.admit(one, at(6)));
      assert.equal(await gatewayDroplets.admit(one, at(7)), false);
    });

    it("enrol by the token that they were ordered with, with one secret, and are known by it until their end", async () => {
      const { gatewayDroplets } = bed.store;
      const name = await ordered();
      const enrol = (token: string, secret: string) =>
        gatewayDroplets.enrol({ name, tokenHash: hash(token), secretHash: hash(secret) });
      const known = (secret: string) => gatewayDroplets.identify(name, hash(secret));
      assert.equal(await enrol("another", "mine"), "refused");
      assert.equal(await known("mine"), undefined);
      assert.equal(await enrol("token", "mine"), "granted");
      assert.equal(await enrol("token", "mine"), "granted", "its answer may have been lost");
      assert.equal(await enrol("token", "a thief's"), "refused");
      assert.deepEqual([await known("mine"), await known("a thief's")], [{ isDraining: false }, undefined]);
      await gatewayDroplets.adopt(name, 7, 1);
      await gatewayDroplets.admit(name, at(60));
      assert.equal(await enrol("token", "mine"), "refused", "it has joined");
      await gatewayDroplets.beginDrain(term, name, at(61));
      assert.deepEqual(await known("mine"), { isDraining: true });
      await gatewayDroplets.beginDestroy(term, name, "drained", at(62));
      assert.equal(await known("mine"), undefined);
    });
  });
}
