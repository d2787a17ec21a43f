import assert from "node:assert/strict";
import { once } from "node:events";
import { createSocket } from "node:dgram";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import type { ContainerInspectInfo } from "dockerode";
import { Redis } from "ioredis";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { readClientUsage } from "../../apps/adapters/redis/client-usage.ts";
import { watchPassword } from "../../apps/core/services/watch-user.ts";
import { refusedCommands } from "../../apps/core/services/refused-commands.ts";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { startService, type Service } from "../bed/service.ts";
import { until } from "../bed/until.ts";

const MB = 1024 * 1024;
const MAX_CLIENTS = 50;
/** Places besides, for those that have not logged in; who has may use them, too. */
const LOGINS_PENDING = 200;
/** Largest value that an instance of the default size takes. */
const VALUE_MB = 5;
const TOOLS = "getaredis/intruder:local";
const FUNCTIONS =
  "#!lua name=mine\nredis.register_function('read', function(keys) return redis.call('GET', keys[1]) end)";
/** A script that takes memory without end. */
const FILL_MEMORY = "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 100000) .. i end";

describe("the container that people get", { timeout: 240_000 }, () => {
  let service: Service;
  /** Holds each instance's connections, so that none outlives its test. */
  let open: (Redis | Socket)[] = [];

  before(async () => {
    service = await startService({ capacity: 16, env: { QUOTA_PER_ADDRESS: "16" } });
  });
  after(() => service.stop());

  const host = () => {
    const [first] = service.hosts;
    assert.ok(first);
    return first;
  };
  const create = async (headers: Record<string, string> = {}): Promise<Handout> => {
    const answer = await fetch(`${service.origin}/instances`, { method: "POST", headers });
    assert.equal(answer.status, 201, await answer.clone().text());
    return (await answer.json()) as Handout;
  };
  const end = (instance: Handout) =>
    fetch(`${service.origin}/instances/${instance.id}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${instance.token}` },
    });
  const containerOf = (instance: Handout) => host().docker.getContainer(`redis-${instance.id}`);
  const redisOf = (instance: Handout) => {
    const redis = new Redis(instance.url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
    // What breaks the connection also rejects the command.
    redis.on("error", () => undefined);
    open.push(redis);
    return redis;
  };
  const wireOf = async (instance: Handout, options?: { anonymous: boolean }) => {
    const wire = await openWire(instance, options);
    open.push(wire.socket);
    return wire;
  };
  const wiresOf = (instance: Handout, count: number) =>
    Promise.all(Array.from({ length: count }, () => wireOf(instance)));

  /** Runs a test with an instance of its own and takes everything away after it. */
  const withInstance = (test: (instance: Handout) => Promise<void>) => async () => {
    const instance = await create();
    try {
      await test(instance);
    } finally {
      for (const connection of open) {
        if (connection instanceof Redis) connection.disconnect();
        else connection.destroy();
      }
      open = [];
      await end(instance);
    }
  };
  /** The same server process as at the start takes a command, on a new connection. */
  const assertUnharmed = async (
    instance: Handout,
    commandOnIt: (redis: Redis) => Promise<unknown> = (redis) => redis.ping(),
  ) => {
    const redis = redisOf(instance);
    await until("the instance answers", () => commandOnIt(redis));
    const { State, RestartCount } = await containerOf(instance).inspect();
    assert.deepEqual([State.Running, State.OOMKilled, RestartCount], [true, false, 0]);
    redis.disconnect();
  };

  describe("holds so much data and no more", () => {
    it(
      "refuses writes past its memory with Redis's own error, and goes on reading and deleting",
      withInstance(async (instance) => {
        const redis = redisOf(instance);
        const refusal = await fill(redis);
        assert.match(refusal, /^OOM command not allowed when used memory > 'maxmemory'/);
        assert.equal((await redis.get("fill:0"))?.length, 1000);
        assert.match(await redis.info("memory"), /maxmemory:26214400\b[^]*maxmemory_policy:noeviction/);
        await redis.flushall();
        assert.equal(await redis.set("after", "all"), "OK");
        await assertUnharmed(instance);
      }),
    );

    it(
      `takes and returns a value of ${VALUE_MB} MB while others are connected, and refuses larger ones however made`,
      withInstance(async (instance) => {
        await wiresOf(instance, MAX_CLIENTS - 5);
        const redis = redisOf(instance);
        assert.equal(await redis.set("value", Buffer.alloc(VALUE_MB * MB)), "OK");
        assert.equal((await redis.getBuffer("value"))?.length, VALUE_MB * MB);
        for (const [command, ...values] of [
          ["APPEND", "value", "x"],
          ["SETRANGE", "range", VALUE_MB * MB, "x"],
          ["SETBIT", "bits", VALUE_MB * MB * 8, 1],
        ] as const) {
          await assert.rejects(redis.call(command, ...values), /exceeds maximum allowed size|out of range/);
        }
        const wire = await wireOf(instance);
        wire.socket.write(`*3\r\n$3\r\nSET\r\n$4\r\nhuge\r\n$${VALUE_MB * MB + 1}\r\n`);
        assert.equal(await wire.line(), "-ERR Protocol error: invalid bulk length");
        await assertUnharmed(instance);
      }),
    );

    it(
      "passes replies of all that clients may hold, cuts a longer one off, and outlives many such at once",
      withInstance(async (instance) => {
        const redis = redisOf(instance);
        const values = Array.from({ length: 1000 }, () => Buffer.alloc(1000));
        for (let part = 0; part < 18; part++) await redis.rpush("list", ...values);
        assert.equal((await redis.lrangeBuffer("list", 0, 12_999)).length, 13_000);
        await assert.rejects(redis.lrange("list", 0, -1), /Connection is closed/);
        const again = redisOf(instance);
        assert.equal(await again.llen("list"), 18_000, "the data is there, and can be read in parts");

        await again.ltrim("list", 0, 9999);
        await again.set("value", Buffer.alloc(VALUE_MB * MB));
        await fill(again);
        const wires = await wiresOf(instance, MAX_CLIENTS - 5);
        for (const { socket } of wires) {
          socket.pause();
          socket.write(
            Buffer.concat([
              encode("GET", "value"),
              encode("LRANGE", "list", "0", "-1"),
              encode("MGET", ...Array.from({ length: 50 }, () => "value")),
            ]),
          );
        }
        await until("all but one are cut off", async () => /connected_clients:1\r/.test(await again.info("clients")));
        await assertUnharmed(instance);
        assert.ok((await memoryPeak(instance)) < 64 * MB);
      }),
    );

    it(
      "outlives full data with every connection asking for much and reading nothing",
      withInstance(async (instance) => {
        const redis = redisOf(instance);
        await fill(redis);
        await redis.unlink(...Array.from({ length: 3000 }, (_, index) => `fill:${index}`));
        await redis.rpush("list", ...Array.from({ length: 1000 }, () => Buffer.alloc(1000)));
        const wires = await wiresOf(instance, MAX_CLIENTS - 5);
        for (const { socket } of wires) {
          socket.pause();
          socket.write(Buffer.concat(Array.from({ length: 100 }, () => encode("LRANGE", "list", "0", "-1"))));
        }
        await until("all but one are cut off", async () => /connected_clients:1\r/.test(await redis.info("clients")));
        await assertUnharmed(instance);
        assert.ok((await memoryPeak(instance)) < 64 * MB);
      }),
    );

    it(
      "outlives transactions, half a command and publications that pile up",
      withInstance(async (instance) => {
        const publisher = redisOf(instance);
        const evicted = async () => Number(/evicted_clients:(\d+)/.exec(await publisher.info("stats"))?.[1]);
        const queueing = await wiresOf(instance, 20);
        for (const { socket } of queueing)
          socket.write(
            Buffer.concat([
              encode("MULTI"),
              ...Array.from({ length: 100 }, () => encode("SET", "key", Buffer.alloc(20_000))),
            ]),
          );
        const writing = await wiresOf(instance, 15);
        for (const { socket } of writing)
          socket.write(
            Buffer.concat([
              Buffer.from(`*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$${VALUE_MB * MB}\r\n`),
              Buffer.alloc(VALUE_MB * MB - 10),
            ]),
          );
        await until("clients are cut off", async () => (await evicted()) > 5);
        await assertUnharmed(instance);

        const listening = await wiresOf(instance, 10);
        for (const wire of listening) {
          await wire.send("SUBSCRIBE", "news");
          wire.socket.pause();
        }
        await until("listeners are cut off", async () => (await publisher.publish("news", Buffer.alloc(200_000))) < 10);
        await assertUnharmed(instance);
        assert.ok((await memoryPeak(instance)) < 64 * MB);
      }),
    );

    it(
      "keeps no record of logins that failed and of keys that a client tracks, however many",
      withInstance(async (instance) => {
        const wire = await wireOf(instance);
        for (let tries = 0; tries < 60; tries++)
          assert.match(await wire.send("AUTH", `${tries}${"x".repeat(MB)}`, "wrong"), /WRONGPASS/);
        wire.socket.write("HELLO 3\r\nCLIENT TRACKING ON\r\n");
        wire.socket.write(
          Buffer.concat(
            Array.from({ length: 30_000 }, (_, index) => encode("GET", `no such key ${index} ${"x".repeat(100)}`)),
          ),
        );
        const redis = redisOf(instance);
        await until(
          "all reads were made",
          async () => Number(/keyspace_misses:(\d+)/.exec(await redis.info("stats"))?.[1]) >= 30_000,
        );
        assert.ok(Number(/tracking_total_keys:(\d+)/.exec(await redis.info("stats"))?.[1]) <= 10_000);
        assert.ok(Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]) < 12 * MB);
      }),
    );

    it(
      "lets scripts read all of its data and build large strings",
      withInstance(async (instance) => {
        const redis = redisOf(instance);
        const read = (script: string) => redis.eval(script, 0);
        const values = Array.from({ length: 5_000 }, () => Buffer.alloc(100, "x"));
        const fillList = async () => {
          for (;;) await redis.rpush("list", ...values);
        };
        await assert.rejects(fillList, /OOM command not allowed/);
        assert.ok(Number(await read("return #redis.call('LRANGE', 'list', 0, -1)")) > 100_000);
        assert.ok(Number(await read("return #cjson.encode(redis.call('LRANGE', 'list', 0, 99999))")) > 3 * MB);
        assert.equal(await read(`return #string.rep('x', ${20 * MB})`), 20 * MB);
        const pieces = "local t = {} for i = 1, 20480 do t[i] = string.rep('x', 1019) .. i % 10 end";
        assert.ok(Number(await read(`${pieces} return #table.concat(t)`)) > 19 * MB);
        await assertUnharmed(instance);
      }),
    );

    it(
      "comes back empty at the same address when a script fills its memory, and says so; its neighbour feels nothing",
      withInstance(async (instance) => {
        const neighbour = await create();
        const watch = watchLatency(redisOf(neighbour));
        const ask = async (call: string, body: object) =>
          (await (
            await fetch(`${service.origin}/instances/${instance.id}/${call}`, {
              method: "POST",
              headers: { authorization: `Bearer ${instance.token}`, "content-type": "application/json" },
              body: JSON.stringify({ password: instance.password, ...body }),
            })
          ).json()) as { text?: string; keys?: number };
        const typed = (command: string) => ask("console", { command });
        await typed("SET key value");
        await redisOf(instance).call("FUNCTION", "LOAD", FUNCTIONS);
        await until("its figures are told", async () => (await ask("figures", {})).keys === 1);
        await assert.rejects(redisOf(instance).eval(FILL_MEMORY, 0));
        // Its address is asked again and again, as client libraries do.
        await until("it answers again", () => redisOf(instance).ping(), 15_000);
        assert.equal(await redisOf(instance).dbsize(), 0);
        assert.deepEqual(await redisOf(instance).call("FUNCTION", "LIST"), []);
        const state = async () =>
          (await (
            await fetch(`${service.origin}/instances/${instance.id}`, {
              headers: { authorization: `Bearer ${instance.token}` },
            })
          ).json()) as { state: string; endCause: string | null; lastRestart: { at: string; cause: string } | null };
        await until("the restart is told", async () => (await state()).lastRestart !== null, 15_000);
        const { state: now, endCause, lastRestart } = await state();
        assert.deepEqual([now, endCause, lastRestart?.cause], ["running", null, "out-of-memory"]);
        const [event] = await service.store.events.list({ instance: instance.id }, 1);
        assert.deepEqual([event?.kind, event?.data], ["restart", lastRestart]);
        await until("the console works again", async () =>
          JSON.stringify(await typed("DBSIZE")).includes("(integer) 0"),
        );
        await until("its figures are told again", async () => (await ask("figures", {})).keys === 0);
        assert.ok((await watch.stop()) < 1000, "the neighbour answered within a second");
        await end(neighbour);
      }),
    );

    it("is gone for good when it is ended at the moment in which it would come back", async () => {
      const instance = await create();
      await assert.rejects(redisOf(instance).eval(FILL_MEMORY, 0));
      assert.equal((await end(instance)).status, 204);
      const names = async () => (await host().docker.listContainers({ all: true })).flatMap(({ Names }) => Names);
      assert.ok(!(await names()).includes(`/redis-${instance.id}`));
      // Another takes its slot or the next one, and is not disturbed.
      const next = await create();
      await until("it answers", () => redisOf(next).ping());
      assert.ok(!(await names()).includes(`/redis-${instance.id}`));
      await end(next);
    });
  });

  describe("accepts so many clients and no more", () => {
    it(
      "tells one too many so, serves the others, and has room again when one leaves",
      withInstance(async (instance) => {
        const wires = await wiresOf(instance, MAX_CLIENTS + LOGINS_PENDING);
        const tooMany = connect(instance.port, instance.host);
        open.push(tooMany);
        const [answer] = (await once(tooMany, "data")) as [Buffer];
        assert.match(answer.toString(), /^-ERR max number of clients reached/);
        for (const wire of wires) assert.equal(await wire.send("PING"), "+PONG");
        wires[0]?.socket.destroy();
        await until("there is room again", () => redisOf(instance).ping());
      }),
    );

    it(
      "answers nobody without the password, nor with another",
      withInstance(async (instance) => {
        const wire = await wireOf(instance, { anonymous: true });
        assert.match(await wire.send("PING"), /^-NOAUTH/);
        assert.match(await wire.send("AUTH", "default", "wrong"), /^-WRONGPASS/);
        assert.match(await wire.send("AUTH", ""), /^-WRONGPASS/);
        assert.match(await wire.send("HELLO", "3"), /^-NOAUTH/);
        assert.match(await wire.send("GET", "key"), /^-NOAUTH/);
      }),
    );
  });

  describe("gives no way to administer it", () => {
    it(
      "refuses each such command, and each again from a script",
      withInstance(async (instance) => {
        const wire = await wireOf(instance);
        for (const command of ADMINISTRATION) {
          assert.match(
            await wire.send(...command),
            /^-NOPERM|^-ERR (DEBUG|MODULE) command not allowed/,
            command.join(" "),
          );
          const script = `return redis.call(${command.map((word) => JSON.stringify(word)).join(",")})`;
          assert.match(
            await wire.send("EVAL", script, "0"),
            /^-.*(can't run this command|not allowed from script)/,
            `${command.join(" ")} in a script`,
          );
        }
        await assertUnharmed(instance);
      }),
    );

    it(
      "refuses the commands that are documented as refused, and no other",
      withInstance(async (instance) => {
        const redis = redisOf(instance);
        type Described = [name: string, ...unknown[], subcommands: Described[]];
        const leaves = ((await redis.call("COMMAND")) as Described[]).flatMap((command) => {
          const subcommands = command.at(-1) as Described[];
          return subcommands.length === 0 ? [command[0]] : subcommands.map(([name]) => name);
        });
        assert.ok(leaves.length > 300, `${leaves.length} commands`);
        const refused = (await redis.eval(
          `local refused = {}
           for _, name in ipairs(ARGV) do
             local words = {}
             for word in string.gmatch(name .. '|1|1|1|1|1', '[^|]+') do table.insert(words, word) end
             if not redis.acl_check_cmd(unpack(words)) then table.insert(refused, name) end
           end
           return refused`,
          0,
          ...leaves,
        )) as string[];
        const documented = refusedCommands.flatMap(({ commands }) =>
          commands.map((command) => command.toLowerCase().replace(" ", "|")),
        );
        const isDocumented = (name: string) =>
          documented.includes(name) || documented.includes(name.replace(/\|.*/, ""));
        const isHelp = (name: string) => name.endsWith("|help");
        assert.deepEqual(
          refused.filter((name) => !isDocumented(name) && !isHelp(name)),
          [],
          "all that is refused is documented",
        );
        // Those of CLUSTER that only read are answered: that there is no cluster.
        assert.deepEqual(
          leaves.filter(
            (name) => isDocumented(name) && !refused.includes(name) && !isHelp(name) && !name.startsWith("cluster|"),
          ),
          [],
          "all that is documented is refused",
        );
        // Valkey alone has COMMANDLOG.
        const isKnown = (name: string) => leaves.some((leaf) => leaf === name || leaf.startsWith(`${name}|`));
        assert.deepEqual(
          documented.filter((name) => !isKnown(name) && name !== "commandlog"),
          [],
          "no name is misspelt",
        );
      }),
    );

    it(
      "lets its owner kill and unblock connections; the service's own come back",
      withInstance(async (instance) => {
        const redis = redisOf(instance);
        const figures = () =>
          fetch(`${service.origin}/instances/${instance.id}/figures`, {
            method: "POST",
            headers: { authorization: `Bearer ${instance.password}` },
          });
        const usage = () => {
          const watch = watchPassword(service.env["SERVER_SECRET"] ?? "", instance.id);
          return readClientUsage(instance.host, instance.port, watch, 2_000);
        };
        assert.equal((await figures()).status, 200);
        const blocked = redisOf(instance);
        const waiting = blocked.client("ID").then((id) => ({ id, popped: blocked.blpop("nothing", 0) }));
        const { id, popped } = await waiting;
        await until("it is unblocked", async () => (await redis.call("CLIENT", "UNBLOCK", id)) === 1);
        assert.equal(await popped, null);
        assert.equal(await redis.call("CLIENT", "KILL", "ID", id), 1);
        await until("it is gone", () => blocked.status === "end");
        for (let times = 0; times < 3; times++) {
          await redis.call("CLIENT", "KILL", "TYPE", "normal");
          await redis.call("CLIENT", "KILL", "USER", "watch");
          await until("its figures are told", async () => (await figures()).status === 200);
          assert.equal((await usage())?.subscribers, 0);
        }
        await assertUnharmed(instance);
      }),
    );

    it(
      "keeps functions as data, within the same bounds, and gives copies out and takes none in",
      withInstance(async (instance) => {
        const redis = redisOf(instance);
        await redis.call("FUNCTION", "LOAD", FUNCTIONS);
        await redis.set("key", "value");
        assert.equal(await redis.call("FCALL", "read", 1, "key"), "value");
        assert.equal(await redis.call("SWAPDB", 0, 1), "OK");
        await assert.rejects(redis.call("FCALL_RO", "read", 1, "key"), /write flag/);
        assert.equal(await redis.call("FCALL", "read", 1, "key"), null);
        assert.equal(await redis.call("SWAPDB", 0, 1), "OK");
        const dump = await redis.dumpBuffer("key");
        await assert.rejects(redis.restore("copy", 0, dump), /NOPERM/);
        await assert.rejects(redis.call("FUNCTION", "RESTORE", dump), /NOPERM/);
        await assert.rejects(redis.call("FUNCTION", "LOAD", "#!lua name=endless\nwhile true do end"), /LOAD timeout/);
        await assert.rejects(
          redis.call("FUNCTION", "LOAD", Buffer.concat([Buffer.from("#!lua name=code\n"), BYTECODE])),
          /Error compiling function/,
        );
        const load = async () => {
          for (let library = 0; ; library++)
            await redis.call(
              "FUNCTION",
              "LOAD",
              `${FUNCTIONS.replace(/mine|read/g, `l${library}`)} -- ${"x".repeat(MB)}`,
            );
        };
        await assert.rejects(load(), /OOM command not allowed/);
        assert.equal(await redis.call("FUNCTION", "FLUSH", "SYNC"), "OK");
        assert.equal(await redis.set("after", "all"), "OK");
        await assertUnharmed(instance);
      }),
    );

    it(
      "knows no cluster, no user but its own, and none that it can see or change",
      withInstance(async (instance) => {
        const wire = await wireOf(instance);
        assert.match(await wire.send("CLUSTER", "INFO"), /^-ERR This instance has cluster support disabled/);
        for (const command of [
          ["CLUSTER", "MEET", "10.0.0.1", "6379"],
          ["CLUSTER", "RESET"],
        ])
          assert.match(await wire.send(...command), /^-/);
        // The service's own user is nobody's but the service's.
        const watch = watchPassword(service.env["SERVER_SECRET"] ?? "", instance.id);
        assert.equal((await readClientUsage(instance.host, instance.port, watch, 2_000))?.subscribers, 0);
        assert.match(await wire.send("AUTH", "watch", instance.password), /^-WRONGPASS/);
        assert.match(await wire.send("ACL", "GETUSER", "watch"), /^-NOPERM/);
        assert.equal(await wire.send("ACL", "WHOAMI"), "$7");
        assert.equal(await wire.line(), "default");
      }),
    );

    it(
      "runs Lua without files, processes, modules or bytecode",
      withInstance(async (instance) => {
        const redis = redisOf(instance);
        for (const name of ["io", "os", "require", "package", "debug", "dofile", "loadfile", "print", "newproxy"]) {
          await assert.rejects(redis.eval(`return ${name} == nil`, 0), /nonexistent global variable/, name);
        }
        await assert.rejects(
          redis.eval("return loadstring(string.dump(function() return 1 end))()", 0),
          /attempt to call a nil value/,
        );
        await assert.rejects(redis.eval("rawset(_G, 'left', 1)", 0), /readonly table/);
        await assert.rejects(redis.eval("getmetatable('').__index = function() end", 0), /readonly table/);
        assert.equal(await redis.eval("return loadstring('return 1 + 1')()", 0), 2);
      }),
    );

    it(
      "lets an endless script be killed, and no neighbour feel it",
      withInstance(async (instance) => {
        const neighbour = await create();
        const watch = watchLatency(redisOf(neighbour));
        const endless = assert.rejects(redisOf(instance).eval("while true do end", 0), /Script killed by user/);
        const wire = await wireOf(instance, { anonymous: true });
        assert.equal(await wire.send("AUTH", instance.password), "+OK");
        await until("the script is found too long", async () => (await wire.send("PING")).startsWith("-BUSY"));
        assert.equal(await wire.send("SCRIPT", "KILL"), "+OK");
        await endless;
        assert.ok((await watch.stop()) < 1000, "the neighbour answered within a second");
        await assertUnharmed(instance);
        await end(neighbour);
      }),
    );

    it("can be ended by its owner in the middle of an endless script that has written", async () => {
      const instance = await create();
      const redis = redisOf(instance);
      const endless = assert.rejects(redis.eval("redis.call('SET', 'a', 1) while true do end", 0));
      const started = performance.now();
      assert.equal((await end(instance)).status, 204);
      assert.ok(performance.now() - started < 5000);
      await endless;
    });
  });

  describe("is bounded by the kernel, whatever runs in it", () => {
    it(
      "has its limits in its control groups and its process",
      withInstance(async (instance) => {
        assert.equal(await limitOf(instance, "memory/memory.limit_in_bytes", "memory.max"), String(192 * MB));
        assert.equal(
          await limitOf(instance, "memory/memory.memsw.limit_in_bytes", "memory.swap.max"),
          (await isUnified()) ? "0" : String(192 * MB),
        );
        assert.equal(await limitOf(instance, "pids/pids.max", "pids.max"), "16");
        assert.equal(
          await limitOf(instance, "cpu/cpu.cfs_quota_us", "cpu.max"),
          (await isUnified()) ? "50000 100000" : "50000",
        );
        const proc = await processOf(instance);
        assert.match(await host().exec("cat", `${proc}/limits`), /Max open files\s+314\s+314\s/);
        assert.equal((await host().exec("cat", `${proc}/oom_score_adj`)).trim(), "500");
        assertPowerless(await host().exec("cat", `${proc}/status`));
        const { HostConfig } = await containerOf(instance).inspect();
        assert.deepEqual(HostConfig.RestartPolicy, { Name: "on-failure", MaximumRetryCount: 10 });
      }),
    );

    it(
      "gives an intruder no rights, no disk, no shared memory and no processes",
      withInstance(async (instance) => {
        const shell = await intrude(instance);
        assertPowerless(await shell.run("cat /proc/self/status"));
        assert.match(await shell.run("ulimit -n"), /^314$/m);
        assert.match(await shell.run("unshare --user true"), /Operation not permitted/);
        assert.match(await shell.run("mount -t tmpfs none /data"), /denied|not permitted|superuser/);
        assert.match(await shell.run("echo 1 > /proc/sys/kernel/core_pattern"), /Read-only file system/);
        assert.match(
          await shell.run("echo x > /evil; echo x > /etc/evil; echo x > /tmp/evil"),
          /^(.*Read-only file system\n){3}$/,
        );
        const places = await shell.run(
          "cut -d' ' -f2 /proc/mounts | while read place; do [ -d $place ] && " +
            "(echo > $place/probe) 2>/dev/null && echo $place; done; true",
        );
        assert.equal(places.trim(), "/data");
        assert.match(await shell.run("dd if=/dev/zero of=/data/much bs=64k count=100"), /No space left on device/);
        assert.ok(Number(await shell.run("stat -c %s /data/much")) <= MB);
        assert.match(
          await shell.run("rm /data/much; cp /bin/cat /data/cat; chmod +x /data/cat; /data/cat /etc/passwd"),
          /Permission denied/,
        );
        assert.match(await shell.run("i=0; while [ $i -lt 40 ]; do sleep 60 & i=$((i+1)); done"), /Cannot fork/);
        assert.ok(
          Number(await limitOf(instance, "pids/pids.current", "pids.current")) < 16,
          "the instance's own count is not touched",
        );
        await shell.leave();
      }),
    );

    it(
      "lets an intruder reach nothing: no host, no other machine, no instance, no metadata service, no name server",
      withInstance(async (instance) => {
        const neighbour = await create();
        const shell = await intrude(instance);
        const inspect = await containerOf(neighbour).inspect();
        const [network] = Object.values(inspect.NetworkSettings.Networks);
        assert.ok(network);
        await host().exec(
          "redis-server",
          "--port",
          "7002",
          "--protected-mode",
          "no",
          "--save",
          "",
          "--daemonize",
          "yes",
          "--dir",
          "/tmp",
        );
        await host().exec("ip", "address", "add", "169.254.169.254/32", "dev", "lo");
        const other = await listen();
        const targets: [what: string, address: string, port: number][] = [
          ["a service of the host, by the bridge", network.Gateway, 7002],
          ["a service of the host, by its own address", host().address, 7002],
          ["the metadata service's address", "169.254.169.254", 7002],
          ["another machine", host().testAddress, other.port],
          ["a neighbour", network.IPAddress, 6379],
          ["a neighbour by its published port", host().address, neighbour.port],
          ["a neighbour by the metadata service's address", "169.254.169.254", neighbour.port],
        ];
        try {
          const call = (address: string, port: number) =>
            `timeout 1 bash -c 'exec 3<>/dev/tcp/${address}/${port}' && echo reached; true`;
          for (const [what, address, port] of targets)
            assert.match(await host().exec("bash", "-c", call(address, port)), /reached/, `the host reaches ${what}`);
          const calls = other.calls();
          const outcomes = await Promise.all(
            targets.map(async ([what, address, port]) => [what, /reached/.test(await shell.run(call(address, port)))]),
          );
          assert.deepEqual(
            outcomes,
            targets.map(([what]) => [what, false]),
          );
          assert.equal(other.calls(), calls, "not a packet came through");

          const datagram = `echo hello > /dev/udp/${host().testAddress}/${other.port}`;
          await shell.run(datagram);
          await host().exec("bash", "-c", datagram);
          // Those of the host come after those of the intruder, if any came.
          await until("the host's datagram arrives", () => other.datagrams().length > 0);
          assert.deepEqual(other.datagrams(), [host().address]);
        } finally {
          other.close();
          await host().exec("ip", "address", "delete", "169.254.169.254/32", "dev", "lo");
          await host().exec("redis-cli", "-p", "7002", "shutdown");
          await shell.leave();
          await end(neighbour);
        }
      }),
    );

    it(
      "writes no log, whatever it is made to complain about: the engine reads nothing of it and keeps nothing",
      withInstance(async (instance) => {
        const redis = redisOf(instance);
        const { Id, State } = await containerOf(instance).inspect();
        const shim = (await host().exec("pgrep", "--full", `containerd-shim.*-id ${Id}`)).trim();
        const filesOf = (pid: number | string, files: string) =>
          host().exec("sh", "-c", `readlink /proc/${pid}/fd/${files}`);
        // What the engine could read of it comes by its shim, which has the other ends of its output.
        const outputs = (await filesOf(State.Pid, "[12]")).trim().split("\n");
        assert.equal(outputs.length, 2);
        const heard = (await filesOf(shim, "*")).split("\n");
        for (const output of outputs) assert.ok(output.startsWith("pipe:") && heard.includes(output), output);
        // A process's own count, pipes included.
        const readByShim = async () =>
          Number(/^rchar: (\d+)$/m.exec(await host().exec("cat", `/proc/${shim}/io`))?.[1]);
        const before = await readByShim();
        const lines = 50_000;
        await redis.eval(`for _ = 1, ${lines} do redis.log(redis.LOG_WARNING, string.rep('x', 900)) end`, 0);
        await redis.set("value", Buffer.alloc(3 * MB));
        for (const { socket } of await wiresOf(instance, 20)) {
          // Too much for a client: Redis complains, and names it with about a kilobyte.
          socket.write(encode("CLIENT", "SETNAME", "n".repeat(900)));
          socket.write(encode("MGET", ...Array.from({ length: 8 }, () => "value")));
          await once(socket, "close");
        }
        const bytes = (await readByShim()) - before;
        assert.ok(bytes < lines, `${bytes} bytes for ${lines} lines of 900`);
        await assert.rejects(logOf(instance), /does not support reading/);
        const { DockerRootDir } = (await host().docker.info()) as { DockerRootDir: string };
        const kept = await host().exec("find", `${DockerRootDir}/containers/${Id}`, "-name", "*log*", "-size", "+0");
        assert.equal(kept, "");
        await assertUnharmed(instance);
      }),
    );
  });

  it("has its password written nowhere: not in Docker, on a command line, in a log, nor in a database", async () => {
    const instance = await create({ "idempotency-key": "a key for a retry" });
    const wire = await openWire(instance);
    await wire.send("PING");
    assertNowhere([instance.password, instance.token], {
      "docker inspect": JSON.stringify(await containerOf(instance).inspect()),
      "docker ps": JSON.stringify(await host().docker.listContainers({ all: true })),
      "the API's and the jobs' log": service.log(),
      "command lines and environments on the host": await host().exec(
        "bash",
        "-c",
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true",
      ),
      ...(await tables(service.env["MYSQL_URL"] ?? "")),
      "Redis of the service": await keysAndValues(service.services.redisUrl),
    });
    wire.socket.destroy();
    await end(instance);
  });

  const logOf = async (instance: Handout) =>
    (await containerOf(instance).logs({ stdout: true, stderr: true })).toString("latin1");
  const processOf = async (instance: Handout) => `/proc/${(await containerOf(instance).inspect()).State.Pid}`;
  const isUnified = async () =>
    (await host().exec("bash", "-c", "test -e /sys/fs/cgroup/cgroup.controllers && echo yes || true")) !== "";

  /** What a file of the container's control group holds, in either version of control groups. */
  const limitOf = async (instance: Handout, v1: string, v2: string): Promise<string> => {
    const groups = (await host().exec("cat", `${await processOf(instance)}/cgroup`))
      .trim()
      .split("\n")
      .map((line) => line.split(":"));
    const [controller = "", file = ""] = v1.split("/");
    const path = (await isUnified())
      ? `${groups[0]?.[2] ?? ""}/${v2}`
      : `/${controller}${groups.find(([, names]) => names?.split(",").includes(controller))?.[2] ?? ""}/${file}`;
    return (await host().exec("cat", `/sys/fs/cgroup${path}`)).trim();
  };
  const memoryPeak = async (instance: Handout) =>
    Number(await limitOf(instance, "memory/memory.max_usage_in_bytes", "memory.peak"));

  /**
   * A shell as somebody would have it who broke out of Redis: a container configured as the instance's
   * own, word for word, but of an image that has tools.
   */
  const intrude = async (
    instance: Handout,
  ): Promise<{ run: (script: string) => Promise<string>; leave: () => Promise<void> }> => {
    const { Config, HostConfig } = (await containerOf(instance).inspect()) as ContainerInspectInfo & {
      Config: { User: string };
    };
    const { docker } = host();
    const container = await docker.createContainer({
      Image: await toolsImage(),
      Entrypoint: ["/bin/sleep", "infinity"],
      User: Config.User,
      Env: Config.Env,
      HostConfig: { ...HostConfig, PortBindings: {} },
    });
    await container.start();
    const { Id } = await container.inspect();
    return {
      // What it prints and what it complains about, whether it works or not.
      run: (script) =>
        host().exec("bash", "-c", 'docker --host "$0" exec "$1" /bin/sh -c "$2" 2>&1 || true', host().url, Id, script),
      leave: () => container.remove({ force: true }),
    };
  };
  /** An image of this machine's tools and of the libraries that they load. */
  const toolsImage = async (): Promise<string> => {
    const tools = [
      "bash",
      "cat",
      "chmod",
      "cp",
      "cut",
      "dd",
      "mount",
      "rm",
      "sh",
      "sleep",
      "stat",
      "timeout",
      "true",
      "unshare",
    ].map((name) => `/bin/${name}`);
    const script = `
      set -e
      folder=$(mktemp -d)
      mkdir $folder/{data,etc,tmp}
      libraries=$(for tool in "\${@:2}"; do ldd $tool; done | grep -o '/[^ ]* (0x' | cut -d' ' -f1 | sort -u)
      cp --parents -L "\${@:2}" $libraries $folder
      tar -C $folder -c . | docker --host "$0" import - "$1"
      rm -r $folder`;
    await host().exec("bash", "-c", script, host().url, TOOLS, ...tools);
    return TOOLS;
  };
});

