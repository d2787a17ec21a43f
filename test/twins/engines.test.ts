import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { containerName } from "../../apps/core/services/container.ts";
import { createTwinEngines } from "../../apps/twins/engines.ts";
import { createTwinProbe } from "../../apps/twins/probe.ts";
import { describeEnginesContract } from "../contracts/engines.ts";

describe("engines in memory", () => {
  describeEnginesContract(() => {
    const engines = createTwinEngines({ image: "redis" });
    const engine = engines.add("tcp://10.0.0.1:2375", "192.0.2.1");
    return Promise.resolve({
      engines,
      another: () => engines,
      place: { name: "host-a", engineUrl: "tcp://10.0.0.1:2375", deployment: "testtesttest" },
      image: "redis",
      address: "192.0.2.1",
      probe: createTwinProbe(() => [engine]),
      kill: (instanceId) => {
        const container = engine.containers.get(containerName(instanceId)) ?? assert.fail("there is no such container");
        container.running = false;
        return Promise.resolve();
      },
      fillMemory: (instanceId) => {
        const container = engine.containers.get(containerName(instanceId)) ?? assert.fail("there is no such container");
        const last = container.lastRestart?.at.getTime() ?? 0;
        container.lastRestart = { at: new Date(Math.max(Date.now(), last + 1)), cause: "out-of-memory" };
        return Promise.resolve();
      },
      addStranger: () => {
        const labelled = { name: "a-stranger", Image: "redis", Labels: {}, HostConfig: {}, Cmd: [] };
        engine.containers.set("a-stranger", { spec: labelled as never, running: true });
        return Promise.resolve();
      },
      holdPort: (port) => Promise.resolve(void engine.heldPorts.add(port)),
      removeImage: () => Promise.resolve(void engine.images.delete("redis")),
      silenced: async (how, work) => {
        engine.silence = how;
        await work();
        engine.silence = undefined;
      },
      close: () => Promise.resolve(),
    });
  });

  it("do not answer where none was added", async () => {
    const engines = createTwinEngines({ image: "redis" });
    const place = { name: "host-a", engineUrl: "tcp://10.0.0.1:2375", deployment: "testtesttest" };
    await assert.rejects(engines.ping(place), { name: "EngineFault", reason: "unreachable" });
  });
});
