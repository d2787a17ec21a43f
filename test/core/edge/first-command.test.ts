import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DECIDED, LOGIN, LOGINS, MOST_BYTES } from "../../../apps/core/edge/first-command.ts";

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
    it(`is undecided while it may become ${JSON.stringify(text.slice(0, 30))}…, and a log-in once all of it has come`, () => {
      for (let length = 0; length <= text.length; length++) {
        const sent = text.slice(0, length);
        assert.equal(login.test(sent), length === text.length, JSON.stringify(sent));
        assert.equal(decided.test(sent), length === text.length, JSON.stringify(sent));
      }
      assert.ok(login.test(`${text}${command("PING")}`));
    });

  it("has its password, and the lengths of all that its client chose, in the words that are told of its form", () => {
    for (const text of logins) {
      const { passwordWord, sized } =
        LOGINS.find(({ pattern }) => new RegExp(pattern, "i").test(text)) ?? assert.fail(text);
      const words = text.split(/[\r\n]+/);
      assert.equal(words[passwordWord - 1], PASSWORD);
      const chosen = words.filter((word) => ["default", PASSWORD, "mine"].includes(word));
      assert.deepEqual(
        sized.map(({ word }) => words[word - 1]),
        chosen,
      );
      for (const { word, lengthWord } of sized)
        assert.equal(words[lengthWord - 1], `$${words[word - 1]?.length ?? ""}`);
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
      fc.constantFrom("*2", "*3", "*5", "\r\n", "$4", "$5", "AUTH", "HELLO", "3", PASSWORD, "x", "\0", ...logins),
      {
        maxLength: 14,
      },
    );
    const text = fc.oneof(
      anything.map((words) => words.join("")),
      // Near to what counts: a log-in in which something is missing, or is there once more.
      fc.tuple(fc.constantFrom(...logins), fc.nat(130), fc.nat(20), anything).map(([login, at, more, words]) => {
        return login.slice(0, at) + words.join("") + login.slice(Math.max(0, at - 10 + more));
      }),
    );
    fc.assert(
      fc.property(text, fc.nat(200), (text, cut) => {
        const earlier = text.slice(0, cut);
        if (decided.test(earlier)) assert.ok(decided.test(text));
        if (decided.test(earlier)) assert.equal(login.test(text), login.test(earlier));
      }),
      { numRuns: 2_000 },
    );
  });

  it("is known by its beginning alone", () => {
    const longest = command("HELLO", "3", "AUTH", "u".repeat(64), "p".repeat(999), "SETNAME", "n".repeat(999));
    assert.ok(login.test(`${longest}${longest}`.slice(0, MOST_BYTES)));
  });
});