/** The beginning of a Lua 5.1 program that is compiled already. */
const BYTECODE = Buffer.from("\x1bLuaQ\0\x01\x04\x08\x04\x08\0", "latin1");

/** Everything that looks into, changes, copies, stops or connects the server, as it is typed. */
const ADMINISTRATION = `
  CONFIG GET *|CONFIG SET maxmemory 1gb|CONFIG SET requirepass x|CONFIG REWRITE|CONFIG RESETSTAT
  REPLICAOF 10.0.0.1 6379|SLAVEOF 10.0.0.1 6379|REPLCONF listening-port 1|PSYNC ? -1|SYNC|FAILOVER
  MIGRATE 10.0.0.1 6379 key 0 100|RESTORE key 0 x|RESTORE-ASKING key 0 x|FUNCTION RESTORE x
  DEBUG SLEEP 1|DEBUG SEGFAULT|MODULE LIST|MODULE LOAD /data/x.so|MODULE LOADEX /data/x.so
  SHUTDOWN NOSAVE|SAVE|BGSAVE|BGREWRITEAOF|LASTSAVE|MONITOR
  ACL LIST|ACL USERS|ACL GETUSER default|ACL SETUSER default +@all|ACL SETUSER other on nopass +@all|ACL DELUSER default
  ACL LOG|ACL LOAD|ACL SAVE|ACL DRYRUN default GET key
  CLIENT NO-EVICT ON|CLIENT PAUSE 100000|CLIENT UNPAUSE
  SCRIPT DEBUG YES|LATENCY LATEST|LATENCY RESET|LATENCY HISTOGRAM|SLOWLOG GET|SLOWLOG RESET|PFDEBUG TODENSE key|PFSELFTEST
`
  .split(/[|\n]/)
  .map((line) => line.trim().split(" "))
  .filter(([name]) => name !== "");

