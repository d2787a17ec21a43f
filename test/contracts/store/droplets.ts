import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { at, hash, host, start, useStore, type OpenStore } from "./bed.ts";

/** The store's contract of droplets, from order to end, and of who may write them. */
export function describeDroplets(open: OpenStore): void {
  describe("droplets", () => {
    const { bed, take, joined } = useStore(open);
    let term: number;
    beforeEach(async () => {
      term = await bed.lead();
    });
    const order = (over: { token?: string; cap?: number; term?: number } = {}) =>
      bed.store.droplets.addOrder(
        over.term ?? term,
        {
          namePrefix: "gar",
          region: "fra1",
          size: "small",
          tokenHash: hash(over.token ?? "token"),
          cap: over.cap ?? 10,
        },
        start,
      );
    const takeOn = (hostName: string) => take({ hostName, now: at(70) });

    describe("an order", () => {
      it("gets a name of its own before the cloud is asked", async () => {
        assert.deepEqual([await order(), await order()], ["gar-1", "gar-2"]);
        assert.deepEqual(
          (await bed.store.droplets.list()).map(({ name, state, dropletId, orderedAt }) => ({
            name,
            state,
            dropletId,
            orderedAt,
          })),
          ["gar-1", "gar-2"].map((name) => ({ name, state: "ordered", dropletId: null, orderedAt: start })),
        );
      });

      it("is refused at the cap, however many ask at once", async () => {
        const names = await Promise.all(Array.from({ length: 8 }, () => order({ cap: 3 })));
        assert.equal(names.filter((name) => name !== undefined).length, 3);
      });

      it("is refused to a leader whose term is over", async () => {
        assert.equal(await bed.lead(), term + 1);
        assert.equal(await order(), undefined);
        assert.equal(await order({ term: term + 1 }), "gar-1");
      });

      it("takes one droplet, and a droplet is taken by one order", async () => {
        await order();
        await order();
        assert.deepEqual(
          [
            await bed.store.droplets.adopt("gar-1", 7, 0.01),
            await bed.store.droplets.adopt("gar-1", 8, 0.01),
            await bed.store.droplets.adopt("gar-2", 7, 0.01),
          ],
          [true, false, false],
        );
      });

      it("that failed counts until one becomes a host", async () => {
        await order();
        await bed.store.droplets.closeOrder("gar-1", "no machine", true, at(1));
        await order();
        await bed.store.droplets.closeOrder("gar-2", "limit", false, at(2));
        assert.deepEqual(await bed.store.droplets.readOrderFailures(), { inARow: 2, outOfStock: 1, lastAt: at(2) });
        await joined(term, 3);
        assert.deepEqual(await bed.store.droplets.readOrderFailures(), { inARow: 0, outOfStock: 0, lastAt: null });
      });

      it("that boots too long counts as failed from the moment it is given up", async () => {
        await order();
        await bed.store.droplets.adopt("gar-1", 7, 0.01);
        assert.ok(await bed.store.droplets.beginDestroy(term, "gar-1", "too slow", "none", at(600)));
        assert.deepEqual(await bed.store.droplets.readOrderFailures(), { inARow: 1, outOfStock: 0, lastAt: at(600) });
      });
    });

    describe("enrolment", () => {
      const ask = (token: string, key: string, hostName = "gar-1") =>
        bed.store.droplets.enrol({ hostName, tokenHash: hash(token), keyHash: hash(key) });

      it("is granted to the order's token, again to the same key, and to no other key", async () => {
        await order({ token: "right" });
        assert.equal(await ask("right", "first key"), "granted");
        assert.equal(await ask("right", "first key"), "granted");
        assert.equal(await ask("right", "another key"), "refused");
      });

      it("is refused for another's token, an unknown host, and once the droplet has joined or goes", async () => {
        await order({ token: "one" });
        await order({ token: "two" });
        assert.equal(await ask("two", "key"), "refused");
        assert.equal(await ask("one", "key", "gar-9"), "refused");
        await bed.store.droplets.adopt("gar-1", 7, 0.01);
        assert.equal(await ask("one", "key"), "granted");
        await bed.store.droplets.admit(host("gar-1"), at(60));
        assert.equal(await ask("one", "key"), "refused");
        await bed.store.droplets.adopt("gar-2", 8, 0.01);
        await bed.store.droplets.beginDestroy(term, "gar-2", "too slow", "none", at(600));
        assert.equal(await ask("two", "key", "gar-2"), "refused");
      });
    });

    describe("a host", () => {
      it("is made of a booted droplet, once", async () => {
        const name = await joined(term, 7);
        assert.equal(await bed.store.droplets.admit(host(name), at(61)), false);
        const [found] = await bed.store.hosts.list();
        assert.deepEqual(
          [found?.host.name, found?.host.state, found?.host.engineUrl],
          [name, "active", "unix:///run/docker.sock"],
        );
        const [row] = await bed.store.droplets.list();
        assert.deepEqual([row?.state, row?.joinedAt, row?.idleSince], ["joined", at(60), at(60)]);
      });

      it("is not made of a droplet that was given up meanwhile", async () => {
        await order();
        await bed.store.droplets.adopt("gar-1", 7, 0.01);
        await bed.store.droplets.beginDestroy(term, "gar-1", "too slow", "none", at(600));
        assert.equal(await bed.store.droplets.admit(host("gar-1"), at(601)), false);
        assert.deepEqual(await bed.store.hosts.list(), []);
      });

      it("is drained when it is empty, and takes nothing from then on", async () => {
        const name = await joined(term, 7);
        assert.ok(await bed.store.droplets.beginDrain(term, name));
        assert.equal((await takeOn(name)).kind, "host-closed");
      });

      it("is not drained with a lease, nor one in flight, nor by a former leader", async () => {
        const name = await joined(term, 7);
        assert.equal(await bed.store.droplets.beginDrain(term + 1, name), false);
        assert.equal((await takeOn(name)).kind, "taken");
        assert.equal(await bed.store.droplets.beginDrain(term, name), false);
        assert.equal(await bed.store.droplets.beginDestroy(term, name, "why", "none", at(80)), false);
      });

      it("can be opened again while it drains, and not once it is to be destroyed", async () => {
        const name = await joined(term, 7);
        await bed.store.droplets.beginDrain(term, name);
        assert.ok(await bed.store.hosts.setState(name, "active"));
        await bed.store.droplets.beginDrain(term, name);
        assert.ok(await bed.store.droplets.beginDestroy(term, name, "drained and empty", "none", at(80)));
        assert.equal(await bed.store.hosts.setState(name, "active"), false);
        assert.deepEqual(
          (await bed.store.hosts.list()).map(({ host }) => host.state),
          ["draining"],
        );
      });

      it("that is gone is no host any more: its slots are gone, its instances closed, its leases lost", async () => {
        const name = await joined(term, 7);
        const { id: running } = await takeOn(name);
        await bed.store.handouts.complete(running, at(3600), at(71), undefined);
        const { id: starting } = await takeOn(name);
        const { mark } = await bed.store.hosts.listChanged(undefined, []);
        await bed.store.droplets.close(name, "its droplet is gone", at(90));
        await bed.store.droplets.close(name, "again", at(91));
        const changes = await bed.store.hosts.listChanged(mark, [name]);
        assert.deepEqual([changes.hosts, changes.gone], [[], [name]]);
        assert.deepEqual(await bed.store.hosts.list(), []);
        assert.deepEqual(await bed.store.droplets.list(), []);
        assert.deepEqual(
          (await bed.store.droplets.listLives(at(90))).map(({ state, goneAt }) => [state, goneAt]),
          [["gone", at(90)]],
        );
        assert.deepEqual(
          [await bed.store.leases.find(running), await bed.store.leases.find(starting)].map((each) => [
            each?.state,
            each?.endCause,
          ]),
          [
            ["ended", "lost"],
            ["ended", "failed"],
          ],
        );
        for (const kind of ["slots", "quotaPlaces"] as const) assert.equal(await bed.count(kind), 0, kind);
        assert.deepEqual(await bed.store.leases.listDue(at(100_000)), []);
      });

      it("that is destroyed with its leases marks them as lost at once", async () => {
        const name = await joined(term, 7);
        const { id } = await takeOn(name);
        await bed.store.handouts.complete(id, at(3600), at(71), undefined);
        assert.ok(await bed.store.droplets.beginDestroy(term, name, "off", "lost", at(90)));
        const lost = await bed.store.leases.find(id);
        assert.deepEqual([lost?.state, lost?.endCause], ["ending", "lost"]);
      });

      it("knows since when its engine has not answered, until it answers", async () => {
        const name = await joined(term, 7);
        const since = async () => (await bed.store.hosts.list())[0]?.unreachableSince;
        assert.equal(await since(), null);
        await bed.store.droplets.keepReachability([], [name], at(65));
        await bed.store.droplets.keepReachability([], [name], at(70));
        assert.deepEqual(await since(), at(65));
        const { mark } = await bed.store.hosts.listChanged(undefined, []);
        await bed.store.droplets.keepReachability([name], [], at(71));
        await bed.store.droplets.keepReachability([], [name], at(72));
        const [changed] = (await bed.store.hosts.listChanged(mark, [])).hosts;
        assert.deepEqual(changed?.unreachableSince, at(72));
        await bed.store.droplets.keepReachability([name], [], at(75));
        assert.equal(await since(), null);
      });

      it("keeps its timers", async () => {
        const name = await joined(term, 7);
        await bed.store.droplets.keepTimers([{ name, idleSince: null, unhealthySince: at(65) }]);
        const [row] = await bed.store.droplets.list();
        assert.deepEqual([row?.idleSince, row?.unhealthySince], [null, at(65)]);
      });

      it("is deleted with the history, once no instance refers to it", async () => {
        const name = await joined(term, 7);
        const { id } = await takeOn(name);
        await bed.store.handouts.complete(id, at(3600), at(71), undefined);
        await bed.store.droplets.close(name, "gone", at(90));
        await bed.store.events.add({ actor: "scale", kind: "close", host: name, reason: "gone" }, at(90));
        await bed.store.history.prune(at(90));
        assert.equal(await bed.count("hosts"), 1);
        await bed.store.history.prune(at(91));
        for (const kind of ["hosts", "droplets", "events", "instances"] as const)
          assert.equal(await bed.count(kind), 0, kind);
      });
    });
  });
}
