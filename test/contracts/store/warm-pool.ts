import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EndCause } from "../../../apps/core/events/names.ts";
import type { InstanceSearch } from "../../../apps/core/operator/instance-search.ts";
import type { Store } from "../../../apps/core/store.ts";
import type { WarmOffer } from "../../../apps/core/warm-pool/contract.ts";
import { at, claimFor, hash, host, kinds, newId, start, useStore, type OpenStore } from "./bed.ts";

const recipe = hash("recipe");
const server = { engine: "redis", version: "7.0.15" } as const;
/** Takes what has been ready since the start. */
const offer: WarmOffer = { recipe, readySince: start };
const causes: readonly EndCause[] = ["expired", "owner", "operator", "failed", "abandoned", "lost", "misuse"];
const searches: readonly InstanceSearch[] = (["all", "open", "ending", "ended"] as const).map((state) => ({
  state,
  order: "created",
  descending: true,
}));

/** The store's contract of instances that are nobody's yet, and of hand-outs that take them. */
export function describeWarmPool(open: OpenStore): void {
  describe("the warm pool", () => {
    const { bed, take, lease, usage, joined } = useStore(open);

    const draft = ({ id = newId(), now = start, of = recipe } = {}) => ({
      id,
      passwordHash: hash(`password of ${id}`),
      nonce: hash(`nonce of ${id}`),
      recipe: of,
      createdAt: now,
      deadline: new Date(now.getTime() + 20_000),
      latestEnd: new Date(now.getTime() + 100_000_000),
    });
    type Warming = Parameters<typeof draft>[0] & { readonly hostName?: string; readonly from?: Store };

    /** Begins to warm one on host "a". */
    async function begin({ hostName = "a", from = bed.store, ...over }: Warming = {}) {
      const begun = draft(over);
      return { id: begun.id, ...(await from.warmPool.begin(begun, hostName)) };
    }

    /** Warms one on host "a". */
    async function warm(over: Warming = {}): Promise<string> {
      const { id, kind } = await begin(over);
      assert.equal(kind, "taken");
      assert.ok(await bed.store.warmPool.ready(id, server, over.now ?? start));
      return id;
    }

    const pool = async () => (await bed.store.warmPool.list()).map(({ instanceId, state }) => [instanceId, state]);
    const warmOn = async () => (await bed.store.hosts.list()).map(({ host: { name }, warm: held }) => [name, held]);
    const fourProcesses = () => [bed.store, bed.another(), bed.another(), bed.another()];

    it("holds slots, and is nobody's: without quota places, in no list, no search and no count", async () => {
      await bed.store.hosts.register(host("a"), start);
      const [warming, ready, ending] = [(await begin()).id, await warm({ now: at(1) }), await warm({ now: at(2) })];
      assert.ok(await bed.store.warmPool.end(ending));
      assert.deepEqual([await usage(), await warmOn(), await bed.count("quotaPlaces")], [[["a", 0, 3]], [["a", 2]], 0]);
      assert.deepEqual(await pool(), [
        [warming, "warming"],
        [ready, "warm"],
      ]);
      for (const id of [warming, ready, ending]) {
        assert.deepEqual(
          [await bed.store.leases.find(id), await bed.store.leases.findContainer(id)],
          [undefined, undefined],
        );
        assert.equal(await bed.store.leases.setExpiry(id, at(60), start), false);
        for (const cause of causes) assert.equal(await bed.store.leases.beginEnd(id, cause, at(999_999)), false, cause);
      }
      for (let port = 20_000; port < 20_003; port++)
        assert.equal(await bed.store.leases.findAt("192.0.2.1", port), undefined);
      assert.deepEqual([await bed.store.leases.listHeld(), await bed.store.leases.listServers()], [[], []]);
      for (const search of searches)
        assert.deepEqual([await bed.store.search.find(search, 10), await bed.store.search.count(search)], [[], 0]);
      assert.deepEqual(await bed.store.history.countHandouts(at(3)), { running: 0, startedEver: 0 });
      assert.deepEqual(
        (await bed.store.slots.listTaken(at(3))).map(({ slot, state }) => [slot, state]),
        [
          [0, "warming"],
          [1, "warm"],
          [2, "ending"],
        ],
      );
      await bed.store.leases.close(ending, at(4));
      assert.deepEqual(
        [await usage(), await bed.count("instances")],
        [[["a", 0, 2]], 2],
        "no row stays of one that ended",
      );
    });

    it("begins nothing on a host that is closed, unknown or full", async () => {
      await bed.store.hosts.register(host("a", { capacity: 1 }), start);
      assert.equal((await begin({ hostName: "nobody" })).kind, "host-closed");
      for (const state of ["cordoned", "draining"] as const) {
        await bed.store.hosts.setState("a", state);
        assert.equal((await begin()).kind, "host-closed");
      }
      await bed.store.hosts.setState("a", "active");
      assert.deepEqual(
        [(await begin()).kind, (await begin()).kind, await bed.count("instances")],
        ["taken", "host-full", 1],
      );
    });

    it("is ready in time, on a host that is open, and before its end", async () => {
      await bed.store.hosts.register(host("a"), start);
      const [late, ended, closed, once] = await Promise.all(Array.from({ length: 4 }, async () => (await begin()).id));
      assert.ok(late && ended && closed && once);
      const isReady = (id: string, now = start) => bed.store.warmPool.ready(id, server, now);
      assert.equal(await isReady(late, at(20)), false);
      await bed.store.warmPool.end(ended);
      assert.equal(await isReady(ended), false);
      await bed.store.hosts.setState("a", "draining");
      assert.equal(await isReady(closed), false);
      await bed.store.hosts.setState("a", "active");
      assert.deepEqual([await isReady(once), await isReady(once)], [true, false]);
      assert.equal(await isReady("nobody"), false);
      assert.deepEqual(
        (await pool()).filter(([, state]) => state === "warm"),
        [[once, "warm"]],
      );
    });

    it("lists the oldest first, with what is to be judged", async () => {
      await bed.store.hosts.register(host("a", { engineUrl: "tcp://10.0.0.1:2375" }), start);
      const young = await warm({ now: at(5), of: hash("another") });
      const { id: old } = await begin();
      const listed = await bed.store.warmPool.list();
      assert.deepEqual(
        listed.map(({ host: { name, engineUrl }, ...rest }) => ({ ...rest, name, engineUrl })),
        [
          { instanceId: old, state: "warming", recipe, createdAt: start, deadline: at(20) },
          { instanceId: young, state: "warm", recipe: hash("another"), createdAt: at(5), deadline: at(25) },
        ].map((each) => ({ ...each, name: "a", engineUrl: "tcp://10.0.0.1:2375" })),
      );
      assert.deepEqual(
        (await bed.store.leases.listOpenOf("a")).sort((a, b) => (a.state < b.state ? -1 : 1)),
        [
          { id: young, state: "warm" },
          { id: old, state: "warming", deadline: at(20) },
        ],
      );
    });

    it("tells at each step of a warm instance that its host has changed", async () => {
      await bed.store.hosts.register(host("a"), start);
      let { mark } = await bed.store.hosts.listChanged(undefined, []);
      const [id, other] = [newId(), newId()];
      const steps: Readonly<Record<string, () => Promise<unknown>>> = {
        begins: () => warm({ id }),
        "is taken": () => take({ offer }),
        "another begins": () => begin({ id: other }),
        "is ended": () => bed.another().warmPool.end(other),
        "is gone": () => bed.store.leases.close(other, at(1)),
      };
      for (const [step, make] of Object.entries(steps)) {
        await make();
        const changed = await bed.store.hosts.listChanged(mark, []);
        assert.deepEqual(changed.hosts, await bed.store.hosts.list(), step);
        mark = changed.mark;
      }
    });

    describe("as a hand-out takes of it", () => {
      it("becomes the caller's, with the secrets that it was made with", async () => {
        await bed.store.hosts.register(host("a"), start);
        const id = await warm();
        const taken = await take({ now: at(60), offer, claim: claimFor("key") });
        assert.deepEqual(taken, {
          kind: "taken-warm",
          id,
          port: 20_000,
          nonce: hash(`nonce of ${id}`),
          passwordHash: hash(`password of ${id}`),
          server,
        });
        const known = await bed.store.leases.find(id);
        assert.ok(known);
        assert.deepEqual(
          [known.state, known.address, known.tokenHash, known.passwordHash, known.createdAt, known.deadline],
          ["starting", "198.51.100.1", hash("token"), hash(`password of ${id}`), at(60), at(90)],
        );
        assert.deepEqual(known.latestEnd, at(60 + 86_400), "of the lease, not of the container");
        assert.deepEqual([await usage(), await warmOn(), await pool()], [[["a", 1, 1]], [["a", 0]], []]);
        assert.deepEqual([await bed.count("quotaPlaces"), await bed.count("instances")], [1, 1]);
        assert.equal((await take({ now: at(61), claim: claimFor("key"), offer })).kind, "known");
        assert.ok(await bed.store.handouts.complete(id, at(3600), at(61), undefined, server));
        assert.deepEqual(await bed.store.history.countHandouts(at(61)), { running: 1, startedEver: 1 });
        assert.equal((await bed.store.leases.findAt("192.0.2.1", 20_000))?.id, id);
        assert.equal(await bed.store.warmPool.end(id), false, "it is somebody's");
      });

      it("goes to as many callers at once as there are instances ready, each its own", async () => {
        await bed.store.hosts.register(host("a", { capacity: 40 }), start);
        const ready = new Set<string>();
        for (let count = 0; count < 16; count++) ready.add(await warm({ now: at(count) }));
        const processes = fourProcesses();
        const results = await Promise.all(
          Array.from({ length: 16 }, (_, index) =>
            take({ now: at(20), address: `198.51.100.${index}`, offer, from: processes[index % 4] ?? bed.store }),
          ),
        );
        assert.deepEqual(kinds(results), { "taken-warm": 16 }, "none is started while another one is ready");
        assert.deepEqual(new Set(results.map(({ id }) => id)), ready);
      });

      it("goes to nobody twice, out of 200 at four processes on a host that fills", async () => {
        await bed.store.hosts.register(host("a", { capacity: 30 }), start);
        const ready = new Set<string>();
        for (let count = 0; count < 20; count++) ready.add(await warm());
        const processes = fourProcesses();
        const results = await Promise.all(
          Array.from({ length: 200 }, (_, index) =>
            take({ address: `198.51.100.${index}`, offer, from: processes[index % 4] ?? bed.store }),
          ),
        );
        const of = (kind: string) => results.filter((result) => result.kind === kind);
        const gone = results.flatMap((result) =>
          result.kind === "taken-warm" ? result.id : result.kind === "slot-held" ? result.instanceId : [],
        );
        assert.deepEqual([gone.length, new Set(gone)], [20, ready], "each is one caller's, or ended for one");
        const ports = results.flatMap((result) => ("port" in result ? result.port : []));
        assert.equal(new Set(ports).size, ports.length, "no port is given twice");
        assert.deepEqual(await usage(), [["a", ports.length, ports.length + of("slot-held").length]]);
        assert.ok(ports.length + of("slot-held").length <= 30);
      });

      it("takes none that is not ready, of another recipe, ready for too long, or on a closed host", async () => {
        await bed.store.hosts.register(host("a", { capacity: 4 }), start);
        await bed.store.hosts.register(host("b", { basePort: 30_000 }), start);
        await begin({ now: at(2) });
        await warm({ of: hash("another"), now: at(2) });
        await warm();
        await warm({ hostName: "b", now: at(2) });
        await bed.store.hosts.setState("b", "cordoned");
        const youngOnly = { recipe, readySince: at(1) };
        assert.equal((await take({ now: at(3), hostName: "b", offer: youngOnly })).kind, "host-closed");
        const cold = await take({ now: at(3), offer: youngOnly });
        assert.deepEqual([cold.kind, cold.kind === "taken" && cold.port], ["taken", 20_003]);
        assert.equal((await pool()).length, 4);
      });

      it("leaves it where it is when it is not asked for, or the caller is refused", async () => {
        await bed.store.hosts.register(host("a"), start);
        const id = await warm();
        assert.equal((await take()).kind, "taken");
        assert.equal((await take({ quota: 1, offer })).kind, "quota-exceeded");
        assert.deepEqual(await pool(), [[id, "warm"]]);
      });

      it("gives back what a failed one took, and keeps no instance of it", async () => {
        await bed.store.hosts.register(host("a"), start);
        const id = await warm();
        await take({ offer });
        assert.ok(await bed.store.leases.beginEnd(id, "failed", at(1)));
        assert.deepEqual([await bed.count("quotaPlaces"), await usage(), await pool()], [0, [["a", 0, 1]], []]);
        await bed.store.leases.close(id, at(2));
        assert.deepEqual([(await bed.store.leases.find(id))?.endCause, await usage()], ["failed", [["a", 0, 0]]]);
        assert.equal((await take({ now: at(3), offer })).kind, "taken", "it is not handed out again");
      });

      it("counts instances that were handed out since then, warm ones apart, and those that start cold", async () => {
        await bed.store.hosts.register(host("a", { capacity: 9 }), start);
        await bed.store.hosts.register(host("b", { capacity: 9, basePort: 30_000 }), start);
        await warm();
        await lease({ now: at(10) });
        const claimed = await take({ now: at(20), offer, address: "198.51.100.2" });
        assert.deepEqual(await bed.store.warmPool.countHandedOut(start), { all: 1, warm: 0 });
        await take({ hostName: "b", address: "198.51.100.3" });
        await begin({ hostName: "b" });
        assert.deepEqual([...(await bed.store.warmPool.countColdStarts())], [["b", 1]]);
        await bed.store.handouts.complete(claimed.id, at(3600), at(21), undefined);
        assert.deepEqual(await bed.store.warmPool.countHandedOut(at(10)), { all: 2, warm: 1 });
        assert.deepEqual(await bed.store.warmPool.countHandedOut(at(11)), { all: 1, warm: 1 });
      });
    });

    describe("when a hand-out finds no free slot", () => {
      it("begins to end one that is not ready before one that is, and names it", async () => {
        await bed.store.hosts.register(host("a", { capacity: 2 }), start);
        const ready = await warm();
        const { id: warming } = await begin({ now: at(1) });
        for (const [instanceId, isStarting] of [
          [warming, true],
          [ready, false],
        ] as const) {
          const { id, ...result } = await take({ now: at(2) });
          assert.deepEqual({ ...result, id }, { id, kind: "slot-held", instanceId, isStarting });
        }
        assert.equal((await take({ now: at(2) })).kind, "host-full");
        assert.deepEqual([await bed.count("quotaPlaces"), await pool(), await usage()], [0, [], [["a", 0, 2]]]);
        await bed.store.leases.close(ready, at(3));
        assert.equal((await take({ now: at(4) })).kind, "taken");
      });

      it("leaves one that is not ready to who starts it until its deadline, and tells of one that was ready at once", async () => {
        await bed.store.hosts.register(host("a", { capacity: 2 }), start);
        const ready = await warm();
        const { id: warming } = await begin({ now: at(1) });
        for (const id of [ready, warming]) assert.ok(await bed.store.warmPool.end(id));
        const due = async (now: Date) => (await bed.store.leases.listDue(now)).map(({ instanceId }) => instanceId);
        assert.deepEqual([await due(at(20)), (await due(at(21))).sort()], [[ready], [ready, warming].sort()]);
      });

      it("ends none for a caller who may hold no more", async () => {
        await bed.store.hosts.register(host("a", { capacity: 2 }), start);
        await lease();
        const id = await warm();
        assert.equal((await take({ quota: 1 })).kind, "quota-exceeded");
        assert.deepEqual(await pool(), [[id, "warm"]]);
      });
    });

    it("gives the last slots once, to pool or hand-out, at four processes", async () => {
      await bed.store.hosts.register(host("a", { capacity: 12 }), start);
      const processes = fourProcesses();
      const [begun, taken] = await Promise.all([
        Promise.all(Array.from({ length: 20 }, (_, index) => begin({ from: processes[index % 4] ?? bed.store }))),
        Promise.all(
          Array.from({ length: 40 }, (_, index) =>
            take({ from: processes[index % 4] ?? bed.store, address: `198.51.100.${index}`, offer }),
          ),
        ),
      ]);
      const of = (results: readonly { readonly kind: string }[], kind: string) =>
        results.filter((result) => result.kind === kind).length;
      const [only] = await bed.store.hosts.list();
      const ending = of(taken, "slot-held");
      assert.deepEqual(
        [only?.inUse, only?.warm, only?.occupied],
        [of(taken, "taken"), of(begun, "taken") - ending, of(taken, "taken") + of(begun, "taken")],
      );
      assert.ok((only?.occupied ?? 0) <= 12);
      const ports = [...begun, ...taken].flatMap((result) => ("port" in result ? result.port : []));
      assert.equal(new Set(ports).size, ports.length);
    });

    it("is claimed or ended, never both, at four processes", async () => {
      await bed.store.hosts.register(host("a", { capacity: 40 }), start);
      const ids: string[] = [];
      for (let count = 0; count < 24; count++) ids.push(await warm());
      const [one, two, three, four] = fourProcesses();
      assert.ok(one && two && three && four);
      const [claims, ...ends] = await Promise.all([
        Promise.all(
          ids.map((_, index) => take({ from: index % 2 ? one : two, address: `198.51.100.${index}`, offer })),
        ),
        ...[three, four].map((store) => Promise.all(ids.map((id) => store.warmPool.end(id)))),
      ]);
      const claimed = new Set(claims.filter(({ kind }) => kind === "taken-warm").map(({ id }) => id));
      for (const [index, id] of ids.entries())
        assert.equal(Number(claimed.has(id)) + ends.filter((each) => each[index]).length, 1, "each has one end");
    });

    it("goes with its host, and leaves no row", async () => {
      const term = await bed.lead();
      const name = await joined(term, 1);
      await begin({ hostName: name, now: at(60) });
      await warm({ hostName: name, now: at(60) });
      assert.ok(await bed.store.droplets.beginDrain(term, name), "it is no use");
      assert.ok(await bed.store.droplets.beginDestroy(term, name, "surplus", "none", at(61)));
      assert.deepEqual(await pool(), []);
      await bed.store.droplets.close(name, "gone", at(62));
      assert.deepEqual([await bed.count("instances"), await bed.count("slots")], [0, 0]);
    });

    it("tells a holder of no restart that was before the hand-out", async () => {
      await bed.store.hosts.register(host("a"), start);
      const id = await warm();
      await take({ now: at(60), offer });
      await bed.store.handouts.complete(id, at(3600), at(61), undefined, server);
      assert.equal(await bed.store.leases.noteRestart(id, { at: at(30), cause: "crashed" }), false);
      assert.equal((await bed.store.leases.find(id))?.lastRestart, null);
      assert.ok(await bed.store.leases.noteRestart(id, { at: at(90), cause: "crashed" }));
    });
  });
}
