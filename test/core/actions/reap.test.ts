import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { reap, type ReapPorts } from "../../../apps/core/actions/reap.ts";
import { EngineFault } from "../../../apps/core/domain/engine-fault.ts";
import type { ContainerPlace } from "../../../apps/core/domain/instance.ts";
import { Unavailable } from "../../../apps/core/domain/unavailable.ts";

const place = (instanceId: string, name: string, state: ContainerPlace["state"] = "running"): ContainerPlace => ({ instanceId, state, host: { name, engineUrl: "unix:///nowhere", deployment: "test" } });

/** Ports that write down what is asked of them; `removal` decides how a container's removal goes. */
function recorded(due: ContainerPlace[], removal: (instanceId: string, hostName: string) => void = () => undefined, extended: string[] = []) {
  const begun: string[] = [];
  const removals: string[] = [];
  const closed: string[] = [];
  const ports: ReapPorts = {
    clock: () => new Date(),
    store: {
      listDue: () => Promise.resolve(due),
      beginEnd: (id) => {
        if (extended.includes(id)) return Promise.resolve(false);
        begun.push(id);
        return Promise.resolve(true);
      },
      closeInstance: (id) => {
        closed.push(id);
        return Promise.resolve();
      },
    },
    engines: {
      removeContainer: async (host, id) => {
        removals.push(id);
        await Promise.resolve();
        removal(id, host.name);
      },
    },
  };
  return { ports, begun, removals, closed };
}

describe("reap", () => {
  it("begins the end of every due lease, and closes rows only after their containers are gone", async () => {
    const run = recorded([place("a", "host-a"), place("b", "host-b"), place("c", "host-b", "ending")]);
    assert.deepEqual(await reap(run.ports, 4), { ended: 3, waiting: [] });
    assert.deepEqual(run.begun, ["a", "b"]);
    assert.deepEqual(run.closed.sort(), ["a", "b", "c"]);
  });

  it("ends leases on time on a host that fails, leaves their rows open, and asks it no more than four times", async () => {
    const due = Array.from({ length: 40 }, (_, index) => place(`broken-${index}`, "host-a"));
    const run = recorded([...due, place("fine", "host-b")], (_id, host) => {
      if (host === "host-a") throw new EngineFault("timeout", host, "no answer");
    });
    const report = await reap(run.ports, 4);
    assert.equal(run.begun.length, 41);
    assert.deepEqual(run.closed, ["fine"]);
    assert.deepEqual(report.waiting.map(({ hostName, instances }) => ({ hostName, instances })), [{ hostName: "host-a", instances: 40 }]);
    assert.ok(run.removals.length <= 4 + 1, `${run.removals.length} removals were tried`);
  });

  it("does not touch a lease that was extended after it was found due", async () => {
    const run = recorded([place("extended", "host-a")], undefined, ["extended"]);
    assert.deepEqual(await reap(run.ports, 4), { ended: 0, waiting: [] });
    assert.deepEqual(run.removals, []);
  });

  it("fails when MySQL does not answer, rather than counting instances as ended", async () => {
    const run = recorded([place("a", "host-a")]);
    const ports: ReapPorts = { ...run.ports, store: { ...run.ports.store, closeInstance: () => Promise.reject(new Unavailable("mysql", "gone")) } };
    await assert.rejects(reap(ports, 4), Unavailable);
  });
});
