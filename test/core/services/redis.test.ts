import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { containerName, labels, networkOf, type ContainerSpec } from "../../../apps/core/services/container.ts";
import { watchPassword } from "../../../apps/core/services/watch-user.ts";
import { refusedCommands } from "../../../apps/core/services/refused-commands.ts";
import { redisService, type RedisLimits } from "../../../apps/core/services/redis.ts";

const LIMITS: RedisLimits = {
  image: "redis:test",
  memoryMb: 25,
  memoryLimitMb: 64,
  scriptMemoryMb: 128,
  evictionPolicy: "noeviction",
  maxClients: 50,
  loginsPending: 200,
  cpus: 0.5,
  restarts: 20,
};
const PASSWORD_HASH = Buffer.alloc(32, 0xab);
const WATCH_HASH = Buffer.alloc(32, 0xcd);

const specWith = (limits: Partial<RedisLimits> = {}, notAfter = new Date(1_000_000)): ContainerSpec =>
  redisService({ ...LIMITS, ...limits }).containerOf({
    id: "abc",
    deployment: "shop",
    bindAddress: "10.0.0.7",
    port: 20_003,
    passwordHash: PASSWORD_HASH,
    watchHash: WATCH_HASH,
    notAfter,
  });

describe("the container of an instance", () => {
  it("is found again by its instance's id: as name and as label", () => {
    const spec = specWith();
    assert.equal(spec.name, containerName("abc"));
    assert.equal(spec.Labels[labels.instance], "abc");
    assert.equal(spec.Labels[labels.deployment], "shop");
  });

  it("says until when it may live in whole seconds, never sooner than asked", () => {
    assert.equal(specWith({}, new Date(1_000_001)).Labels[labels.notAfter], "1001");
    assert.equal(specWith({}, new Date(1_000_000)).Labels[labels.notAfter], "1000");
  });

  it("is reached at its slot's port on the address that its host binds, and there alone", () => {
    assert.deepEqual(specWith().HostConfig["PortBindings"], {
      "6379/tcp": [{ HostIp: "10.0.0.7", HostPort: "20003" }],
    });
  });

  it("has the password as SHA-256 and nothing to give it away", () => {
    assert.ok(specWith().Cmd.includes(`#${"ab".repeat(32)}`));
    assert.ok(
      !specWith().Cmd.some(
        (argument) => argument.startsWith(">") || argument === "nopass" || argument === "--requirepass",
      ),
    );
  });

  it("grants its owner by name no command that is documented as refused", () => {
    const rights = specWith().Cmd.slice(specWith().Cmd.indexOf("default"), specWith().Cmd.lastIndexOf("--user"));
    const granted = rights.filter((right) => right.startsWith("+")).map((right) => right.slice(1).replace("|", " "));
    assert.ok(granted.includes("client kill") && granted.includes("function"));
    const refused = refusedCommands.flatMap(({ commands }) => commands.map((command) => command.toLowerCase()));
    assert.deepEqual(
      granted.filter((command) => refused.includes(command)),
      [],
    );
    // Granted with all of its subcommands, but for this one.
    assert.ok(rights.indexOf("-function|restore") > rights.indexOf("+function"));
  });

  it("has a user for the service itself that sees how it is used, and neither data nor anything else", () => {
    const { Cmd } = specWith();
    const from = Cmd.lastIndexOf("--user") + 1;
    assert.deepEqual(
      Cmd.slice(from).join(" "),
      `watch on #${"cd".repeat(32)} resetkeys resetchannels -@all +info +client|list`,
    );
  });

  it("gives each instance's user of the service another password, which only the server's secret tells", () => {
    const passwords = [watchPassword("secret", "a"), watchPassword("secret", "b"), watchPassword("other", "a")];
    assert.equal(new Set(passwords).size, 3);
    assert.equal(watchPassword("secret", "a"), passwords[0]);
    for (const password of passwords) assert.match(password, /^[\w-]{32}$/);
  });

  it("may use its memory, with that of scripts, and not a byte of swap", () => {
    const { HostConfig } = specWith({ memoryLimitMb: 96, scriptMemoryMb: 100 });
    assert.equal(HostConfig["Memory"], 196 * 1024 * 1024);
    assert.equal(HostConfig["MemorySwap"], HostConfig["Memory"]);
  });

  it("has nobody listen to what it writes, neither the engine nor a file", () => {
    assert.deepEqual(specWith().HostConfig["LogConfig"], { Type: "none", Config: {} });
    assert.deepEqual(valuesOf(specWith(), "logfile"), ["/dev/null"]);
  });

  it("gives scripts room without giving clients more", () => {
    assert.deepEqual(specWith({ scriptMemoryMb: 500 }).Cmd, specWith({ scriptMemoryMb: 0 }).Cmd);
  });

  it("is started again when its server ends by itself, so often and no more, or never", () => {
    const policyOf = (restarts: number) => specWith({ restarts }).HostConfig["RestartPolicy"];
    assert.deepEqual(policyOf(20), { Name: "on-failure", MaximumRetryCount: 20 });
    // An engine takes a count of 0 for no bound.
    assert.deepEqual(policyOf(0), { Name: "no" });
  });

  it("has file descriptors for all clients that it accepts", () => {
    const [limit] = specWith({ maxClients: 500, loginsPending: 300 }).HostConfig["Ulimits"] as {
      Name: string;
      Soft: number;
      Hard: number;
    }[];
    assert.equal(limit?.Name, "nofile");
    assert.equal(limit.Soft, limit.Hard);
    // Redis keeps 32 for itself and lowers maxclients when they are not there.
    assert.ok(limit.Soft >= 800 + 32);
  });

  it("has room for those that have not logged in besides the clients that it promises", () => {
    assert.deepEqual(valuesOf(specWith({ maxClients: 50, loginsPending: 30 }), "maxclients"), ["80"]);
  });

  it("leaves room for data, clients and one more reply, at any setting that is accepted", () => {
    for (const [memoryMb, memoryLimitMb] of [
      [1, 17],
      [25, 41],
      [25, 64],
      [100, 256],
      [1000, 1016],
      [1000, 2000],
    ] as const) {
      const spec = specWith({ memoryMb, memoryLimitMb });
      const [, replyMb = 0] = valuesOf(spec, "client-output-buffer-limit").map((value) => parseInt(value, 10));
      const clientsMb = megabytes(spec, "maxmemory-clients");
      assert.ok(memoryMb + clientsMb + replyMb < memoryLimitMb, `${memoryMb} MB in ${memoryLimitMb} MB`);
    }
  });

  it("sends a reply as long as what all clients may hold", () => {
    for (const memoryLimitMb of [41, 64, 256]) {
      const spec = specWith({ memoryLimitMb });
      assert.equal(valuesOf(spec, "client-output-buffer-limit")[0], "normal");
      assert.equal(megabytes(spec, "client-output-buffer-limit", 1), megabytes(spec, "maxmemory-clients"));
    }
  });

  it("passes the largest value in and out within what clients may hold", () => {
    for (const memoryLimitMb of [41, 64, 96, 256, 2000]) {
      const spec = specWith({ memoryLimitMb });
      const valueMb = megabytes(spec, "proto-max-bulk-len");
      const held = 1.25 * valueMb;
      assert.ok(valueMb >= 1);
      assert.ok(held < megabytes(spec, "client-query-buffer-limit"));
      assert.ok(held < megabytes(spec, "client-output-buffer-limit", 1));
      assert.ok(2 * held < megabytes(spec, "maxmemory-clients"), `${valueMb} MB in a container of ${memoryLimitMb} MB`);
    }
  });

  it("keeps the name of its bridge within what Linux takes", () => {
    assert.equal(networkOf("a-deployment-with-a-long-name").bridge, "gar-a-deploy");
    assert.ok(networkOf("a-deployment-with-a-long-name").bridge.length <= 15);
    assert.equal(specWith().HostConfig["NetworkMode"], networkOf("shop").name);
  });
});

