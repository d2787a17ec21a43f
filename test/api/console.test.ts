import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Handout } from "../../apps/core/instances/handout.ts";
import type { ServerParts } from "../../apps/api/server.ts";
import type { RedisReply } from "../../apps/core/console/redis-reply.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

type Answer = {
  text: string;
  tone: string;
  cutFromBytes: number | null;
  warning: string | null;
  database: number;
  transaction: string;
};
type SentCommand = Parameters<ServerParts["consoles"]["run"]>[0];
type CommandOutcome = Awaited<ReturnType<ServerParts["consoles"]["run"]>>;
type Replied = Extract<CommandOutcome, { kind: "replied" }>;

const info = [
  "connected_clients:3",
  "maxclients:50",
  "used_memory:1048576",
  "maxmemory:26214400",
  "instantaneous_ops_per_sec:17",
  "db0:keys=12,expires=1,avg_ttl=5",
  "db4:keys=30,expires=0,avg_ttl=0",
].join("\r\n");
const text = (value: string, length = value.length): RedisReply => ({
  kind: "string",
  bytes: Buffer.from(value),
  length,
});
const replied = (
  reply: RedisReply,
  { sizeBytes = 7, readBytes = sizeBytes, state = { database: 0, transaction: "none" } }: Partial<Replied> = {},
): CommandOutcome => ({ kind: "replied", reply, readBytes, sizeBytes, state });

const at = ({ host, port }: Handout) => `${host}:${port}`;

