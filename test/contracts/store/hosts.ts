import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at, host, newId, start, useStore, type OpenStore } from "./bed.ts";

/** The store's contract of hosts and their slots. */
export function describeHosts(open: OpenStore): void {
  describe("hosts", () => {
    const { bed, take, lease } = useStore(open);

    it("that are closed in the middle of many hand-outs take none after that", async () => {
      await bed.store.hosts.register(host("a", { capacity: 50 }), start);
      const processes = [bed.store, bed.another()];
      const takings = Array.from({ length: 30 }, (_, index) =>
        take({ address: `198.51.100.${index}`, from: processes[index % 2] ?? bed.store }),
      );
      await bed.another().hosts.setState("a", "draining");
      const [atClosing] = await bed.store.hosts.list();
      const results = await Promise.all(takings);
      assert.equal(results.filter(({ kind }) => kind === "taken").length, atClosing?.occupied);
    });

    it("are known by name: registered again they keep their state and their instances", async () => {
      await bed.store.hosts.register(host("a", { capacity: 3 }), start);
      const id = await lease();
      await bed.store.hosts.setState("a", "cordoned");
      await bed.store.hosts.register(host("a", { capacity: 3, engineUrl: "tcp://10.0.0.1:2375" }), at(1));
      const [only, ...others] = await bed.store.hosts.list();
      assert.deepEqual(
        [only?.host.state, only?.host.engineUrl, only?.inUse, others.length],
        ["cordoned", "tcp://10.0.0.1:2375", 1, 0],
      );
      assert.equal((await bed.store.leases.findContainer(id))?.host.engineUrl, "tcp://10.0.0.1:2375");
    });

    it("grow and shrink: slots in use outlive a smaller capacity and are not given again", async () => {
      await bed.store.hosts.register(host("a", { capacity: 2 }), start);
      const [one, two] = [await lease(), await lease({ address: "198.51.100.2" })];
      await bed.store.hosts.register(host("a", { capacity: 1 }), at(1));
      assert.equal((await bed.store.leases.find(two))?.state, "running");
      for (const id of [one, two]) {
        await bed.store.leases.beginEnd(id, "owner", at(2));
        await bed.store.leases.close(id, at(2));
      }
      assert.equal((await take({ now: at(3) })).kind, "taken");
      assert.equal((await take({ now: at(3) })).kind, "host-full");
      await bed.store.hosts.register(host("a", { capacity: 4 }), at(4));
      const results = [];
      for (let count = 0; count < 4; count++)
        results.push((await take({ now: at(5), address: `198.51.100.${count}` })).kind);
      assert.deepEqual(results, ["taken", "taken", "taken", "host-full"]);
    });

    it("move to other ports: free slots at once, those in use once they are free", async () => {
      await bed.store.hosts.register(host("a", { capacity: 2 }), start);
      const id = await lease();
      const moved = host("a", { capacity: 2, basePort: 30_000 });
      await bed.store.hosts.register(moved, at(1));
      assert.equal((await bed.store.leases.find(id))?.port, 20_000);
      const other = await take({ now: at(2) });
      assert.equal(other.kind === "taken" && other.port, 30_001);
      await bed.store.leases.beginEnd(id, "owner", at(3));
      await bed.store.leases.close(id, at(3));
      const next = await take({ now: at(5) });
      assert.equal(next.kind === "taken" && next.port, 30_000);
    });

    it("give no port to two instances while they move by a few ports", async () => {
      await bed.store.hosts.register(host("a", { capacity: 3 }), start);
      const first = await lease();
      assert.equal((await bed.store.leases.find(first))?.port, 20_000);
      // Slot 1 has the old port of slot 0 now, whose instance is still there.
      await bed.store.hosts.register(host("a", { capacity: 3, basePort: 19_999 }), at(1));
      const ports = [];
      for (let count = 1; count < 3; count++) {
        const taken = await take({ now: at(2), address: `198.51.100.${count + 1}` });
        ports.push(taken.kind === "taken" ? taken.port : taken.kind);
      }
      assert.deepEqual(ports, [20_001, "host-full"]);
      await bed.store.leases.beginEnd(first, "owner", at(3));
      await bed.store.leases.close(first, at(3));
      const next = await take({ now: at(4), address: "198.51.100.9" });
      assert.ok(next.kind === "taken" && [19_999, 20_000].includes(next.port));
    });

    it("registered by many at once are there once, with each slot once", async () => {
      await Promise.all(
        Array.from({ length: 8 }, () => bed.another().hosts.register(host("a", { capacity: 10 }), start)),
      );
      assert.equal(await bed.count("hosts"), 1);
      assert.equal(await bed.count("slots"), 10);
      const ports: (number | string)[] = [];
      for (let count = 0; count < 10; count++) {
        const taken = await take({ address: `198.51.100.${count}` });
        ports.push(taken.kind === "taken" ? taken.port : taken.kind);
      }
      assert.deepEqual(
        ports,
        Array.from({ length: 10 }, (_, slot) => 20_000 + slot),
      );
    });

    it("tell when the last of their leases ends: extended, shortened, ended", async () => {
      await bed.store.hosts.register(host("a"), start);
      await bed.store.hosts.register(host("b"), start);
      const lastExpiry = async () =>
        (await bed.store.hosts.list()).map((each) => [each.host.name, each.lastExpiry] as const);
      await take();
      assert.deepEqual((await lastExpiry()).sort(), [
        ["a", null],
        ["b", null],
      ]);
      const short = await lease({ ttlSeconds: 60 });
      const long = await lease({ ttlSeconds: 3600 });
      const onA = async () => new Map(await lastExpiry()).get("a");
      assert.deepEqual(await onA(), at(3600));
      await bed.store.leases.setExpiry(long, at(7200), at(1));
      assert.deepEqual(await onA(), at(7200));
      await bed.store.leases.beginEnd(long, "owner", at(2));
      assert.deepEqual(await onA(), at(60), "what waits for removal is no lease");
      await bed.store.leases.beginEnd(short, "owner", at(2));
      assert.equal(await onA(), null);
    });

    it("tell since a mark which have changed, in whatever way, and are all told without one", async () => {
      for (const name of ["a", "b"]) await bed.store.hosts.register(host(name), start);
      const whole = await bed.store.hosts.listChanged(undefined, []);
      assert.deepEqual(whole.hosts.map(({ host: { name } }) => name).sort(), ["a", "b"]);
      assert.deepEqual(whole.gone, []);
      let { mark } = whole;
      const id = newId();
      const changes: Readonly<Record<string, () => Promise<unknown>>> = {
        "a slot is taken": () => take({ id }),
        "the lease begins": () => bed.store.handouts.complete(id, at(60), at(1), undefined),
        "the lease is extended": () => bed.store.leases.setExpiry(id, at(120), at(2)),
        "the lease ends": () => bed.another().leases.beginEnd(id, "owner", at(3)),
        "the slot is free": () => bed.store.leases.close(id, at(4)),
        "the host is cordoned": () => bed.store.hosts.setState("a", "cordoned"),
        "the host is registered again": () => bed.store.hosts.register(host("a", { capacity: 7 }), at(5)),
      };
      for (const [change, make] of Object.entries(changes)) {
        await make();
        const changed = await bed.store.hosts.listChanged(mark, []);
        const [wanted] = (await bed.store.hosts.list()).filter((each) => each.host.name === "a");
        assert.deepEqual(
          changed.hosts.find((each) => each.host.name === "a"),
          wanted,
          change,
        );
        assert.deepEqual(changed.gone, []);
        mark = changed.mark;
      }
      const named = await bed.store.hosts.listChanged(mark, ["b", "nobody"]);
      assert.ok(named.hosts.some((each) => each.host.name === "b"));
    });

    it("that do not exist have no state to set", async () => {
      assert.equal(await bed.store.hosts.setState("nobody", "cordoned"), false);
    });
  });
}
