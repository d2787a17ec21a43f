import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  databaseIn,
  judgeCommand,
  stateAfter,
  type ConnectionState,
} from "../../../apps/core/console/command-rules.ts";
import type { RedisReply } from "../../../apps/core/console/redis-reply.ts";

const words = (line: string) => line.split(" ").map((word) => Buffer.from(word));
const status = (text: string): RedisReply => ({ kind: "status", text });
const error = (text: string): RedisReply => ({ kind: "error", text });
const start: ConnectionState = { database: 0, transaction: "none" };

/** The state after commands with their replies. */
function after(...exchanges: [line: string, reply: RedisReply][]): ConnectionState {
  return exchanges.reduce((state, [line, reply]) => stateAfter(state, words(line), reply), start);
}

describe("judgeCommand", () => {
  for (const line of [
    "subscribe news",
    "PSUBSCRIBE *",
    "ssubscribe s",
    "UNSUBSCRIBE",
    "MONITOR",
    "psync ? -1",
    "HELLO 3",
    "client REPLY off",
  ]) {
    it(`refuses ${line}, after which replies would not be one for each command`, () => {
      const verdict = judgeCommand(words(line));
      assert.ok(verdict.kind === "refuse");
      assert.match(verdict.why, /^.{20,}\.$/);
    });
  }

  it("closes the connection when asked to", () => {
    assert.deepEqual(judgeCommand(words("quit")), { kind: "close", answer: "OK" });
    assert.deepEqual(judgeCommand(words("RESET")), { kind: "close", answer: "RESET" });
  });

  it("leaves everything else to the server and its rights", () => {
    for (const line of [
      "PING",
      "publish news x",
      "CONFIG GET *",
      "FLUSHALL",
      "client list",
      "BLPOP q 0",
      "AUTH default x",
      "nonsense",
    ])
      assert.equal(judgeCommand(words(line)).kind, "run");
  });
});

describe("stateAfter", () => {
  it("follows SELECT when the server said OK", () => {
    assert.deepEqual(after(["SELECT 3", status("OK")]), { database: 3, transaction: "none" });
    assert.deepEqual(after(["SELECT 99", error("ERR DB index is out of range")]), start);
  });

  it("follows a transaction to its end", () => {
    assert.equal(after(["MULTI", status("OK")]).transaction, "begun");
    assert.equal(after(["MULTI", status("OK")], ["INCR n", status("QUEUED")]).transaction, "begun");
    for (const [end, reply] of [
      ["EXEC", { kind: "array", items: [], length: 0 }],
      ["EXEC", { kind: "nil" }],
      ["DISCARD", status("OK")],
      ["exec", error("EXECABORT Transaction discarded")],
    ] as const) {
      assert.deepEqual(after(["MULTI", status("OK")], [end, reply]), start);
    }
  });

  it("stays in a transaction that an error did not end", () => {
    for (const [line, reply] of [
      ["EXEC now", error("ERR wrong number of arguments for 'exec' command")],
      ["MULTI", error("ERR MULTI calls can not be nested")],
      ["WATCH k", error("ERR WATCH inside MULTI is not allowed")],
    ] as const) {
      assert.equal(after(["MULTI", status("OK")], [line, reply]).transaction, "begun");
    }
  });

  it("believes no queued SELECT: once its queue was run, the server is asked which database is selected", () => {
    for (const select of ["SELECT 5", "SELECT abc", "SELECT 99", "select -1"]) {
      const queued: [string, RedisReply][] = [
        ["SELECT 2", status("OK")],
        ["MULTI", status("OK")],
        [select, status("QUEUED")],
      ];
      assert.equal(after(...queued).database, 2);
      assert.equal(after(...queued).askDatabase, "later");
      assert.deepEqual(after(...queued, ["EXEC", { kind: "array", items: [status("OK")], length: 1 }]), {
        database: 2,
        transaction: "none",
        askDatabase: "now",
      });
      for (const [line, reply] of [
        ["DISCARD", status("OK")],
        ["EXEC", { kind: "nil" }],
        ["EXEC", error("EXECABORT Transaction discarded because of previous errors.")],
      ] as const)
        assert.deepEqual(after(...queued, [line, reply]), { database: 2, transaction: "none" });
    }
    const unselected = after(["MULTI", status("OK")], ["EXEC", { kind: "array", items: [], length: 0 }]);
    assert.equal(unselected.askDatabase, undefined, "without a SELECT nothing is asked");
  });

  it("knows that keys are watched until the transaction is over", () => {
    assert.equal(after(["WATCH k", status("OK")]).transaction, "watched");
    assert.equal(after(["WATCH k", status("OK")], ["GET k", { kind: "nil" }]).transaction, "watched");
    assert.equal(after(["WATCH k", status("OK")], ["UNWATCH", status("OK")]).transaction, "none");
    assert.equal(
      after(["WATCH k", status("OK")], ["MULTI", status("OK")], ["EXEC", { kind: "nil" }]).transaction,
      "none",
    );
  });
});

describe("databaseIn", () => {
  const string = (text: string): RedisReply => ({ kind: "string", bytes: Buffer.from(text), length: text.length });

  it("finds the selected database in what CLIENT INFO tells", () => {
    const info = (rest: string) =>
      string(`id=3 addr=127.0.0.1:40000 laddr=127.0.0.1:6379 fd=8 name=db=9 age=0 ${rest}`);
    assert.equal(databaseIn(info("idle=0 flags=N db=5 sub=0\n")), 5);
    assert.equal(databaseIn(info("idle=0 flags=N db=15")), 15);
  });

  it("finds none in anything else", () => {
    for (const reply of [string("dbx=5 db=a"), error("NOPERM"), { kind: "nil" } as const, string("id=1 db=5000000 x")])
      assert.equal(databaseIn(reply), undefined);
  });
});