describe("an instance's console and figures", () => {
  let api: TwinApi;
  let handout: Handout;
  /** How the next commands with the right password come out. */
  let outcome: (command: SentCommand) => CommandOutcome;
  let sent: SentCommand[];
  let closed: string[];
  const passwords = new Map<string, string>();
  const consoles: ServerParts["consoles"] = {
    run: (command) => {
      sent.push(command);
      const isRight = passwords.get(command.instanceId) === command.password;
      return Promise.resolve(isRight ? outcome(command) : { kind: "wrong-password" });
    },
    close: (instanceId, session) => closed.push(`${instanceId} ${session}`),
  };
  before(async () => {
    api = await createTwinApi({ consoles, env: { LEASE_MIN_SECONDS: "1", QUOTA_PER_ADDRESS: "8" } });
    handout = await created();
  });
  beforeEach(() => {
    [sent, closed] = [[], []];
    outcome = ({ words, state }) =>
      replied(words[0] === "INFO" ? text(info) : { kind: "status", text: "PONG" }, { state });
  });
  after(() => api.close());

  const created = async (): Promise<Handout> => {
    const answer = await api.call("/instances", { method: "POST", headers: { accept: "application/json" } });
    const made = (await answer.json()) as Handout;
    passwords.set(made.id, made.password);
    return made;
  };
  const post = (
    path: "console" | "figures",
    body: object,
    { id, token }: { id: string; token: string | null } = handout,
  ) =>
    api.call(`/instances/${id}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
    });
  const type = async (command: string, more: object = {}, owned = handout): Promise<Answer> => {
    const answer = await post("console", { password: owned.password, command, ...more }, owned);
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    return JSON.parse(text) as Answer;
  };

  it("answers with the reply as text, whose word it is, and what the connection holds", async () => {
    outcome = () => replied(text("hello there"), { state: { database: 4, transaction: "begun" } });
    assert.deepEqual(await type("get greeting"), {
      text: '"hello there"',
      tone: "reply",
      cutFromBytes: null,
      warning: null,
      database: 4,
      transaction: "begun",
    });
    outcome = () => replied({ kind: "error", text: "ERR unknown command 'NOSUCH', with args beginning with: " });
    assert.deepEqual(await type("NOSUCH"), {
      text: "(error) ERR unknown command 'NOSUCH', with args beginning with: ",
      tone: "error",
      cutFromBytes: null,
      warning: null,
      database: 0,
      transaction: "none",
    });
  });

  it("takes the password as the bearer in place of the token, and then needs none in the body", async () => {
    const byPassword = { id: handout.id, token: handout.password };
    assert.equal((await post("console", { command: "PING" }, byPassword)).status, 200);
    assert.equal((await post("figures", {}, byPassword)).status, 200);
    assert.deepEqual(
      sent.map(({ password }) => password),
      [handout.password, handout.password],
    );
    assert.equal((await post("console", { command: "PING" }, { ...byPassword, id: at(handout) })).status, 200);
    const basic = Buffer.from(`default:${handout.password}`).toString("base64");
    const bare = { method: "POST", headers: { authorization: `Basic ${basic}` } };
    assert.equal((await api.call(`/instances/${handout.id}/figures`, bare)).status, 200, "without any body");
    for (const path of ["console", "figures"] as const) {
      const body = path === "console" ? { command: "PING" } : {};
      assert.match(
        await assertProblem(await post(path, body), 400, "invalid-request"),
        /^The Redis password is needed/,
      );
    }
    await assertProblem(
      await post("console", { command: "PING", password: "wrong" }, byPassword),
      403,
      "password-wrong",
    );
  });

  it("sends the words of a line to the instance, in a session's connection or in one of its own", async () => {
    const session = randomUUID();
    await type("SET greeting 'hello there'", { session, database: 4, transaction: "begun" });
    await type("PING");
    assert.deepEqual(
      sent.map(({ words, host, port, password, state }) => [words.map(String), host, port, password, state]),
      [
        [
          ["SET", "greeting", "hello there"],
          "host-a.internal",
          handout.port,
          handout.password,
          { database: 4, transaction: "begun" },
        ],
        [["PING"], "host-a.internal", handout.port, handout.password, { database: 0, transaction: "none" }],
      ],
    );
    assert.notEqual(sent[0]?.session, sent[1]?.session);
    assert.deepEqual(closed, [`${handout.id} ${sent[1]?.session ?? ""}`], "only the connection of its own is closed");
  });

  it("sends nothing for a line without a command, or one whose quotes do not end", async () => {
    assert.equal((await type(" ")).text, "");
    assert.deepEqual(
      [(await type('SET "open')).text, (await type('SET "open')).tone],
      ["Invalid argument(s)", "error"],
    );
    assert.deepEqual(sent, []);
  });

  it("closes a session's connection as asked, and says that it holds nothing", async () => {
    const session = randomUUID();
    const { transaction, database } = await type("RESET", { session, database: 4, transaction: "begun" });
    assert.deepEqual([transaction, database, closed.length, sent.length], ["none", 0, 1, 0]);
  });

  it("says what became of a command without a reply", async () => {
    for (const [kind, note] of [
      ["transaction-lost", /was not run/],
      ["too-slow", /^No reply within 10 s/],
      ["closed", /^The connection closed before the reply came/],
    ] as const) {
      outcome = () => ({ kind });
      const answer = await type("SET lost 1", { database: 4, transaction: "begun" });
      assert.deepEqual([answer.tone, answer.transaction, answer.database], ["lost", "none", 4], kind);
      assert.match(answer.text, note);
    }
  });

  it("explains which commands it cannot follow", async () => {
    for (const command of ["SUBSCRIBE news", "MONITOR", "HELLO 3", "CLIENT REPLY OFF"])
      assert.equal((await type(command)).tone, "note", command);
  });

  it("cuts long replies and tells their size", async () => {
    outcome = () => replied(text("\0".repeat(65_536), 1_000_001), { sizeBytes: 1_000_015 });
    const { text: shown, cutFromBytes, warning } = await type("GET long");
    assert.ok(shown.length <= 65_536 && shown.startsWith('"\\x00'));
    assert.deepEqual([cutFromBytes, warning], [1_000_015, null]);
  });

  it("says what became of the connection where a reply was not read to its end", async () => {
    outcome = () =>
      replied(text("v".repeat(10), 20_000_000), {
        readBytes: 65_536,
        sizeBytes: 20_000_012,
        state: { database: 4, transaction: "none" },
      });
    const answer = await type("GET long", { database: 4, transaction: "watched" });
    assert.deepEqual(
      [answer.text, answer.tone, answer.cutFromBytes, answer.database, answer.transaction],
      ['"vvvvvvvvvv"', "reply", 20_000_012, 4, "none"],
    );
    assert.match(
      answer.warning ?? "",
      /was run, .* connection was closed\. The next command opens a new one in the same database, .* client\.$/,
    );
  });

  it("reads so many megabytes of replies a minute for an address and for an instance, and says when it goes on", async () => {
    const replica = await api.openReplica({ CONSOLE_REPLY_MB_PER_MINUTE: "2" });
    const MB = 1024 * 1024;
    const run = (owned: Handout, remoteAddress: string, command = "GET long") =>
      replica.call(`/instances/${owned.id}/console`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${owned.token}` },
        body: JSON.stringify({ password: owned.password, command }),
        remoteAddress,
      });
    try {
      const other = await created();
      outcome = () => replied(text("x"), { readBytes: MB, sizeBytes: 20 * MB });
      for (let commands = 0; commands < 2; commands++)
        assert.equal((await run(handout, "198.51.100.7")).status, 200, "each counts by what was read of it");
      for (const [owned, address] of [
        [other, "198.51.100.7"],
        [handout, "198.51.100.8"],
      ] as const) {
        const refused = await run(owned, address);
        const seconds = Number(refused.headers.get("retry-after"));
        assert.ok(seconds > 0 && seconds <= 60);
        assert.match(await assertProblem(refused, 429, "replies-spent"), /shows 2 MB of replies a minute .* redis-cli/);
      }
      assert.equal((await run(handout, "198.51.100.7", "RESET")).status, 200, "what takes no reply goes on");
      assert.equal((await run(other, "198.51.100.9")).status, 200, "others go on");
      api.service.time.pass(60_000);
      await api.seeHosts();
      outcome = () => replied(text("\0".repeat(30_000)));
      for (let commands = 0; commands < 32; commands++)
        assert.equal((await run(handout, "198.51.100.7")).status, 200, "a new minute");
      await assertProblem(await run(handout, "198.51.100.7"), 429, "replies-spent");
    } finally {
      await replica.close();
    }
  });

  it("tells memory, keys, connections and commands a second", async () => {
    const answer = await post("figures", { password: handout.password });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.deepEqual(await answer.json(), {
      memoryBytes: 1_048_576,
      maxMemoryBytes: 26_214_400,
      keys: 42,
      clients: 2,
      maxClients: 50,
      opsPerSecond: 17,
    });
  });

  it("wants both the token and the password of the same instance", async () => {
    const other = await created();
    for (const path of ["console", "figures"] as const) {
      const body = (password: string) => (path === "console" ? { password, command: "PING" } : { password });
      await assertProblem(await post(path, body(handout.password), { ...handout, token: null }), 401, "token-missing");
      await assertProblem(
        await post(path, body(handout.password), { ...handout, token: other.token }),
        403,
        "token-wrong",
      );
      await assertProblem(await post(path, body(other.password)), 403, "password-wrong");
      await assertProblem(
        await post(path, body(handout.password), { id: "0000000000000000", token: "x" }),
        404,
        "not-found",
      );
      assert.equal((await post(path, body(handout.password))).status, 200);
      await assertProblem(await post(path, body("another")), 403, "password-wrong");
    }
  });

  it("refuses what has another shape or is too long", async () => {
    const { password } = handout;
    for (const body of [
      {},
      { password },
      { command: "PING" },
      { password: "", command: "PING" },
      { password, command: 7 },
      { password, command: "x".repeat(8193) },
      { password, command: "PING", session: "short" },
      { password, command: "PING", database: -1 },
      { password, command: "PING", transaction: "perhaps" },
      { password, command: "PING", more: 1 },
    ]) {
      await assertProblem(await post("console", body), 400, "invalid-request");
    }
    assert.match(
      await assertProblem(
        await post("console", { password, command: "PING", session: "short" }),
        400,
        "invalid-request",
      ),
      /^session must have 8 characters at least/,
    );
    assert.match(
      await assertProblem(await post("console", { password: "", command: "PING" }), 400, "invalid-request"),
      /^password must not be empty/,
    );
    await assertProblem(await post("console", { password, command: "\x01".repeat(8000) }), 413, "unreadable-request");
  });

  it("is over when the instance has ended", async () => {
    const ended = await created();
    const session = randomUUID();
    await type("PING", { session }, ended);
    await api.call(`/instances/${ended.id}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${ended.token}` },
    });
    await assertProblem(
      await post("console", { password: ended.password, command: "PING", session }, ended),
      409,
      "instance-ended",
    );
    await assertProblem(await post("figures", { password: ended.password }, ended), 409, "instance-ended");
  });

  it("says when the instance does not answer", async () => {
    outcome = () => ({ kind: "unreachable" });
    const { password } = handout;
    await assertProblem(await post("console", { password, command: "PING" }), 503, "instance-silent");
    await assertProblem(await post("figures", { password }), 503, "instance-silent");
  });

  it("says that a script is running, and how it is stopped, where figures would be", async () => {
    outcome = () => replied({ kind: "error", text: "BUSY Redis is busy running a script. You can only call ..." });
    const { password } = handout;
    assert.match(await assertProblem(await post("figures", { password }), 503, "script-running"), /SCRIPT KILL/);
    const { tone, text } = await type("GET k");
    assert.equal(tone, "note");
    assert.match(text, /^A script is running, .* SCRIPT KILL stops it/);
  });

  it("passes on no advice to restart the server, and says what is not available instead", async () => {
    outcome = () => replied({ kind: "error", text: "ERR DEBUG command not allowed. ... then restart the server." });
    const { tone, text } = await type("DEBUG SLEEP 1");
    assert.equal(tone, "note");
    assert.match(text, /^DEBUG is not available here: (?!.*restart)/);
  });

  it("says when all of its connections are busy", async () => {
    outcome = () => ({ kind: "busy" });
    const { password } = handout;
    await assertProblem(await post("console", { password, command: "PING" }), 503, "console-busy");
    await assertProblem(await post("figures", { password }), 503, "console-busy");
  });

  it("leaves no word of passwords and commands in the logs", async () => {
    await type("SET unmistakable-word 1");
    await post("console", { password: "unmistakable-password", command: "PING" });
    assert.ok(api.log().includes(`/instances/${handout.id}/console`), "the requests are logged");
    for (const secret of [handout.password, handout.token, "unmistakable", "greeting"])
      assert.ok(!api.log().includes(secret), secret);
  });

  // Last: it uses up what an address may send.
  it("takes only so many commands a minute from an address", async () => {
    let limited = await post("console", { password: handout.password, command: "PING" });
    for (let commands = 1; commands <= 240 && limited.status !== 429; commands++)
      limited = await post("console", { password: handout.password, command: "PING" });
    assert.ok(Number(limited.headers.get("retry-after")) > 0);
    await assertProblem(limited, 429, "rate-limited");
    assert.equal(
      (await post("figures", { password: handout.password })).status,
      200,
      "figures are counted for themselves",
    );
  });
});
