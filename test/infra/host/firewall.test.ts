import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { startServerProcess } from "../../../infra/process/server-process.ts";
import type { ServerProcess } from "../../../infra/process/server-process.ts";
import { startEngineHost } from "../../bed/engine-host.ts";
import type { EngineHost } from "../../bed/engine-host.ts";
import { until } from "../../bed/until.ts";

const FIREWALL = fileURLToPath(new URL("../../../infra/host/firewall.sh", import.meta.url));
const BRIDGE = "com.docker.network.bridge";
const run = promisify(execFile);

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
  const startContainer = async (name: string, network: string, port: number, address = "") => {
    const container = await host.docker.createContainer({
      name,
      Image: host.image,
      Cmd: ["--protected-mode", "no", "--save", "", "--repl-diskless-sync-delay", "0"],
      HostConfig: { NetworkMode: network, PortBindings: { "6379/tcp": [{ HostIp: address, HostPort: String(port) }] } },
    });
    await container.start();
    await until("the container answers", () =>
      host.exec("redis-cli", "-h", address || host.address, "-p", String(port), "ping"),
    );
  };
  const gatewayOf = async (network: string) =>
    ((await host.docker.getNetwork(network).inspect()) as { IPAM: { Config: { Gateway: string }[] } }).IPAM.Config[0]
      ?.Gateway ?? "";
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
      assert.match(
        await outcomeOfCalling(20_001, address, port),
        /IOERR/,
        `with the firewall, ${what} cannot be reached`,
      );
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

  it("lets a machine of the same network in by what is published for it, and by nothing else", async () => {
    await startContainer("loopback", "open", 20_005, "127.0.0.1");
    // As it is with Docker before 28, which has no rules of its own against this.
    await host.exec("iptables", "-t", "raw", "-F");
    const attacker = await attachMachine(host);
    try {
      const container = await addressOf("open-a");
      await attacker.reach(container);
      await attacker.reach("127.0.0.1");
      const ways: [what: string, address: string, port: number][] = [
        ["the container's own address", container, 6379],
        ["a port that is published on loopback", "127.0.0.1", 20_005],
      ];
      await host.exec("sh", FIREWALL, "down");
      for (const [what, address, port] of ways)
        assert.equal(await attacker.ping(address, port), "PONG", `without the firewall, ${what} is open`);
      await host.exec("sh", FIREWALL, "up");
      for (const [what, address, port] of ways)
        assert.equal(await attacker.ping(address, port), "no answer", `with the firewall, ${what} is closed`);
      assert.equal(await attacker.ping(attacker.gateway, 20_001), "PONG");
      assert.equal((await host.exec("redis-cli", "-p", "20005", "ping")).trim(), "PONG", "the host itself gets in");
    } finally {
      await host.exec("sh", FIREWALL, "up");
      await attacker.detach();
    }
  });

  describe("bounds the connections of one address to an instance", () => {
    const open: Socket[] = [];
    before(() => host.exec("env", "CONNECTIONS_PER_ADDRESS=5", "sh", FIREWALL, "up"));
    const hangUp = async () => {
      for (const socket of open.splice(0)) socket.destroy();
      await until(
        "nobody is counted any more",
        async () => !(await host.exec("nft", "list", "set", "inet", "getaredis", "callers")).includes("elements"),
      );
    };
    afterEach(hangUp);

    /** An answered connection, or the code of its refusal. */
    const call = async (port: number, localAddress = host.testAddress): Promise<string> => {
      const socket = connect({ host: host.address, port, localAddress });
      open.push(socket);
      socket.setTimeout(5_000, () => socket.destroy(Object.assign(new Error("silence"), { code: "SILENCE" })));
      try {
        await once(socket, "connect");
        socket.write("PING\r\n");
        const [answer] = (await once(socket, "data")) as [Buffer];
        return answer.toString().trim();
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? String(error);
      }
    };
    const callOften = async (times: number, ...to: Parameters<typeof call>) => {
      const answers: string[] = [];
      for (let time = 0; time < times; time++) answers.push(await call(...to));
      return answers;
    };
    const fiveAndNoMore = [...Array<string>(5).fill("+PONG"), "ECONNREFUSED", "ECONNREFUSED"];

    it("and still lets others in, and the same one to another instance", async () => {
      assert.deepEqual(await callOften(7, 20_003), fiveAndNoMore);
      assert.deepEqual(await callOften(7, 20_004), fiveAndNoMore);
      // Of a range for tests, and of this host alone: several may run at once.
      const other = host.testAddress.replace(/^10\.213\./, "198.18.");
      await host.exec("ip", "route", "replace", other, "via", host.testAddress);
      await run("ip", ["address", "add", `${other}/32`, "dev", "lo"]);
      try {
        assert.deepEqual(await callOften(7, 20_003, other), fiveAndNoMore);
        await hangUp();
      } finally {
        await run("ip", ["address", "del", `${other}/32`, "dev", "lo"]);
      }
    });

    it("and takes a new one for each that is closed", async () => {
      await callOften(5, 20_003);
      open.splice(0, 2).forEach((socket) => socket.destroy());
      await until("there is room again", async () => (await call(20_003)) === "+PONG");
      for (let time = 0; time < 20; time++) await ping(host.address, 20_004);
    });

    it("and counts none of the machine's own", async () => {
      for (const address of ["127.0.0.1", host.address]) {
        const answers = await host.exec(
          "bash",
          "-c",
          `for each in {1..20}; do
            exec {wire}<>/dev/tcp/${address}/20003 && printf 'PING\r\n' >&$wire &&
              read -r -t 5 -u $wire answer && echo "$answer"
          done`,
        );
        assert.equal(answers.match(/PONG/g)?.length, 20, address);
      }
    });

    it("and takes no nonsense for a bound", async () => {
      for (const bound of ["0", "-1", "many", "1; drop", "1000000"]) {
        await assert.rejects(
          host.exec("env", `CONNECTIONS_PER_ADDRESS=${bound}`, "sh", FIREWALL, "up"),
          /must be a number from 1 to 99999/,
          bound,
        );
      }
    });
  });

  it("can be brought up and down any number of times", async () => {
    await host.exec("sh", FIREWALL, "up");
    const once = await withoutCounters();
    await host.exec("sh", FIREWALL, "up");
    assert.equal(await withoutCounters(), once);
    await host.exec("sh", FIREWALL, "down");
    await host.exec("sh", FIREWALL, "down");
    assert.doesNotMatch(await host.exec("nft", "list", "tables"), /getaredis$/m);
    await host.exec("sh", FIREWALL, "up");
  });

  const withoutCounters = async () =>
    (await host.exec("nft", "list", "table", "inet", "getaredis")).replace(/packets \d+ bytes \d+/g, "");
  const packetsDropped = async () =>
    Number(/packets (\d+)/.exec(await host.exec("nft", "list", "chain", "inet", "getaredis", "answers_only"))?.[1]);

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

/** A machine that is linked to the host, as a neighbour in a data centre is: it sends what it likes. */
async function attachMachine(host: EngineHost) {
  const gateway = "198.18.255.1";
  const start = await host.exec(
    "bash",
    "-c",
    `unshare --net sleep infinity >/dev/null 2>&1 & machine=$!
     until [ "$(readlink /proc/$machine/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
     ip link add on-link type veth peer name eth0 netns $machine
     ip address add ${gateway}/24 dev on-link && ip link set on-link up
     nsenter --target $machine --net bash -c 'ip address add 198.18.255.2/24 dev eth0 && ip link set eth0 up &&
       echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet'
     echo $machine`,
  );
  const within = (...command: string[]) => host.exec("nsenter", "--target", start.trim(), "--net", ...command);
  return {
    /** Address of the host on this link. */
    gateway,
    /** Sends what is for an address to the host. */
    reach: (address: string) => within("ip", "route", "add", address, "via", gateway),
    ping: (address: string, port: number) =>
      within("timeout", "1", "redis-cli", "-h", address, "-p", String(port), "ping").then(
        (answer) => answer.trim(),
        () => "no answer",
      ),
    /** The link goes with its namespace. */
    detach: () => host.exec("kill", start.trim()),
  };
}

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
