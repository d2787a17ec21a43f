import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type Docker from "dockerode";
import { Redis } from "ioredis";
import { extract } from "tar-stream";
import { keepImage } from "../../../infra/start/kept-image.ts";
import { ensureRedisImage } from "../../../infra/servers/redis-image.ts";
import { pingRedis } from "../../../infra/servers/redis.ts";
import { startEngineHost } from "../../bed/engine-host.ts";
import type { EngineHost } from "../../bed/engine-host.ts";
import { startServices } from "../../bed/services.ts";
import type { Services } from "../../bed/services.ts";
import { until } from "../../bed/until.ts";

const EXPIRE = fileURLToPath(new URL("../../../infra/host/expire.sh", import.meta.url));

describe("a host with an engine", () => {
  let host: EngineHost;
  let services: Services;
  before(async () => {
    services = await startServices();
    host = await startEngineHost({ name: "engine" });
  });
  after(async () => {
    try {
      await host.stop();
    } finally {
      await services.stop();
    }
  });

  const startContainer = async (name: string, labels: Record<string, string>): Promise<Docker.Container> => {
    const container = await host.docker.createContainer({
      name,
      Image: host.image,
      Labels: labels,
      HostConfig: { NetworkMode: "none" },
    });
    await container.start();
    return container;
  };
  const names = async () =>
    (await host.docker.listContainers({ all: true })).map(({ Names }) => Names[0]?.slice(1)).sort();
  const removeAll = async () => {
    for (const { Id } of await host.docker.listContainers({ all: true }))
      await host.docker.getContainer(Id).remove({ force: true });
  };

  it("has an image with the server, its libraries and a user, and nothing to run a shell with", async () => {
    const container = await host.docker.createContainer({ Image: host.image });
    const files = await filesIn(await container.export());
    await container.remove();
    assert.ok(files.includes("usr/bin/redis-server"));
    assert.ok(files.some((file) => /libc\.so/.test(file)));
    assert.deepEqual(
      files.filter((file) => /(^|\/)(sh|bash|dash|busybox|perl|python[^/]*)$/.test(file)),
      [],
    );

    const { Config } = await host.docker.getImage(host.image).inspect();
    assert.equal(Config.User, "999:999");
    assert.deepEqual(Config.Entrypoint, ["/usr/bin/redis-server"]);
    assert.match(host.image, /^getaredis\/redis:\d+\.\d+\.\d+-[0-9a-f]{8}$/);
  });

  it("keeps the image it has", async () => {
    const before = (await host.docker.getImage(host.image).inspect()).Id;
    await ensureRedisImage(host.docker, host.image);
    assert.equal((await host.docker.getImage(host.image).inspect()).Id, before);
  });

  it("gets an image again that somebody removed", async () => {
    const said: string[] = [];
    const keeper = keepImage(host.docker, host.image, (text) => said.push(text), 50);
    try {
      await host.docker.getImage(host.image).remove({ force: true });
      await until("the image is there again", () =>
        host.docker
          .getImage(host.image)
          .inspect()
          .then(() => true),
      );
      await until("it says so", () => said.some((text) => text.includes(`${host.image} was gone and is there again`)));
    } finally {
      await keeper.stop();
    }
  });

  it("says which image it could not get", async () => {
    await assert.rejects(
      ensureRedisImage(host.docker, "127.0.0.1:1/redis:7"),
      /cannot pull the image 127\.0\.0\.1:1\/redis:7/,
    );
  });

  it("ends containers whose time is up by itself, and no others", async () => {
    const now = Math.floor(Date.now() / 1000);
    await startContainer("past", { "getaredis.not-after": String(now - 5) });
    await startContainer("future", { "getaredis.not-after": String(now + 3600) });
    await startContainer("foreign", {});
    await startContainer("nonsense", { "getaredis.not-after": "08 && true" });
    const stopped = await startContainer("past-stopped", { "getaredis.not-after": String(now - 5) });
    await stopped.kill();
    await host.exec("env", "EXPIRE_ONCE=1", `DOCKER_HOST=${host.url}`, "bash", EXPIRE);
    assert.deepEqual(await names(), ["foreign", "future", "nonsense"]);
    await removeAll();
  });

  it("says so when the engine cannot be asked what is there", async () => {
    await assert.rejects(
      host.exec("env", "EXPIRE_ONCE=1", "DOCKER_HOST=unix:///nonexistent", "bash", EXPIRE),
      /the engine gave no list/,
    );
  });

  it("counts its instances in its heartbeats, and reports null while its engine hangs", async () => {
    const redis = new Redis(services.redisUrl);
    const heartbeat = await host.startHeartbeat({ redisUrl: services.redisUrl, env: { HEARTBEAT_SECONDS: "1" } });
    const beaten = async () =>
      (JSON.parse((await redis.get("host:engine")) ?? "{}") as { containers?: number | null }).containers;
    try {
      await startContainer("one", { "getaredis.instance": "one" });
      await startContainer("two", { "getaredis.instance": "two" });
      await startContainer("not-ours", {});
      await until("two instances are told", async () => (await beaten()) === 2);
      await host.pause();
      await until("the count is unknown", async () => (await beaten()) === null);
      await host.resume();
      await until("it is known again", async () => (await beaten()) === 2);
    } finally {
      await heartbeat.stop();
      redis.disconnect();
      await removeAll();
    }
  });

  it("keeps instances running and answering while the engine is killed and brought back", async () => {
    await host.docker.createNetwork({
      Name: "instances",
      Driver: "bridge",
      Options: { "com.docker.network.bridge.name": "gar-survivor" },
    });
    const container = await host.docker.createContainer({
      Image: host.image,
      Cmd: ["--protected-mode", "no", "--save", ""],
      HostConfig: { NetworkMode: "instances", PortBindings: { "6379/tcp": [{ HostPort: "20001" }] } },
    });
    await container.start();
    const ping = () => pingRedis(`redis://${host.address}:20001`);
    await until("it answers", () => ping().then(() => true));
    const { Pid: pid } = (await container.inspect()).State;

    await host.killEngine();
    await ping();
    await host.startEngine();
    await ping();
    assert.equal((await container.inspect()).State.Pid, pid);

    await host.killEngine();
    await host.powerOff();
    await assert.rejects(ping());
    await host.powerOn();
    assert.equal((await container.inspect()).State.Status, "exited");
    await removeAll();
  });

  it("loses everything that ran when its plug is pulled, and keeps its disk", async () => {
    await startContainer("survivor", {});
    await host.powerOff();
    await assert.rejects(host.docker.ping());
    await host.powerOn();
    const [container] = await host.docker.listContainers({ all: true });
    assert.deepEqual([container?.Names[0], container?.State], ["/survivor", "exited"]);
    await removeAll();
  });
});

async function filesIn(tar: NodeJS.ReadableStream): Promise<string[]> {
  const files: string[] = [];
  const reader = extract();
  tar.pipe(reader);
  for await (const entry of reader) {
    if (entry.header.type === "file") files.push(entry.header.name);
    entry.resume();
  }
  return files;
}
