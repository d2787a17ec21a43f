import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createConcierge, WRONG_PASSWORD, type Courtesy } from "../../../apps/core/edge/concierge.ts";

const ID = "5sq9fsfr26iw58ze";
const PASSWORD = `${ID}83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84`;
const GONE = `0000000000000000${PASSWORD.slice(16)}`;
const command = (...words: string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;

/** What a client gets that sends these pieces one after the other. */
function meet(pieces: readonly string[], named?: string): { said: string; last: Courtesy["next"] } {
  const { take } = createConcierge(named, (id) => id === ID);
  let said = "";
  let last: Courtesy["next"] = { kind: "wait" };
  for (const piece of pieces) {
    assert.equal(last.kind, "wait", "nothing is sent to one that is done");
    const courtesy = take(Buffer.from(piece, "latin1"));
    said += courtesy.reply;
    last = courtesy.next;
  }
  return { said, last };
}

function passedOn(pieces: readonly string[], named?: string) {
  const { said, last } = meet(pieces, named);
  assert.ok(last.kind === "pass-on", `${last.kind} after ${JSON.stringify(said)}`);
  return { said, id: last.id, login: last.login.toString("latin1"), rest: last.rest.toString("latin1") };
}

describe("the concierge", () => {
  it("answers as a Redis does before a log-in, whatever is asked", () => {
    for (const first of [command("PING"), command("INFO"), command("CLIENT", "SETNAME", "mine"), "PING\r\n", "ping\n"])
      assert.deepEqual(meet([first]), { said: "-NOAUTH Authentication required.\r\n", last: { kind: "wait" } });
    assert.match(meet([command("HELLO", "3")]).said, /^-NOAUTH HELLO must be called with the client already/);
    assert.equal(meet([command("HELLO", "4")]).said, "-NOPROTO unsupported protocol version\r\n");
    assert.deepEqual(meet([command("QUIT")]), { said: "+OK\r\n", last: { kind: "close" } });
  });

  it("passes a client on once it logs in, with what it has sent since", () => {
    assert.deepEqual(passedOn([command("PING"), `${command("AUTH", PASSWORD)}${command("GET", "a")}`]), {
      said: "-NOAUTH Authentication required.\r\n",
      id: ID,
      login: command("AUTH", PASSWORD),
      rest: command("GET", "a"),
    });
    assert.equal(passedOn([command("HELLO", "3"), command("AUTH", "default", PASSWORD)]).id, ID);
  });

  it("understands log-ins that are cut, typed by hand, or ordered in another way", () => {
    assert.equal(
      passedOn(Array.from(command("AUTH", "default", PASSWORD))).login,
      command("AUTH", "default", PASSWORD),
    );
    assert.equal(passedOn([`auth ${PASSWORD}\r\n`]).login, command("auth", PASSWORD));
    assert.equal(
      passedOn([command("HELLO", "3", "SETNAME", "mine", "AUTH", "default", PASSWORD)]).login,
      command("HELLO", "3", "AUTH", "default", PASSWORD, "SETNAME", "mine"),
    );
  });

  it("goes by the name that the client connected to before its password", () => {
    assert.equal(passedOn([command("AUTH", "a password of before")], ID).id, ID);
    assert.equal(meet([command("AUTH", PASSWORD)], "0000000000000000").said, WRONG_PASSWORD);
  });

  it("gives unknown and ended instances, and passwords that name none, one answer", () => {
    for (const password of [GONE, "", "x", "83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84", ID])
      for (const words of [
        ["AUTH", password],
        ["AUTH", "default", password],
        ["HELLO", "3", "AUTH", "default", password],
      ])
        assert.deepEqual(meet([command(...words)]), { said: WRONG_PASSWORD, last: { kind: "wait" } });
  });

  it("never passes on what would come back to it", () => {
    for (const words of [
      ["AUTH", "", PASSWORD],
      ["AUTH", "u".repeat(65), PASSWORD],
      ["AUTH", "a\r\nb", PASSWORD],
      ["AUTH", `${PASSWORD.slice(0, 10)}\r\n${PASSWORD}`],
    ])
      assert.equal(meet([command(...words)], ID).said, WRONG_PASSWORD);
  });

  it("bounds what a stranger may send, in the words of Redis", () => {
    assert.deepEqual(meet(["*11\r\n"]), {
      said: "-ERR Protocol error: unauthenticated multibulk length\r\n",
      last: { kind: "close" },
    });
    assert.equal(meet(["*1\r\n$16385\r\n"]).said, "-ERR Protocol error: unauthenticated bulk length\r\n");
    assert.equal(meet(["*1\r\n:1\r\n"]).said, "-ERR Protocol error: expected '$', got ':'\r\n");
    assert.equal(meet(["*x\r\n"]).said, "-ERR Protocol error: invalid multibulk length\r\n");
    assert.deepEqual(meet(["x".repeat(65_537)]).last, { kind: "close" });
    const words = (count: number) => `*10\r\n${`$16384\r\n${"x".repeat(16_384)}\r\n`.repeat(count)}`;
    assert.deepEqual(meet([words(1)]).last, { kind: "wait" });
    assert.deepEqual(meet([words(1), words(1).slice(5)]).last, { kind: "close" });
  });

  it("closes on whoever asks on and on without a log-in, and on nobody who asks a few things first", () => {
    const asked = (count: number) => meet([command("PING").repeat(count), ...Array.from(command("AUTH", PASSWORD))]);
    assert.equal(asked(20).last.kind, "pass-on");
    const { said, last } = meet([command("PING").repeat(100_000)]);
    assert.equal(last.kind, "close");
    assert.ok(said.length < 10_000);
    assert.equal(meet(["\r\n".repeat(100_000)]).last.kind, "close");
  });

  it("takes a PROXY header of a stranger for what it is to a Redis", () => {
    assert.equal(meet(["PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"]).said, "-NOAUTH Authentication required.\r\n");
    assert.deepEqual(meet(["\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c"]), {
      said: "-NOAUTH Authentication required.\r\n+OK\r\n",
      last: { kind: "close" },
    });
  });
});
