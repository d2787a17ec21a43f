import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { waitForPong } from "../../../apps/adapters/redis/probe.ts";
import {
  createRedisConsoles,
  type ConsoleLimits,
  type RedisConsoles,
} from "../../../apps/adapters/redis/consoles/index.ts";
import type { ConsoleRequest } from "../../../apps/core/console/contract.ts";
import { splitCommandLine } from "../../../apps/core/console/command-line.ts";
import type { ConsoleState } from "../../../apps/core/console/command-rules.ts";
import { replyText } from "../../../apps/core/console/reply-text.ts";
import { freePort } from "../../../infra/process/free-port.ts";
import { until } from "../../bed/until.ts";

const run = promisify(execFile);
const password = "a password";
const limits: ConsoleLimits = {
  most: 8,
  mostPerInstance: 4,
  mostWaiting: 4,
  idleMs: 60_000,
  connectTimeoutMs: 2_000,
  commandTimeoutMs: 5_000,
  reply: { readBytes: 1024 * 1024, keptBytes: 64 * 1024 },
};
const LONG = Array.from({ length: 10 }, () => "x".repeat(10_000)).join(" ");
const start: ConsoleState = { database: 0, transaction: "none" };

describe("consoles", () => {
  let port: number;
  let redis: ChildProcess;
  const consoles: RedisConsoles[] = [];
  const servers: Server[] = [];
  const sockets = new Set<Socket>();

  before(async () => {
    port = await freePort();
    redis = spawn(
      "redis-server",
      [
        "--port",
        String(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--requirepass",
        password,
        "--busy-reply-threshold",
        "50",
      ],
      { stdio: "ignore" },
    );
    await waitForPong("127.0.0.1", port, password, AbortSignal.timeout(10_000));
  });
  afterEach(async () => {
    for (const console of consoles.splice(0)) console.closeAll();
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.splice(0).map((server) => once(server.close(), "close")));
    await cli("FLUSHALL");
  });
  after(async () => {
    redis.kill();
    await once(redis, "exit");
  });

  const open = (changes: Partial<ConsoleLimits> = {}): RedisConsoles => {
    const console = createRedisConsoles({ ...limits, ...changes });
    consoles.push(console);
    return console;
  };
  const request = (line: string, changes: Partial<ConsoleRequest> = {}): ConsoleRequest => ({
    instanceId: "one",
    session: "s",
    host: "127.0.0.1",
    port,
    password,
    words: wordsIn(line),
    state: start,
    ...changes,
  });
  const print = async (
    console: RedisConsoles,
    line: string,
    changes: Partial<ConsoleRequest> = {},
  ): Promise<string> => {
    const outcome = await console.run(request(line, changes));
    return outcome.kind === "replied" ? replyText(outcome.reply, wordsIn(line), 1_000_000).text : outcome.kind;
  };
  const replied = async (console: RedisConsoles, line: string, changes: Partial<ConsoleRequest> = {}) => {
    const outcome = await console.run(request(line, changes));
    assert.ok(outcome.kind === "replied", `${line}: ${outcome.kind}`);
    return outcome;
  };
  /** What redis-cli prints for these lines, each in the same connection. */
  async function cli(...lines: string[]): Promise<string> {
    const child = run("redis-cli", ["--no-raw", "-p", String(port)], {
      env: { ...process.env, REDISCLI_AUTH: password },
      maxBuffer: 64 * 1024 * 1024,
    });
    child.child.stdin?.end(`${lines.join("\n")}\n`);
    return (await child).stdout;
  }
  /** Listens and does this with each connection. */
  const strangerOn = async (deed: (socket: Socket) => void): Promise<number> => {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      deed(socket);
    });
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };
  const clientsNow = async () => Number(/connected_clients:(\d+)/.exec(await cli("INFO clients"))?.[1]);

  it("prints every kind of reply as redis-cli does", async () => {
    const lines = [
      "PING",
      "ECHO hello",
      'ECHO "two words"',
      "ECHO ''",
      'ECHO "\\x00\\n\\t\\r\\a\\b\\\\\\"é\\x7f"',
      "ECHO <script>alert(1)</script>",
      `ECHO "${Array.from({ length: 256 }, (_, byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`,
      "GET nothing",
      "NOSUCH command",
      "SET",
      "INCR n",
      "LPUSH l a",
      "LPUSH l b c",
      "LRANGE l 0 -1",
      "LRANGE l 9 10",
      "INCR l",
      "RPUSH many 1 2 3 4 5 6 7 8 9 10 11",
      "LRANGE many 0 -1",
      "HSET h f v g w",
      "HGETALL h",
      "ZADD z 1.5 a 2 b",
      "ZRANGE z 0 -1 WITHSCORES",
      "ZSCORE z a",
      "XADD x 1-1 f v",
      "XADD x 2-1 f v g w",
      "XRANGE x - +",
      "XREAD STREAMS x 0",
      "XINFO STREAM x",
      "GEOADD g 13.361389 38.115556 P",
      "GEOPOS g P Q",
      "MULTI",
      "INCR n",
      "GET nothing",
      "INCR l",
      "EXEC",
      "EXEC",
      "MULTI",
      "NOSUCH",
      "EXEC",
      "WATCH n",
      "MULTI",
      "DISCARD",
      "EVAL 'return {1, {2, {3, {}}}, \"x\"}' 0",
      "EVAL 'return {}' 0",
      "EVAL 'return false' 0",
      "EVAL 'return redis.error_reply(\"MINE x\")' 0",
      'EVAL \'return {redis.status_reply("FINE"), redis.error_reply("MINE")}\' 0',
      "SCAN 0 MATCH nothing",
      "COMMAND GETKEYS SET k v",
      "COMMAND INFO get",
      "ACL WHOAMI",
      "OBJECT ENCODING n",
      "TYPE n",
      "SELECT 2",
      "DBSIZE",
      "SELECT 99",
      "CLIENT GETNAME",
    ];
    const expected = await cli(...lines);
    await cli("FLUSHALL");
    const console = open();
    const printed: string[] = [];
    for (const line of lines) printed.push(`${await print(console, line)}\n`);
    // It spells out what is not ASCII, where we show text.
    assert.equal(printed.join(""), expected.replace(String.raw`\xc3\xa9`, "é"));
  });

  it("prints as plain text what redis-cli does", async () => {
    const console = open();
    for (const line of ["INFO server", "info commandstats", "CLIENT LIST", "client info", "MEMORY DOCTOR"]) {
      const text = await print(console, line);
      assert.doesNotMatch(text, /^"|\\r|\r/, line);
      assert.equal(text.split("\n")[0]?.split(/[:=]/)[0], (await cli(line)).split(/\r?\n/)[0]?.split(/[:=]/)[0]);
    }
  });

  it("lets in by the right password only, also where a session is open", async () => {
    const console = open();
    assert.equal(await print(console, "PING", { password: "another" }), "wrong-password");
    assert.equal(console.count(), 0);
    assert.equal(await print(console, "PING"), "PONG");
    assert.equal(await print(console, "PING", { password: "another" }), "wrong-password");
    assert.equal(await print(console, "PING"), "PONG");
  });

  it("keeps the connection of a session, and no two sessions share one", async () => {
    const console = open();
    assert.equal(await print(console, "CLIENT SETNAME mine"), "OK");
    assert.equal(await print(console, "CLIENT GETNAME"), '"mine"');
    assert.equal(await print(console, "CLIENT GETNAME", { session: "other" }), "(nil)");
    assert.equal(await print(console, "CLIENT GETNAME", { instanceId: "two" }), "(nil)");
  });

  it("answers in order when commands come at once", async () => {
    const console = open();
    assert.deepEqual(await Promise.all(["MULTI", "INCR n", "INCR n", "EXEC"].map((line) => print(console, line))), [
      "OK",
      "QUEUED",
      "QUEUED",
      "1) (integer) 1\n2) (integer) 2",
    ]);
  });

  it("comes back in the database that was chosen when the connection has gone", async () => {
    const console = open();
    const chosen = await console.run(request("SELECT 3"));
    assert.ok(chosen.kind === "replied");
    assert.deepEqual(chosen.state, { database: 3, transaction: "none" });
    assert.equal(await print(console, "SET k v", { state: chosen.state }), "OK");
    console.closeAll();
    assert.equal(await print(console, "GET k", { state: chosen.state }), '"v"');
  });

  it("runs nothing outside of the transaction that it was meant for", async () => {
    const console = open();
    const begun = await console.run(request("MULTI"));
    assert.ok(begun.kind === "replied" && begun.state.transaction === "begun");
    console.closeAll();
    assert.equal(await print(console, "SET k v", { state: begun.state }), "transaction-lost");
    assert.equal(await print(console, "EXISTS k"), "(integer) 0");
  });

  it("gives up a command that gets no reply in time, and its connection with it", async () => {
    const console = open({ commandTimeoutMs: 200 });
    const before = await clientsNow();
    assert.equal(await print(console, "BLPOP nothing 0"), "too-slow");
    await until("the blocked client is gone", async () => (await clientsNow()) === before);
    assert.equal(await print(console, "PING"), "PONG");
  });

  it("lets its user stop a script that never ends", async () => {
    const console = open({ commandTimeoutMs: 500 });
    assert.equal(await print(console, "EVAL 'while true do end' 0"), "too-slow");
    assert.match(await print(console, "GET k"), /^\(error\) BUSY/);
    assert.match(
      await print(console, "GET k", { session: "other", state: { database: 2, transaction: "none" } }),
      /^\(error\) BUSY/,
      "what SELECT got is told, too",
    );
    const kill = await replied(console, "SCRIPT KILL", {
      session: "other",
      state: { database: 2, transaction: "none" },
    });
    assert.deepEqual([kill.reply, kill.state.database], [{ kind: "status", text: "OK" }, 2]);
    await until("the script is stopped", async () => (await print(console, "GET k")) === "(nil)");
  });

  it("takes a command off the server's queues when nobody waits for it any more, and does not begin a later one", async () => {
    const console = open();
    await replied(console, "SELECT 3");
    const state = { database: 3, transaction: "none" } as const;
    const giveUp = new AbortController();
    const waiting = console.run(request("BLPOP queue 0", { state, signal: giveUp.signal }));
    const later = console.run(request("SET later 1", { state, signal: giveUp.signal }));
    await until("it waits", async () => /blocked_clients:1/.test(await cli("INFO clients")));
    giveUp.abort();
    assert.deepEqual(
      (await Promise.all([waiting, later])).map(({ kind }) => kind),
      ["closed", "closed"],
    );
    await until("it waits no longer", async () => /blocked_clients:0/.test(await cli("INFO clients")));
    assert.equal(await print(console, "RPUSH queue mine", { state }), "(integer) 1");
    assert.equal(await print(console, "EXISTS queue later", { state }), "(integer) 1", "the next one has its database");
  });

  it("keeps only the beginning of a reply that is long, and the connection", async () => {
    const console = open();
    await cli("SETRANGE big 1000000 x", `EVAL 'for i = 1, 100000 do redis.call("RPUSH", "many", i) end' 0`);
    const outcome = await console.run(request("GET big"));
    assert.ok(outcome.kind === "replied" && outcome.reply.kind === "string");
    assert.deepEqual([outcome.reply.bytes.length, outcome.reply.length], [limits.reply.keptBytes, 1_000_001]);
    assert.equal(await print(console, "CLIENT SETNAME same"), "OK");
    assert.match(await print(console, "LRANGE many 0 49999"), /^ {4}1\) "1"\n/);
    assert.equal(await print(console, "STRLEN big"), "(integer) 1000001");
    assert.equal(await print(console, "CLIENT GETNAME"), '"same"');
  });

  for (const [what, line] of [
    ["a string of many megabytes", "GET big"],
    ["450,000 integers", "EVAL 'local t = {} for i = 1, 450000 do t[i] = i end return t' 0"],
    ["a list of many long values", "LRANGE long 0 -1"],
    ["a transaction with such a reply", "EXEC"],
  ] as const) {
    it(`reads no more than its bound of ${what}, and goes on in the same database on a new connection`, async () => {
      const console = open();
      await cli("SELECT 3", "SETRANGE big 20000000 x", ...Array.from({ length: 30 }, () => "RPUSH long " + LONG));
      const { state } = await replied(console, "SELECT 3");
      await print(console, "CLIENT SETNAME first");
      if (line === "EXEC") for (const queued of ["MULTI", "SET k v", "GET big"]) await print(console, queued);
      else await print(console, "WATCH k");
      const { reply, readBytes, sizeBytes, ...outcome } = await replied(console, line);
      assert.ok(readBytes <= limits.reply.readBytes && sizeBytes > limits.reply.readBytes);
      assert.ok(reply.kind === "array" ? reply.items.length > 0 : reply.kind === "string" && reply.bytes.length > 0);
      assert.deepEqual(outcome.state, { database: 3, transaction: "none" });
      assert.equal(await print(console, "CLIENT GETNAME", { state }), "(nil)");
      assert.equal(await print(console, "EXISTS big", { state }), "(integer) 1");
    });
  }

  it("tells the database that the server has, whatever SELECT was queued", async () => {
    const console = open();
    await replied(console, "SELECT 2");
    for (const [selects, database] of [
      [["SELECT abc"], 2],
      [["SELECT 99"], 2],
      [["SELECT 5", "SELECT 99"], 5],
      [["SELECT abc", "SELECT 7", "SELECT -1"], 7],
      [["SELECT 4", "LRANGE many 0 -1", "SELECT 6"], 6],
    ] as const) {
      await cli("SELECT 4", `EVAL 'for i = 1, 20000 do redis.call("RPUSH", "many", i) end' 0`);
      await print(console, "MULTI");
      for (const line of selects) assert.equal((await replied(console, line)).reply.kind, "status");
      const { state } = await replied(console, "EXEC");
      assert.deepEqual(state, { database, transaction: "none" }, selects.join(", "));
      assert.match(await print(console, "CLIENT INFO"), new RegExp(` db=${database} `));
    }
    await print(console, "MULTI");
    await print(console, "SELECT 3");
    assert.deepEqual((await replied(console, "DISCARD")).state, { database: 6, transaction: "none" });
  });

  it("closes the connection when the server does not tell which database is selected", async () => {
    const commands: string[] = [];
    const secretive = await strangerOn((socket) =>
      socket.on("data", (chunk) => {
        const command = chunk.toString().split("\r\n")[2] ?? "";
        commands.push(command);
        const replies: Record<string, string> = { EXEC: "*1\r\n+OK\r\n", SELECT: "+QUEUED\r\n", CLIENT: "-NOPERM\r\n" };
        socket.write(replies[command] ?? "+OK\r\n");
      }),
    );
    const console = open();
    for (const line of ["MULTI", "SELECT 5"]) await replied(console, line, { port: secretive });
    const { state } = await replied(console, "EXEC", { port: secretive });
    assert.deepEqual(state, { database: 0, transaction: "none" });
    await replied(console, "PING", { port: secretive });
    assert.deepEqual(commands, ["AUTH", "MULTI", "SELECT", "EXEC", "CLIENT", "AUTH", "PING"]);
  });

  it("prints arrays nested as deep as scripts can make them, to a depth that is bounded", async () => {
    const nested = (depth: number) => `EVAL 'local t = {} for i = 1, ${depth} do t = {t} end return {t, "behind"}' 0`;
    const console = open();
    await print(console, "CLIENT SETNAME same");
    assert.match(await print(console, nested(100)), /^(1\) ){101}\(empty array\)\n2\) "behind"$/);
    for (const depth of [1000, 4000])
      assert.match(await print(console, nested(depth)), /^(1\) ){128}\(not shown\)\n2\) "behind"$/);
    assert.equal(await print(console, "CLIENT GETNAME"), '"same"');
  });

  it("holds no more connections to an instance than allowed, and lets the longest unused go", async () => {
    const console = open({ mostPerInstance: 2 });
    for (const session of ["a", "b", "c"]) await print(console, `CLIENT SETNAME ${session}`, { session });
    assert.equal(console.count(), 2);
    assert.equal(await print(console, "CLIENT GETNAME", { session: "c" }), '"c"');
    assert.equal(await print(console, "CLIENT GETNAME", { session: "b" }), '"b"');
    assert.equal(await print(console, "CLIENT GETNAME", { session: "a" }), "(nil)");
  });

  it("is busy when all connections are, and when too many commands wait for one", async () => {
    const console = open({ most: 2, mostWaiting: 1, commandTimeoutMs: 500 });
    const blocked = ["a", "b", "b"].map((session) => print(console, "BLPOP nothing 0", { session }));
    assert.equal(await print(console, "PING", { session: "c" }), "busy");
    assert.equal(await print(console, "PING", { session: "b" }), "busy");
    assert.deepEqual(await Promise.all(blocked), ["too-slow", "too-slow", "too-slow"]);
    assert.equal(await print(console, "PING", { session: "c" }), "PONG");
  });

  for (const [how, endIt] of [
    ["its session ends", (console: RedisConsoles) => console.close("one", "s")],
    ["all sessions end", (console: RedisConsoles) => console.closeAll()],
  ] as const) {
    it(`opens nothing for commands that wait when ${how}`, async () => {
      const console = open();
      const before = await clientsNow();
      await print(console, "PING");
      const underWay = print(console, "BLPOP nothing 0");
      const waiting = print(console, "SET k v");
      await until("the first is under way", async () => /cmd=blpop/.test(await cli("CLIENT LIST")));
      endIt(console);
      assert.deepEqual(await Promise.all([underWay, waiting]), ["closed", "busy"]);
      assert.equal(console.count(), 0);
      await until("its connection is closed", async () => (await clientsNow()) === before);
      assert.equal(await print(console, "EXISTS k"), "(integer) 0", "a new session has a connection of its own");
    });
  }

  it("closes what was being opened when its session ended, once it has been used", async () => {
    const console = open();
    const before = await clientsNow();
    const underWay = print(console, "PING");
    // Its connection is begun, and not yet there.
    await new Promise((resolve) => process.nextTick(resolve));
    console.close("one", "s");
    assert.equal(await underWay, "PONG");
    assert.equal(console.count(), 0);
    await until("its connection is closed", async () => (await clientsNow()) === before);
  });

  it("closes a connection that nobody uses", async () => {
    const console = open({ idleMs: 50 });
    const before = await clientsNow();
    await print(console, "PING");
    await until("the connection is closed", async () => console.count() === 0 && (await clientsNow()) === before);
  });

  it("says that nobody listens there, or answers as a Redis", async () => {
    const console = open({ connectTimeoutMs: 300 });
    assert.equal(await print(console, "PING", { port: await freePort() }), "unreachable");
    const silent = await strangerOn(() => undefined);
    assert.equal(await print(console, "PING", { port: silent }), "unreachable");
    const talker = await strangerOn((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert.equal(await print(console, "PING", { port: talker }), "unreachable");
    assert.equal(console.count(), 0);
  });

  it("takes a reply that nobody asked for as the end of the connection", async () => {
    const babbler = await strangerOn((socket) => socket.on("data", () => socket.write("+OK\r\n+OK\r\n")));
    assert.equal(await print(open(), "PING", { port: babbler }), "unreachable");
  });

  it("tells that the server closed the connection before it replied", async () => {
    let commands = 0;
    const leaver = await strangerOn((socket) =>
      socket.on("data", () => (commands++ === 0 ? socket.write("+OK\r\n") : socket.destroy())),
    );
    assert.equal(await print(open(), "PING", { port: leaver }), "closed");
  });
});

function wordsIn(line: string): Buffer[] {
  const words = splitCommandLine(line);
  assert.ok(words, line);
  return words;
}