/** Writes values of 1,000 bytes until Redis refuses one, and returns how. */
async function fill(redis: Redis): Promise<string> {
  for (let from = 0; ; from += 500) {
    const pipeline = redis.pipeline();
    for (let index = from; index < from + 500; index++) pipeline.set(`fill:${index}`, Buffer.alloc(1000));
    const refused = (await pipeline.exec())?.find(([error]) => error !== null);
    if (refused) return String(refused[0]?.message);
  }
}

/** Pings until stopped; then tells the longest answer, in ms. */
function watchLatency(redis: Redis): { stop: () => Promise<number> } {
  let longest = 0;
  const stopping = new AbortController();
  const watching = (async () => {
    do {
      const started = performance.now();
      await redis.ping();
      longest = Math.max(longest, performance.now() - started);
    } while (!stopping.signal.aborted);
  })();
  return {
    stop: async () => {
      stopping.abort();
      await watching;
      return longest;
    },
  };
}

interface Wire {
  socket: Socket;
  /** Sends a command and returns the first line of its answer. */
  send: (...command: (string | Buffer)[]) => Promise<string>;
  line: () => Promise<string>;
}

/** A connection without a client library's help, logged in unless anonymous. */
async function openWire(instance: Handout, { anonymous = false } = {}): Promise<Wire> {
  const socket = connect(instance.port, instance.host);
  // What the server does to a connection shows in what it says before, or in its close.
  socket.on("error", () => undefined);
  await once(socket, "connect");
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  const line = async () => {
    await until("a line", () => received.includes("\r\n") || socket.destroyed);
    const length = received.indexOf("\r\n");
    if (length === -1) throw new Error("the connection was closed");
    const text = received.slice(0, length);
    received = received.slice(length + 2);
    return text;
  };
  const send = (...command: (string | Buffer)[]) => {
    socket.write(encode(...command));
    return line();
  };
  if (!anonymous) assert.equal(await send("AUTH", "default", instance.password), "+OK");
  return { socket, send, line };
}

