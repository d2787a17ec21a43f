import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, it } from "node:test";
import { assetsFolder } from "../../apps/api/public-folder.ts";

type Commands = Record<string, readonly [syntax: string, summary: string, group: string, since: string, elsewhere?: 1]>;
type Words = {
  suggest: (line: string, commands: Commands) => { from: number; words: string[]; about: string };
  helpOn: (topic: string, commands: Commands) => string;
};

describe("what the console knows of commands", () => {
  let words: Words;
  let commands: Commands;
  before(async () => {
    words = (await import(`${assetsFolder}/command-words.js`)) as Words;
    ({ commands } = JSON.parse(await readFile(`${assetsFolder}/commands.json`, "utf8")) as { commands: Commands });
  });
  const suggested = (line: string) => words.suggest(line, commands).words;

  it("completes names in any case, those of two words too, and nothing that is refused or that it cannot run", () => {
    assert.deepEqual(suggested("hincr"), ["HINCRBY", "HINCRBYFLOAT"]);
    assert.deepEqual(suggested("XGROUP  d"), ["XGROUP DELCONSUMER", "XGROUP DESTROY"]);
    for (const none of ["CONFIG", "SHUTDOWN", "DEBUG", "REPLICAOF", "SUBSCRIBE", "MONITOR", "NOSUCH", "", "  "])
      assert.deepEqual(suggested(none), [], none);
  });

  it("says where the completed word begins, so that what is before it stays", () => {
    assert.equal(words.suggest("  ge", commands).from, 2);
    assert.equal(words.suggest("SET k v n", commands).from, 8);
  });

  it("completes words of a command's syntax once its own arguments are there, each once, none inside quotes", () => {
    assert.deepEqual(suggested("SET "), []);
    assert.deepEqual(suggested("SET k e"), []);
    assert.deepEqual(suggested("set k v e"), ["EX", "EXAT"]);
    assert.deepEqual(suggested("SET k v NX "), ["XX", "GET", "EX", "PX", "EXAT", "PXAT", "KEEPTTL"]);
    assert.deepEqual(suggested("SET k v EX"), []);
    assert.deepEqual(suggested("XREAD "), ["COUNT", "BLOCK", "STREAMS"]);
    assert.deepEqual(suggested("SET k 'two e"), []);
    assert.deepEqual(suggested("EXPIRE k 10 "), ["NX", "XX", "GT", "LT"]);
  });

  it("shows what the command being typed takes", () => {
    assert.equal(words.suggest("mget ", commands).about, "MGET key [key ...]");
    assert.equal(words.suggest("append", commands).about, "APPEND key value");
    assert.equal(words.suggest("s", commands).about, "");
  });

  it("explains a command: what it takes and does, its group, and since when", () => {
    assert.equal(
      words.helpOn("append", commands),
      "APPEND key value\nAppend a value to a key. Group: string. Since Redis 2.0.0.",
    );
    assert.match(words.helpOn("set", commands), /^SET key value \[NX \| XX\] .*\nSet the string value of a key\. /);
    assert.match(words.helpOn("subscribe", commands), /\nNot in this console: use redis-cli or a client\.$/);
    assert.match(words.helpOn("xinfo", commands), /^XINFO has: CONSUMERS, GROUPS, HELP, STREAM\.$/);
    assert.match(words.helpOn(" debug  sleep ", commands), /^No command DEBUG SLEEP is available here\./);
  });
});
