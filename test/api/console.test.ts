import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { startService, type Service } from "../bed/service.ts";
import { until } from "../bed/until.ts";
import { assertProblem } from "./assert-problem.ts";

type Answer = { text: string; tone: string; cutFromBytes: number | null; database: number; transaction: string };

describe("an instance's console and figures", () => {
  let service: Service;
  let handout: Handout;
  before(async () => {
    service = await startService({ env: { LEASE_MIN_SECONDS: "1" } });
    handout = await created();
  });
  after(() => service.stop());

  const created = async (): Promise<Handout> =>
    (await (
      await fetch(`${service.origin}/instances`, { method: "POST", headers: { accept: "application/json" } })
    ).json()) as Handout;
  const post = (
    path: "console" | "figures",
    body: object,
    { id, token }: { id: string; token: string | null } = handout,
  ) =>
    fetch(`${service.origin}/instances/${id}/${path}`, {
      method: "POST",
      signal: AbortSignal.timeout(20_000),
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

  it("prints the reply to a command", async () => {
    assert.deepEqual(await type("SET greeting 'hello there'"), {
      text: "OK",
      tone: "reply",
      cutFromBytes: null,
      database: 0,
      transaction: "none",
    });
    assert.equal((await type("get greeting")).text, '"hello there"');
    assert.deepEqual(await type("NOSUCH"), {
      text: "(error) ERR unknown command 'NOSUCH', with args beginning with: ",
      tone: "error",
      cutFromBytes: null,
      database: 0,
      transaction: "none",
    });
    assert.equal((await type(" ")).text, "");
    assert.deepEqual(
      [(await type('SET "open')).text, (await type('SET "open')).tone],
      ["Invalid argument(s)", "error"],
    );
  });

  it("has the rights of the owner and no more", async () => {
    for (const command of [
      "CONFIG GET *",
      "ACL LIST",
      "REPLICAOF 127.0.0.1 1",
      "SHUTDOWN",
      "CLIENT KILL TYPE normal",
      "MODULE LIST",
      "SAVE",
      "SLOWLOG GET",
    ]) {
      assert.match((await type(command)).text, /^\(error\) NOPERM/, command);
    }
  });

  it("keeps a session's connection, so that SELECT and MULTI work", async () => {
    const session = randomUUID();
    assert.equal((await type("SELECT 4", { session })).database, 4);
    assert.equal((await type("MULTI", { session, database: 4 })).transaction, "begun");
    assert.equal((await type("INCR n", { session, database: 4, transaction: "begun" })).text, "QUEUED");
    assert.deepEqual(await type("EXEC", { session, database: 4, transaction: "begun" }), {
      text: "1) (integer) 1",
      tone: "reply",
      cutFromBytes: null,
      database: 4,
      transaction: "none",
    });
    assert.equal(
      (await type("GET n", { session: randomUUID(), database: 4 })).text,
      '"1"',
      "another connection finds the database by its number",
    );
  });

  it("runs nothing once the connection with the transaction is gone, and says so", async () => {
    const session = randomUUID();
    await type("MULTI", { session });
    assert.equal((await type("RESET", { session })).transaction, "none");
    const answer = await type("SET lost 1", { session, transaction: "begun" });
    assert.deepEqual([answer.tone, answer.transaction], ["note", "none"]);
    assert.match(answer.text, /was not run/);
    assert.equal((await type("EXISTS lost")).text, "(integer) 0");
  });

  it("explains which commands it cannot follow", async () => {
    for (const command of ["SUBSCRIBE news", "MONITOR", "HELLO 3", "CLIENT REPLY OFF"])
      assert.equal((await type(command)).tone, "note", command);
  });

  it("cuts long replies and tells their size", async () => {
    await type("SETRANGE long 1000000 x");
    const { text, cutFromBytes } = await type("GET long");
    assert.ok(text.length <= 65_536 && text.startsWith('"\\x00'));
    assert.equal(cutFromBytes, 1_000_001 + "$1000001\r\n\r\n".length);
  });

  it("gives up a command that blocks for too long", async () => {
    const answer = await type("BLPOP nothing 0");
    assert.equal(answer.tone, "note");
    assert.match(answer.text, /^No reply within 10 s/);
    assert.equal((await type("PING")).text, "PONG");
  });

  it("tells memory, keys, connections and commands a second", async () => {
    const answer = await post("figures", { password: handout.password });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    const { memoryBytes, keys, opsPerSecond, ...rest } = (await answer.json()) as Record<string, number>;
    assert.ok((memoryBytes ?? 0) > 500_000 && Number.isInteger(opsPerSecond));
    assert.equal(
      keys,
      Number((await type("DBSIZE")).text.replace("(integer) ", "")) +
        Number((await type("DBSIZE", { database: 4 })).text.replace("(integer) ", "")),
    );
    assert.deepEqual([rest["maxMemoryBytes"], rest["maxClients"]], [25 * 1024 * 1024, 50]);
    assert.ok((rest["clients"] ?? -1) >= 0);
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
    await assertProblem(await post("console", { password, command: "\x01".repeat(8000) }), 413, "unreadable-request");
  });

  it("is over when the instance has ended", async () => {
    const ended = await created();
    const session = randomUUID();
    await type("PING", { session }, ended);
    await fetch(`${service.origin}/instances/${ended.id}`, {
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
    const stopped = await created();
    await service.hosts[0]?.docker.getContainer(`redis-${stopped.id}`).kill({ signal: "SIGSTOP" });
    await assertProblem(
      await post("console", { password: stopped.password, command: "PING" }, stopped),
      503,
      "instance-silent",
    );
    await assertProblem(await post("figures", { password: stopped.password }, stopped), 503, "instance-silent");
  });

  it("leaves no word of passwords and commands in the logs", async () => {
    await type("SET unmistakable-word 1");
    await post("console", { password: "unmistakable-password", command: "PING" });
    await until("the requests are logged", () => service.log().includes(`/instances/${handout.id}/console`));
    for (const secret of [handout.password, handout.token, "unmistakable", "greeting"])
      assert.ok(!service.log().includes(secret), secret);
  });

  // Last: it uses up what an address may send.
  it("takes only so many commands a minute from an address", async () => {
    const limited = await until("the limit", async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, () =>
          post("console", { password: handout.password, command: "PING", session: randomUUID() }),
        ),
      );
      return answers.find(({ status }) => status === 429);
    });
    assert.ok(Number(limited.headers.get("retry-after")) > 0);
    await assertProblem(limited, 429, "rate-limited");
    assert.equal(
      (await post("figures", { password: handout.password })).status,
      200,
      "figures are counted for themselves",
    );
  });
});
