import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { startServerProcess } from "../../infra/local/server-process.ts";
import type { ServerProcess } from "../../infra/local/server-process.ts";
import { startEngineHost } from "../bed/engine-host.ts";
import type { EngineHost } from "../bed/engine-host.ts";
import { until } from "../bed/until.ts";

const FIREWALL = fileURLToPath(new URL("../../infra/host/firewall.sh", import.meta.url));
const BRIDGE = "com.docker.network.bridge";

describe("firewall.sh on a host with instances", () => {
  let host: EngineHost;
  let dir: string;
  let elsewhere: ServerProcess;

  before(async () => {
    host = await startEngineHost({ name: "firewall" });
    dir = await mkdtemp(join(tmpdir(), "getaredis-firewall-"));
    // What instances must not reach: a Redis outside of their host, and one on the host itself.
    elsewhere = await startServerProcess({
      name: "redis-server",
      command: "redis-server",
      args: ["--bind", host.testAddress, "--port", "7001", "--protected-mode", "no", "--save", "", "--dir", dir],
      logFile: join(dir, "redis.log"),
      probe: () => ping(host.testAddress, 7001),
    });
    await host.exec("redis-server", "--port", "7002", "--protected-mode", "no", "--save", "", "--daemonize", "yes");
    // Everything that Docker itself does against traffic is off here: the firewall is alone.
    await createNetwork("open", "gar-open0000", "true");
    await startContainer("open-a", "open", 20_001);
    await startContainer("open-b", "open", 20_002);
    // And this is what instances get.
    await createNetwork("closed", "gar-closed00", "false");
    await startContainer("closed-a", "closed", 20_003);
    await startContainer("closed-b", "closed", 20_004);
  });
  after(async () => {
    try {
      await elsewhere.stop();
    } finally {
      await host.stop();
    }
    await rm(dir, { recursive: true });
  });

  const createNetwork = (name: string, bridge: string, open: "true" | "false") =>
    host.docker.createNetwork({
      Name: name,
      Driver: "bridge",
      Options: { [`${BRIDGE}.name`]: bridge, [`${BRIDGE}.enable_icc`]: open, [`${BRIDGE}.enable_ip_masquerade`]: open },
    });
  const startContainer = async (name: string, network: string, port: number) => {
    const container = await host.docker.createContainer({
      name,
      Image: host.image,
      Cmd: ["--protected-mode", "no", "--save", "", "--repl-diskless-sync-delay", "0"],
      HostConfig: { NetworkMode: network, PortBindings: { "6379/tcp": [{ HostPort: String(port) }] } },
    });
    await container.start();
    await until("the container answers", () => ping(host.address, port));
  };
  const gatewayOf = async (network: string) =>
    ((await host.docker.getNetwork(network).inspect()) as { IPAM: { Config: { Gateway: string }[] } }).IPAM.Config[0]?.Gateway ?? "";
  const addressOf = async (container: string) =>
    Object.values((await host.docker.getContainer(container).inspect()).NetworkSettings.Networks)[0]?.IPAddress ?? "";

  const targets = async (network: string, other: string, otherPort: number): Promise<[string, string, number][]> => [
    ["another machine", host.testAddress, 7001],
    ["the host by its bridge", await gatewayOf(network), 7002],
    ["the host by its own address", host.address, 7002],
    ["the other instance", await addressOf(other), 6379],
    ["the other instance by its published port", host.address, otherPort],
  ];

  it("lets no connection out, whatever Docker would allow", async () => {
    await host.exec("sh", FIREWALL, "down");
    for (const [what, address, port] of await targets("open", "open-b", 20_002)) {
      assert.equal(await outcomeOfCalling(20_001, address, port), "OK", `without the firewall, ${what} can be reached`);
    }
    await host.exec("sh", FIREWALL, "up");
    for (const [what, address, port] of await targets("open", "open-b", 20_002)) {
      assert.match(await outcomeOfCalling(20_001, address, port), /IOERR/, `with the firewall, ${what} cannot be reached`);
    }
  });

  it("cuts a connection that was opened before it came up", async () => {
    await host.exec("sh", FIREWALL, "down");
    const replica = new Redis(20_001, host.address);
    try {
      await replica.replicaof(await addressOf("open-b"), 6379);
      await until("the link is up", async () => /master_link_status:up/.test(await replica.info("replication")));
      await host.exec("sh", FIREWALL, "up");
      const before = await packetsDropped();
      await until("packets of the open connection are dropped", async () => (await packetsDropped()) > before);
    } finally {
      await host.exec("sh", FIREWALL, "up");
      await replica.replicaof("NO", "ONE");
      replica.disconnect();
    }
  });

  it("lets people in: from outside, and on the box by loopback and by its own address", async () => {
    await host.exec("sh", FIREWALL, "up");
    for (const port of [20_001, 20_003]) {
      await ping(host.address, port);
      for (const address of ["127.0.0.1", host.address]) {
        const answer = await host.exec("redis-cli", "-h", address, "-p", String(port), "ping");
        assert.equal(answer.trim(), "PONG");
      }
    }
  });

  it("leaves nothing open with the network that instances get", async () => {
    await host.exec("sh", FIREWALL, "up");
    for (const [what, address, port] of await targets("closed", "closed-b", 20_004)) {
      assert.match(await outcomeOfCalling(20_003, address, port), /IOERR/, what);
    }
  });

  it("can be brought up and down any number of times", async () => {
    await host.exec("sh", FIREWALL, "up");
    const once = await withoutCounters();
    await host.exec("sh", FIREWALL, "up");
    assert.equal(await withoutCounters(), once);
    await host.exec("sh", FIREWALL, "down");
    await host.exec("sh", FIREWALL, "down");
    assert.doesNotMatch(await host.exec("nft", "list", "tables"), /getaredis/);
    await host.exec("sh", FIREWALL, "up");
  });

  const withoutCounters = async () => (await host.exec("nft", "list", "table", "inet", "getaredis")).replace(/packets \d+ bytes \d+/g, "");
  const packetsDropped = async () => Number(/packets (\d+)/.exec(await host.exec("nft", "list", "table", "inet", "getaredis"))?.[1]);

  /** Has the Redis behind a port send a key to another Redis: what that says tells whether it got there. */
  const outcomeOfCalling = async (fromPort: number, address: string, port: number): Promise<string> => {
    const redis = new Redis(fromPort, host.address);
    try {
      await redis.set("key", "value");
      return String(await redis.call("MIGRATE", address, port, "key", 0, 300, "COPY", "REPLACE"));
    } catch (error) {
      return String(error);
    } finally {
      redis.disconnect();
    }
  };
});

async function ping(address: string, port: number): Promise<true> {
  const redis = new Redis({ host: address, port, lazyConnect: true, retryStrategy: () => null });
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    assert.equal(await redis.ping(), "PONG");
    return true;
  } finally {
    redis.disconnect();
  }
}