function encode(...command: (string | Buffer)[]): Buffer {
  const words = command
    .map((word) => Buffer.from(word as string))
    .flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from("\r\n")]);
  return Buffer.concat([Buffer.from(`*${command.length}\r\n`), ...words]);
}

function assertPowerless(status: string): void {
  assert.match(status, /^Uid:\s+999\s+999\s+999\s+999$/m);
  for (const set of ["Inh", "Prm", "Eff", "Bnd", "Amb"]) assert.match(status, new RegExp(`^Cap${set}:\\s+0+$`, "m"));
  assert.match(status, /^NoNewPrivs:\s+1$/m);
  assert.match(status, /^Seccomp:\s+2$/m);
}

/** A machine's service, over TCP and UDP on one port. */
async function listen() {
  let calls = 0;
  const datagrams: string[] = [];
  const server = createServer((socket) => {
    calls++;
    socket.on("error", () => undefined).end();
  });
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const receiver = createSocket("udp4", (_, { address }) => datagrams.push(address));
  receiver.bind(port);
  await once(receiver, "listening");
  return {
    port,
    calls: () => calls,
    datagrams: () => datagrams,
    close: () => {
      server.close();
      receiver.close();
    },
  };
}

function assertNowhere(secrets: string[], places: Record<string, string>): void {
  for (const [place, text] of Object.entries(places)) {
    assert.notEqual(text, "", `${place} was looked at`);
    for (const secret of secrets) {
      for (const form of [
        secret,
        Buffer.from(secret).toString("hex"),
        Buffer.from(secret).toString("base64").replace(/=+$/, ""),
      ]) {
        assert.ok(!text.includes(form), `a secret is in ${place}`);
      }
    }
  }
}

