import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { registerHost } from "../../../apps/core/fleet/register-host.ts";
import { createTwinService } from "../../bed/twin-service.ts";

describe("registerHost", () => {
  const place = {
    name: "host-a",
    engineUrl: "unix:///x",
    publicHost: "x",
    checkHost: "x",
    bindAddress: "x",
    capacity: 40,
    basePort: 20_000,
  };
  /** Registers a host at an empty store, and gives all hosts that there are then. */
  const register = async (over: Partial<typeof place>) => {
    const { store, clock, tables } = createTwinService();
    await registerHost({ store, clock }, { ...place, ...over });
    return { hosts: (await store.hosts.list()).map(({ host }) => host), deployment: tables.deployment };
  };

  it("takes host labels and ports that there are, up to the last", async () => {
    for (const over of [{}, { name: "a" }, { name: "a".repeat(63) }, { basePort: 1 }, { basePort: 65_496 }]) {
      const { hosts, deployment } = await register(over);
      assert.deepEqual(hosts, [{ ...place, ...over, deployment, state: "active" }]);
    }
  });

  it("refuses names and ports that there are not, and says which", async () => {
    for (const name of ["", "Host", "-a", "a-", "a_b", "a.b", "a".repeat(64), "host a", "host:a"])
      await assert.rejects(register({ name }), /is no host name/, name);
    for (const basePort of [0, -1, 65_497])
      await assert.rejects(register({ basePort }), new RegExp(`ports ${basePort} to ${basePort + 39} of host host-a`));
  });
});
