import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, describe, it } from "node:test";
import { createDockerEngines, type DockerEngines } from "../../../apps/adapters/docker/engines.ts";
import { waitForPong } from "../../../apps/adapters/redis/probe.ts";
import { instanceLimits } from "../../../apps/core/settings/instances.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { containerName, labels, networkOf, type ContainerSpec } from "../../../apps/core/services/container.ts";
import { redisService } from "../../../apps/core/services/redis.ts";
import { hashSecret } from "../../../apps/lib/secrets.ts";
import { EngineFault, type EngineFaultReason } from "../../../apps/core/fleet/engine-fault.ts";
import type { EngineHost as Place } from "../../../apps/core/fleet/host.ts";
import { startEngineHost, type EngineHost } from "../../bed/engine-host.ts";
import { until } from "../../bed/until.ts";

const TIMEOUT_MS = 3_000;
/** Where an engine's work is looked at rather than its silence: several starts at once on a busy machine take long. */
const PATIENCE_MS = 60_000;
const never = new AbortController().signal;
const newId = () => randomBytes(8).toString("hex");

describe("docker engines", () => {
  let host: EngineHost;
  let engines: DockerEngines;
  let place: Place;
  before(async () => {
    host = await startEngineHost({ name: "host-a" });
    engines = createDockerEngines(TIMEOUT_MS);
    place = { name: "host-a", engineUrl: host.url, deployment: "testtesttest" };
  });
  after(() => host.stop());
  afterEach(async () => {
    for (const { Id } of await host.docker.listContainers({ all: true }))
      await host.docker
        .getContainer(Id)
        .remove({ force: true })
        .catch(() => undefined);
  });

  let nextPort = 20_000;
  const specOf = (over: { id?: string; port?: number; deployment?: string } = {}): ContainerSpec => {
    const { id = newId(), port = nextPort++, deployment = place.deployment } = over;
    const limits = instanceLimits(loadSettings({ INSTANCE_IMAGE: host.image }, ["INSTANCE_IMAGE"]).instances);
    return redisService(limits).containerOf({
      id,
      deployment,
      bindAddress: "0.0.0.0",
      port,
      passwordHash: hashSecret("password"),
      watchHash: Buffer.alloc(32),
      notAfter: new Date("2100-01-01T00:00:00Z"),
    });
  };
  const start = async (over: Parameters<typeof specOf>[0] = {}): Promise<string> => {
    const { id = newId() } = over;
    await engines.startContainer(place, specOf({ ...over, id }), never);
    return id;
  };
  const fails = (reason: EngineFaultReason) => (fault: unknown) => {
    assert.ok(fault instanceof EngineFault, String(fault));
    assert.deepEqual([fault.reason, fault.hostName], [reason, "host-a"], fault.message);
    assert.ok(fault.cause instanceof Error);
    return true;
  };
  const networks = async () => (await host.docker.listNetworks()).filter(({ Name }) => Name.startsWith("getaredis-"));

  describe("the network of instances", () => {
    let hasty: DockerEngines;
    before(() => {
      hasty = engines;
      engines = createDockerEngines(PATIENCE_MS);
    });
    after(() => {
      engines = hasty;
    });

    it("is made as it has to be, once", async () => {
      await Promise.all([start(), start(), start()]);
      const [network, ...others] = await networks();
      assert.equal(others.length, 0);
      assert.equal(network?.Name, networkOf(place.deployment).name);
      assert.deepEqual(network.Options, {
        "com.docker.network.bridge.name": networkOf(place.deployment).bridge,
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
      });
    });

    it("is made once also when several processes start their first at the same time", async () => {
      for (let round = 0; round < 3; round++) {
        await removeAll();
        const processes = Array.from({ length: 4 }, () => createDockerEngines(PATIENCE_MS));
        await Promise.all(processes.map(({ startContainer }) => startContainer(place, specOf(), never)));
        assert.equal((await networks()).length, 1);
      }
    });

    it("is made again when somebody has pruned it", async () => {
      await start();
      await removeAll();
      const port = nextPort;
      await start();
      await waitForPong(host.address, port, "password", AbortSignal.timeout(5_000));
    });

    it("is one of its own for each deployment that shares the engine", async () => {
      await start();
      const other = { ...place, deployment: "othersothers" };
      await createDockerEngines(PATIENCE_MS).startContainer(other, specOf({ deployment: other.deployment }), never);
      assert.deepEqual((await networks()).map(({ Name }) => Name).sort(), [
        "getaredis-othersothers",
        "getaredis-testtesttest",
      ]);
    });
  });

  it("returns to each of many that remove a container at once only when it is gone", async () => {
    const id = await start();
    const another = createDockerEngines(TIMEOUT_MS);
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        await (index % 2 ? engines : another).removeContainer(place, id);
        await assert.rejects(host.docker.getContainer(containerName(id)).inspect(), /no such container/i);
      }),
    );
  });

  it("carries the labels that the host's own expiry goes by", async () => {
    const id = await start();
    const { Config } = await host.docker.getContainer(containerName(id)).inspect();
    assert.deepEqual(
      [Config.Labels[labels.instance], Config.Labels[labels.deployment], Config.Labels[labels.notAfter]],
      [id, place.deployment, String(Date.parse("2100-01-01T00:00:00Z") / 1000)],
    );
  });

  describe("an engine in trouble", () => {
    const each = (): [what: string, call: () => Promise<unknown>][] => [
      ["start", () => start()],
      ["remove", () => engines.removeContainer(place, newId())],
      ["list", () => engines.listContainers(place)],
    ];

    it("that hangs is given up on in time, by every call", async () => {
      await start();
      await host.pause();
      try {
        const started = performance.now();
        await Promise.all(each().map(([, call]) => assert.rejects(call, fails("timeout"))));
        const ms = performance.now() - started;
        assert.ok(ms >= TIMEOUT_MS - 50 && ms < TIMEOUT_MS + 1_500, `${ms} ms`);
      } finally {
        await host.resume();
      }
      await until("it works again", () => engines.listContainers(place).then(() => true));
    });

    it("that is gone is unreachable at once, and used again when it is back", async () => {
      const id = await start();
      await host.killEngine();
      try {
        const started = performance.now();
        for (const [what, call] of each()) await assert.rejects(call, fails("unreachable"), what);
        assert.ok(performance.now() - started < 1_000);
      } finally {
        await host.startEngine();
      }
      assert.ok((await engines.listContainers(place)).some(({ instanceId }) => instanceId === id));
      await start();
    });

    it("over TCP whose packets vanish is given up on in time", async () => {
      await host.exec(
        "nft",
        "add table inet dark; add chain inet dark input { type filter hook input priority 0; }; " +
          "add rule inet dark input tcp dport 2375 drop",
      );
      const dark = { ...place, engineUrl: `tcp://${host.address}:2375` };
      const started = performance.now();
      await assert.rejects(createDockerEngines(1_000).listContainers(dark), fails("timeout"));
      assert.ok(performance.now() - started < 2_000);
    });
  });

  async function removeAll(): Promise<void> {
    for (const { Id } of await host.docker.listContainers({ all: true }))
      await host.docker.getContainer(Id).remove({ force: true });
    for (const { Id } of await networks()) await host.docker.getNetwork(Id).remove();
  }
});