/** All rows of all tables as text, binary columns byte for byte. */
async function tables(mysqlUrl: string): Promise<Record<string, string>> {
  const connection = await createConnection({ uri: mysqlUrl });
  try {
    const [names] = await connection.query<RowDataPacket[]>(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()",
    );
    const contents = names.map(async (row) => {
      const name = String(row["name"]);
      const [rows] = await connection.query<RowDataPacket[]>("SELECT * FROM ??", [name]);
      const values = rows
        .flatMap((row) => Object.values(row as Record<string, unknown>))
        .map((value) => (Buffer.isBuffer(value) ? value.toString("latin1") : JSON.stringify(value)));
      return [`table ${name}`, `${rows.length} rows\n${values.join("\n")}`];
    });
    return Object.fromEntries(await Promise.all(contents)) as Record<string, string>;
  } finally {
    await connection.end();
  }
}

async function keysAndValues(redisUrl: string): Promise<string> {
  const redis = new Redis(redisUrl);
  try {
    const keys = await redis.keys("*");
    const values = await Promise.all(
      keys.map(async (key) =>
        (await redis.type(key)) === "string" ? redis.get(key) : JSON.stringify(await redis.hgetall(key)),
      ),
    );
    return JSON.stringify([keys, values]);
  } finally {
    redis.disconnect();
  }
}
