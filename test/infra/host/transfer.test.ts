import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import { projectPath } from "../../../infra/process/project-path.ts";
import { startEngineHost, type EngineHost } from "../../bed/engine-host.ts";
import { until } from "../../bed/until.ts";

const TRANSFER = projectPath("infra/host/transfer.sh");
const VALUE_BYTES = 1_000_000;

describe("transfer.sh on a host with instances", () => {
  let host: EngineHost;
  before(async () => {
    host = await startEngineHost({ name: "transfer" });
    await host.docker.createNetwork({
      Name: "instances",
      Driver: "bridge",
      Options: { "com.docker.network.bridge.name": "gar-transfer" },
    });
    await startContainer("sender", 20_001);
    await startContainer("neighbour", 20_002);
  });
  after(() => host.stop());

  const transfer = (command: string, env: Record<string, number | string> = {}) =>
    host.exec("env", ...Object.entries(env).map(([name, value]) => `${name}=${value}`), "bash", TRANSFER, command);
  const startContainer = async (name: string, port: number) => {
    const container = await host.docker.createContainer({
      name,
      Image: host.image,
      Cmd: ["--protected-mode", "no", "--save", ""],
      HostConfig: { NetworkMode: "instances", PortBindings: { "6379/tcp": [{ HostPort: String(port) }] } },
    });
    await container.start();
    await within(port, (redis) => redis.set("value", "x".repeat(VALUE_BYTES)));
  };
  const within = async <T>(port: number, work: (redis: Redis) => Promise<T>): Promise<T> => {
    const redis = new Redis({ host: host.address, port });
    // A container that has just started may not listen yet: it is tried again.
    redis.on("error", () => undefined);
    try {
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  };
  const read = (port: number, times: number) =>
    within(port, async (redis) => {
      for (let time = 0; time < times; time++) await redis.get("value");
    });
  const packetsDropped = async (family: "inet" | "bridge") => {
    const rules = await host.exec("nft", "list", "table", family, "getaredis_transfer");
    return [...rules.matchAll(/packets (\d+)/g)].reduce((sum, [, packets]) => sum + Number(packets), 0);
  };
  const exceeding = async () =>
    /elements = \{ (.*) \}/
      .exec(await host.exec("nft", "list", "set", "bridge", "getaredis_transfer", "exceeding"))?.[1]
      ?.split(", ").length ?? 0;
  const addressOf = async (name: string) =>
    Object.values((await host.docker.getContainer(name).inspect()).NetworkSettings.Networks)[0]?.IPAddress;

  it("bounds the rate of each instance out of the machine, and its short replies get through", async () => {
    await transfer("up", { TRANSFER_BYTES_PER_SECOND: 1_000_000 });
    await read(20_002, 1);
    assert.equal(await packetsDropped("inet"), 0, "nobody meets a bound that is not reached");
    const reading = read(20_001, 4);
    await until("more is dropped", async () => (await packetsDropped("inet")) > 0);
    assert.equal(await within(20_001, (redis) => redis.ping()), "PONG");
    await reading;
    const dropped = await packetsDropped("inet");
    await read(20_002, 1);
    assert.equal(await packetsDropped("inet"), dropped, "its neighbour has a rate of its own");
    const readHere = () =>
      host.exec("bash", "-c", "for each in {1..4}; do redis-cli -h 127.0.0.1 -p 20001 get value >/dev/null; done");
    await readHere();
    assert.equal(await packetsDropped("inet"), dropped, "what the machine itself reads leaves it not");
    await transfer("up", { TRANSFER_BYTES_PER_SECOND: 1_000_000, GATEWAY_NETWORK: "127.0.0.1/32" });
    await readHere();
    assert.ok((await packetsDropped("inet")) > 0, "but for a gateway on it, which sends it on");
    await transfer("up");
    await readHere();
    assert.equal(await packetsDropped("inet"), 0);
  });

  it("slows an instance that has sent more than its bytes, and no other", async () => {
    const bound = { TRANSFER_BYTES: 20 * VALUE_BYTES };
    await transfer("look", bound);
    assert.equal(await exceeding(), 0);
    await read(20_001, 20);
    await transfer("look", bound);
    assert.equal(await exceeding(), 1);
    const reading = read(20_001, 1).catch(() => undefined);
    await until("it is slowed", async () => (await packetsDropped("bridge")) > 0);
    assert.equal(await within(20_001, (redis) => redis.ping()), "PONG", "it still answers");
    const dropped = await packetsDropped("inet");
    await read(20_002, 3);
    assert.equal(await packetsDropped("inet"), dropped);

    await transfer("up");
    assert.equal(await exceeding(), 1, "rules that are loaded again forget nothing");
    await transfer("look", { TRANSFER_BYTES: 0 });
    assert.equal(await exceeding(), 0, "without a bound there is none over it");
    await reading;
  });

  it("begins at nothing with a new container, at the address of one that was over its bound", async () => {
    const bound = { TRANSFER_BYTES: 20 * VALUE_BYTES };
    await transfer("look", bound);
    assert.equal(await exceeding(), 1);
    const address = await addressOf("sender");
    await host.docker.getContainer("sender").remove({ force: true });
    await startContainer("successor", 20_001);
    assert.equal(await addressOf("successor"), address);
    // Nobody has looked yet: its predecessor is still known to be over its bound.
    const dropped = await packetsDropped("bridge");
    await read(20_001, 3);
    assert.equal(await packetsDropped("bridge"), dropped);
    await transfer("look", bound);
    assert.equal(await exceeding(), 0);
  });

  it("watches until it is told to end", async () => {
    const watch = host.exec(
      "env",
      `TRANSFER_BYTES=${VALUE_BYTES}`,
      "TRANSFER_LOOK_SECONDS=1",
      "bash",
      "-c",
      `bash ${TRANSFER} watch & echo $! >/run/watch.pid; wait`,
    );
    await read(20_002, 1);
    await until("it has looked", async () => (await exceeding()) > 0);
    await host.exec("bash", "-c", "kill $(cat /run/watch.pid)");
    await watch;
  });

  it("takes no nonsense for a bound", async () => {
    for (const [name, value] of [
      ["TRANSFER_BYTES_PER_SECOND", "0"],
      ["TRANSFER_BYTES_PER_SECOND", "1; drop"],
      ["TRANSFER_BYTES", "-1"],
      ["TRANSFER_BYTES", "0x10"],
      ["TRANSFER_LOOK_SECONDS", "0"],
    ] as const)
      await assert.rejects(transfer("up", { [name]: value }), new RegExp(`${name} must be a number of`), value);
  });

  it("can be brought up and down any number of times", async () => {
    for (const command of ["up", "up", "down", "down"]) await transfer(command);
    assert.doesNotMatch(await host.exec("nft", "list", "tables"), /getaredis_transfer/);
  });
});
