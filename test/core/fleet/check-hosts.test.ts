import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkHosts } from "../../../apps/core/fleet/check-hosts.ts";
import { provideImages } from "../../../apps/core/fleet/provide-images.ts";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import type { EngineHost } from "../../../apps/core/fleet/host.ts";
import { SCALING } from "../../../apps/core/fleet/scaling.ts";
import { createTwinLeadership } from "../../../apps/twins/leadership.ts";
import { createTwinService, TWIN_IMAGE } from "../../bed/twin-service.ts";

describe("checking hosts", () => {
  it("keeps which hosts answer, gives those alive the image, and reports those that do not get it", async () => {
    const service = createTwinService();
    const { store, clock, faults } = service;
    const term = (await createTwinLeadership(service.tables, SCALING).term()) ?? assert.fail("nobody else leads");
    const order = { namePrefix: "host", region: "fra1", size: "small", tokenHash: Buffer.alloc(32), cap: 9 };
    // Each host is a droplet's, whose reachability is kept.
    for (const dropletId of [1, 2, 3]) {
      const name = (await store.droplets.addOrder(term, order, clock())) ?? assert.fail("no order");
      await store.droplets.adopt(name, dropletId, 0.01);
      (await service.addHost(name)).images.clear();
    }
    service.machine("host-2").silence = "unreachable";
    faults.add({
      call: "ensureImage",
      matches: ({ name }: EngineHost) => name === "host-3",
      fault: () => new EngineFault("refused", "host-3", new Error("no")),
    });

    await checkHosts(service, { concurrency: 4, hostBudgetMs: 20_000 });
    assert.deepEqual(
      (await store.hosts.list()).map(({ host, unreachableSince }) => [host.name, unreachableSince]),
      [
        ["host-1", null],
        ["host-2", clock()],
        ["host-3", null],
      ],
    );
    service.discovery.remove("host-2");
    await provideImages(service, 4);
    assert.deepEqual(
      ["host-1", "host-2", "host-3"].map((name) => [...service.machine(name).images]),
      [[TWIN_IMAGE], [], []],
    );
    const reason = "it cannot be given the image: engine of host-3: no";
    assert.deepEqual(
      (await store.events.list({}, 10)).map((event) => [event.actor, event.kind, event.host, event.reason]),
      [["health", "hold", "host-3", reason]],
    );

    service.machine("host-2").silence = undefined;
    await checkHosts(service, { concurrency: 4, hostBudgetMs: 20_000 });
    assert.ok((await store.hosts.list()).every(({ unreachableSince }) => unreachableSince === null));
  });
});
