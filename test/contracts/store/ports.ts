import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { whyNotBalanced, type HostPort } from "../../../apps/core/ports/port.ts";
import type { WorkloadSpec } from "../../../apps/core/ports/workload.ts";
import { at, host, start, useStore, type OpenStore } from "./bed.ts";

/** The store's contract of what hosts do for operators: balanced ports, and workloads. */
export function describePorts(open: OpenStore): void {
  const port = (facts: Partial<HostPort> = {}): HostPort => ({
    host: "a",
    port: 8080,
    image: "web:1",
    imagePort: 80,
    state: "on",
    children: [],
    ...facts,
  });
  const workload = (facts: Partial<WorkloadSpec> = {}): WorkloadSpec => ({
    host: "a",
    name: "web",
    image: "web:1",
    command: ["/run.sh", "é"],
    memoryMb: 64,
    millicpus: 250,
    copies: 2,
    state: "running",
    ...facts,
  });

  describe("balanced ports", () => {
    const { bed, joined } = useStore(open);
    beforeEach(async () => {
      for (const name of ["a", "b"]) await bed.store.hosts.register(host(name), start);
    });
    const declare = (wanted: HostPort) => bed.store.ports.change(wanted, () => wanted, whyNotBalanced, start);
    const remove = (wanted: HostPort) => bed.store.ports.change(wanted, () => undefined, whyNotBalanced, start);

    it("are kept as they were declared last, those of a host in order", async () => {
      assert.deepEqual(await bed.store.ports.list(), []);
      const [second, first] = [port({ port: 9090, image: null, children: [{ host: "b", port: 1 }] }), port()];
      const child = port({ host: "b", port: 1 });
      for (const wanted of [child, second, first])
        assert.deepEqual(await declare(wanted), { kind: "changed", now: wanted });
      assert.deepEqual(await bed.another().ports.list(), [first, second, child]);
      const changed = { ...second, image: "web:2", imagePort: 81, state: "stopped", children: [] } as const;
      await declare(changed);
      assert.deepEqual(await bed.store.ports.list(), [first, changed, child]);
    });

    it("are nobody's children any more once they are removed", async () => {
      const child = port({ host: "b", port: 1 });
      await declare(child);
      await declare(port({ children: [child].map(({ host: name, port: number }) => ({ host: name, port: number })) }));
      assert.deepEqual(await remove(child), { kind: "changed", now: undefined });
      assert.deepEqual(await bed.store.ports.list(), [port()]);
      assert.deepEqual(await remove(child), { kind: "changed", now: undefined });
    });

    it("are changed from what they are, and not written when a rule refuses them", async () => {
      await declare(port());
      const result = await bed.store.ports.change(
        port(),
        (before) => before && { ...before, state: "stopped" },
        (after, slots, others) => {
          assert.deepEqual([after.state, slots.basePort, slots.capacity, others], ["stopped", 20_000, 5, [port()]]);
          return "not now";
        },
        start,
      );
      assert.deepEqual(result, { kind: "refused", reason: "not now" });
      assert.deepEqual(await bed.store.ports.list(), [port()]);
    });

    it("never lead back, however many processes add children at the same time", async () => {
      await declare(port());
      await declare(port({ host: "b" }));
      const child = (from: string, to: string, store = bed.store) =>
        store.ports.change(
          { host: from, port: 8080 },
          (before) => before && { ...before, children: [{ host: to, port: 8080 }] },
          whyNotBalanced,
          start,
        );
      const results = await Promise.all([child("a", "b"), child("b", "a", bed.another())]);
      assert.deepEqual(results.map(({ kind }) => kind).sort(), ["changed", "refused"]);
    });

    it("are not declared on a host that drains or is none, and may still change and go there", async () => {
      assert.deepEqual(await declare(port({ host: "nobody" })), { kind: "no-host" });
      await declare(port());
      await bed.store.hosts.setState("a", "draining");
      assert.deepEqual(await declare(port({ port: 8081 })), { kind: "no-host" });
      assert.equal((await declare(port({ state: "stopped" }))).kind, "changed");
      assert.equal((await remove(port())).kind, "changed");
    });

    it("make their host one that works for operators, and all processes see it", async () => {
      const { mark } = await bed.store.hosts.listChanged(undefined, []);
      await declare(port());
      const changed = await bed.another().hosts.listChanged(mark, []);
      assert.equal(changed.hosts.find((use) => use.host.name === "a")?.forOperators, 1);
      await remove(port());
      const [use] = await bed.store.hosts.list();
      assert.equal(use?.forOperators ?? 0, 0);
    });

    it("keep their host from being drained and destroyed, until its end is confirmed", async () => {
      const term = await bed.lead();
      const name = await joined(term, 7);
      await declare(port({ host: name }));
      await declare(port({ children: [{ host: name, port: 8080 }] }));
      assert.equal(await bed.store.droplets.beginDrain(term, name), false);
      assert.equal(await bed.store.droplets.beginDestroy(term, name, "why", "none", at(80)), false);
      assert.deepEqual(await bed.store.destroyRequests.add(name, "none", at(80)), { kind: "for-operators" });
      assert.deepEqual(await bed.store.destroyRequests.add(name, "lost", at(80)), { kind: "requested" });
      assert.equal(await bed.store.droplets.beginDestroy(term, name, "why", "lost", at(80)), true);
      await bed.store.droplets.close(name, "gone", at(90));
      assert.deepEqual(await bed.store.ports.list(), [port()]);
    });
  });

  describe("workloads", () => {
    const { bed, joined } = useStore(open);
    beforeEach(() => bed.store.hosts.register(host("a"), start));
    const declare = (wanted: WorkloadSpec) => bed.store.workloads.change(wanted, () => wanted, start);

    it("are kept with a count of their changes, and with what was carried out", async () => {
      const plain = workload({ name: "plain", command: null });
      await declare(workload());
      await declare(plain);
      await declare(workload({ copies: 3 }));
      assert.deepEqual(await bed.another().workloads.list(), [
        { ...plain, generation: 1, done: null },
        { ...workload({ copies: 3 }), generation: 2, done: null },
      ]);
      await bed.store.workloads.acknowledge(workload(), { generation: 1, at: at(1), fault: "no such image" });
      await bed.store.workloads.acknowledge(workload(), { generation: 2, at: at(2), fault: null });
      await bed.store.workloads.acknowledge(workload(), { generation: 1, at: at(3), fault: "late" });
      assert.deepEqual((await bed.store.workloads.list())[1]?.done, { generation: 2, at: at(2), fault: null });
    });

    it("that are removed stay until their removal was carried out, and make their host needed until then", async () => {
      await declare(workload());
      await declare(workload({ state: "removed" }));
      await bed.store.workloads.acknowledge(workload(), { generation: 1, at: at(1), fault: null });
      await bed.store.workloads.acknowledge(workload(), { generation: 2, at: at(1), fault: "the engine is silent" });
      assert.equal((await bed.store.hosts.list())[0]?.forOperators, 1);
      await bed.store.workloads.acknowledge(workload(), { generation: 2, at: at(2), fault: null });
      assert.deepEqual(await bed.store.workloads.list(), []);
      assert.equal((await bed.store.hosts.list())[0]?.forOperators ?? 0, 0);
    });

    it("are left as they are when there is nothing to change, and not put on a host that drains or is none", async () => {
      assert.deepEqual(await bed.store.workloads.change(workload(), () => undefined, start), {
        kind: "changed",
        now: undefined,
      });
      assert.deepEqual(await declare(workload({ host: "nobody" })), { kind: "no-host" });
      await bed.store.hosts.setState("a", "draining");
      assert.deepEqual(await declare(workload()), { kind: "no-host" });
    });

    it("keep their host from being destroyed, and go with it when its end is confirmed", async () => {
      const term = await bed.lead();
      const name = await joined(term, 7);
      await declare(workload({ host: name }));
      assert.equal(await bed.store.droplets.beginDrain(term, name), false);
      assert.deepEqual(await bed.store.destroyRequests.add(name, "none", at(80)), { kind: "for-operators" });
      assert.equal(await bed.store.droplets.beginDestroy(term, name, "why", "lost", at(80)), true);
      await bed.store.droplets.close(name, "gone", at(90));
      assert.deepEqual(await bed.store.workloads.list(), []);
    });
  });
}
