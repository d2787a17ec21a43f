import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, describe } from "node:test";
import { Redis } from "ioredis";
import { createDockerEngines } from "../../../apps/adapters/docker/engines.ts";
import { waitForPong } from "../../../apps/adapters/redis/probe.ts";
import type { EngineHost as Place } from "../../../apps/core/fleet/host.ts";
import { containerName } from "../../../apps/core/services/container.ts";
import { startEngineHost, type EngineHost } from "../../bed/engine-host.ts";
import { until } from "../../bed/until.ts";
import { describeEnginesContract } from "../../contracts/engines.ts";

/** All calls of a hanging engine are waited for at once; a start by a busy one may take seconds. */
const TIMEOUT_MS = 10_000;

describe("docker engines", () => {
  let host: EngineHost;
  let dir: string;
  const archive = () => join(dir, "image.tar");
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "engines-contract-"));
    host = await startEngineHost({ name: "host-a" });
    await pipeline(await host.docker.getImage(host.image).get(), createWriteStream(archive()));
  });
  after(async () => {
    await host.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const open = () => {
    const engines = createDockerEngines(TIMEOUT_MS);
    const ensureImage = (place: Place) => engines.ensureImage(place, host.image, archive(), TIMEOUT_MS);
    return { ...engines, ensureImage };
  };

  describeEnginesContract(() => {
    const undo: (() => Promise<unknown>)[] = [];
    return Promise.resolve({
      engines: open(),
      another: open,
      place: { name: "host-a", engineUrl: host.url, deployment: "testtesttest" },
      image: host.image,
      address: host.address,
      probe: waitForPong,
      kill: (instanceId) => host.docker.getContainer(containerName(instanceId)).kill(),
      fillMemory: async (instanceId, port) => {
        const inspect = () => host.docker.getContainer(containerName(instanceId)).inspect();
        const { RestartCount } = await inspect();
        const redis = new Redis({ host: host.address, port, password: "password", retryStrategy: () => null });
        redis.on("error", () => undefined);
        await redis
          .eval("local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1000) .. i end", 0)
          .catch(() => undefined);
        await until("it was started again", async () => {
          const now = await inspect();
          return now.RestartCount > RestartCount && now.State.Running && !now.State.Restarting;
        });
      },
      addStranger: async () => {
        await host.docker.createContainer({ name: "a-stranger", Image: host.image });
      },
      holdPort: async (port) => {
        const options = ["--daemonize", "yes", "--save", "", "--protected-mode", "no"];
        await host.exec("redis-server", "--port", String(port), ...options);
        undo.push(() => host.exec("redis-cli", "-p", String(port), "shutdown", "nosave"));
        await until("it listens", async () =>
          (await host.exec("redis-cli", "-p", String(port), "ping")).startsWith("PONG"),
        );
      },
      removeImage: async () => {
        await host.docker.getImage(host.image).remove({ force: true });
      },
      silenced: async (how, work) => {
        await (how === "timeout" ? host.pause() : host.killEngine());
        try {
          await work();
        } finally {
          await (how === "timeout" ? host.resume() : host.startEngine());
        }
        await until("it answers", () => host.docker.ping());
      },
      close: async () => {
        for (const step of undo.splice(0)) await step();
        for (const { Id } of await host.docker.listContainers({ all: true }))
          await host.docker.getContainer(Id).remove({ force: true });
      },
    });
  });
});
