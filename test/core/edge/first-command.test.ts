import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DECIDED, LOGIN, MOST_BYTES, PASSWORD_WORDS } from "../../../apps/core/edge/first-command.ts";

const login = new RegExp(LOGIN, "i");
const decided = new RegExp(DECIDED, "i");
const command = (...words: string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
const PASSWORD = "5sq9fsfr26iw58ze83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84";

const logins = [
  command("AUTH", PASSWORD),
  command("auth", "default", PASSWORD),
  command("HELLO", "3", "AUTH", "default", PASSWORD),
  command("hello", "2", "auth", "default", PASSWORD, "SETNAME", "mine"),
];

describe("what a client says first", () => {
  for (const text of logins)
    it(`is undecided while it may become ${JSON.stringify(text.slice(0, 30))}…, and a log-in once the id has come`, () => {
      const known = text.indexOf(PASSWORD) + 16;
      for (let length = 0; length <= text.length; length++) {
        const sent = text.slice(0, length);
        assert.equal(login.test(sent), length >= known, JSON.stringify(sent));
        assert.equal(decided.test(sent), length >= known, JSON.stringify(sent));
      }
    });

  it("has its password in the word that is told of its form", () => {
    for (const text of logins) {
      const form = PASSWORD_WORDS.find(({ pattern }) => new RegExp(pattern, "i").test(text));
      assert.equal(text.split(/[\r\n]+/)[(form?.passwordWord ?? 0) - 1], PASSWORD);
    }
  });

  it("is decided at once when it is anything else, a log-in that is none included", () => {
    for (const text of [
      "PING\r\n",
      "\r\n",
      "GET / HTTP/1.1\r\n",
      "\x16\x03\x01",
      "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
      command("PING"),
      command("CLIENT", "SETNAME", "mine"),
      command("HELLO", "3"),
      command("HELLO", "3", "SETNAME", "mine", "AUTH", "default", PASSWORD),
      command("AUTH", "short"),
      command("AUTH", "", PASSWORD),
      command("AUTH", "a", "b", PASSWORD),
      command("GET", PASSWORD),
    ]) {
      assert.ok(decided.test(text), JSON.stringify(text));
      assert.ok(!login.test(text), JSON.stringify(text));
    }
  });

  it("never changes what was decided by what comes later", () => {
    const anything = fc.array(
      fc.constantFrom("*2", "*3", "*5", "\r\n", "$4", "$5", "AUTH", "HELLO", "3", PASSWORD, "x", "\0"),
      {
        maxLength: 14,
      },
    );
    fc.assert(
      fc.property(anything, fc.nat(200), (words, cut) => {
        const text = words.join("");
        const earlier = text.slice(0, cut);
        if (decided.test(earlier)) assert.ok(decided.test(text));
        if (decided.test(earlier)) assert.equal(login.test(text), login.test(earlier));
      }),
      { numRuns: 2_000 },
    );
  });

  it("is known by its beginning alone", () => {
    const longest = command("HELLO", "3", "AUTH", "u".repeat(64), "p".repeat(999));
    assert.ok(login.test(longest.slice(0, MOST_BYTES)));
  });
});
