import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { splitCommandLine } from "../../../apps/core/console/command-line.ts";

const words = (line: string) => splitCommandLine(line)?.map((word) => word.toString("latin1"));

describe("splitCommandLine", () => {
  const lines: [line: string, ...words: string[]][] = [
    [""],
    [" \t \n"],
    ["PING", "PING"],
    ["  SET  key\tvalue ", "SET", "key", "value"],
    ['SET key "two words"', "SET", "key", "two words"],
    ["SET key 'two words'", "SET", "key", "two words"],
    ['SET key ""', "SET", "key", ""],
    ["SET key ''", "SET", "key", ""],
    [String.raw`ECHO "\n\r\t\b\a\\\"\q"`, "ECHO", '\n\r\t\b\x07\\"q'],
    [String.raw`ECHO "\x00\xfF\x4"`, "ECHO", "\x00\xffx4"],
    [String.raw`ECHO '\n it\'s'`, "ECHO", String.raw`\n it's`],
    [String.raw`ECHO \n`, "ECHO", String.raw`\n`],
    ['ECHO a"b c"', "ECHO", "ab c"],
    ["ECHO <b>&amp;</b>", "ECHO", "<b>&amp;</b>"],
  ];
  for (const [line, ...expected] of lines) {
    it(`splits ${JSON.stringify(line)} as redis-cli does`, () => assert.deepEqual(words(line), expected));
  }

  for (const line of [
    '"',
    "'",
    'ECHO "open',
    "ECHO 'open",
    'ECHO "a"b',
    "ECHO 'a'b",
    String.raw`ECHO "a\"`,
    String.raw`ECHO 'a\'`,
    'ECHO "a""b"',
  ]) {
    it(`finds no words in ${line}, whose quotes do not close`, () => assert.equal(words(line), undefined));
  }

  it("gives back any bytes that were spelt as quoted words", () => {
    const spelt = (word: Uint8Array) =>
      `"${Array.from(word, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (given) => {
        assert.deepEqual(
          splitCommandLine(given.map(spelt).join(" ")),
          given.map((word) => Buffer.from(word)),
        );
      }),
    );
  });

  it("splits or refuses whatever is typed", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (line) => void splitCommandLine(line)));
  });
});