describe("the URL of an instance", () => {
  it("names user, password, host and port as clients take them", () => {
    assert.equal(
      redisService(LIMITS).urlOf({ host: "redis.example.org", port: 20_001, isTls: false }, "abc"),
      "redis://default:abc@redis.example.org:20001",
    );
  });

  it("brackets IPv6 literals, so that a URL parser finds the port", () => {
    const url = new URL(redisService(LIMITS).urlOf({ host: "2001:db8::1", port: 20_001, isTls: false }, "abc"));
    assert.deepEqual(
      [url.hostname, url.port, url.username, url.password],
      ["[2001:db8::1]", "20001", "default", "abc"],
    );
  });

  it("is encrypted at an edge, where its name and its password tell the instance", () => {
    const { addressOf, idAt, passwordOf, urlOf } = redisService(LIMITS, { domain: "redis.example.org", port: 6379 });
    const id = "5sq9fsfr26iw58ze";
    const address = addressOf({ id, publicHost: "192.0.2.1", port: 20_001 });
    const url = urlOf(address, passwordOf(id, "abc"));
    assert.equal(url, `rediss://default:${id}abc@${id}.redis.example.org:6379`);
    assert.equal(idAt(address.host, address.port), id);
    assert.equal(idAt(address.host, 20_001), undefined);
    assert.equal(idAt("192.0.2.1", 20_001), undefined);
  });

  it("is its host's without an edge, and its password is a secret alone", () => {
    const { addressOf, idAt, passwordOf } = redisService(LIMITS);
    const address = addressOf({ id: "5sq9fsfr26iw58ze", publicHost: "192.0.2.1", port: 20_001 });
    assert.deepEqual([address.host, address.port, address.isTls], ["192.0.2.1", 20_001, false]);
    assert.equal(passwordOf("5sq9fsfr26iw58ze", "abc"), "abc");
    assert.equal(idAt("5sq9fsfr26iw58ze.redis.example.org", 6379), undefined);
  });
});

function valuesOf(spec: ContainerSpec, option: string): string[] {
  const from = spec.Cmd.indexOf(`--${option}`) + 1;
  assert.ok(from > 0, `the server is given ${option}`);
  const to = spec.Cmd.findIndex((argument, index) => index >= from && argument.startsWith("--"));
  return spec.Cmd.slice(from, to === -1 ? undefined : to);
}

function megabytes(spec: ContainerSpec, option: string, index = 0): number {
  const value = valuesOf(spec, option)[index] ?? "";
  assert.match(value, /^\d+mb$/);
  return parseInt(value, 10);
}
