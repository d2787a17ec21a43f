import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { consoleCommands, type DocumentedCommand } from "../../../infra/redis-commands/data-set.ts";
import { syntaxOf, type DocumentedArgument } from "../../../infra/redis-commands/syntax.ts";

const key: DocumentedArgument = { name: "key", type: "key" };
const token = (name: string): DocumentedArgument => ({ name: name.toLowerCase(), type: "pure-token", token: name });

describe("a command's syntax", () => {
  it("names arguments, and puts brackets around those that may be left out and bars between those to choose from", () => {
    for (const [syntax, argument] of [
      ["key", key],
      ["[key]", { ...key, flags: ["optional"] }],
      ["key [key ...]", { ...key, flags: ["multiple"] }],
      ["[key [key ...]]", { ...key, flags: ["optional", "multiple"] }],
      ["[NX | XX]", { name: "c", type: "oneof", flags: ["optional"], arguments: [token("NX"), token("XX")] }],
      ["<NX | XX>", { name: "c", type: "oneof", arguments: [token("NX"), token("XX")] }],
      [
        "[BY <NX | XX>]",
        { name: "c", type: "oneof", token: "BY", flags: ["optional"], arguments: [token("NX"), token("XX")] },
      ],
      ["[GET key [GET key ...]]", { ...key, token: "GET", flags: ["optional", "multiple", "multiple_token"] }],
      ["[ID key [key ...]]", { ...key, token: "ID", flags: ["optional", "multiple"] }],
      ["LIMIT key key", { name: "b", type: "block", token: "LIMIT", arguments: [key, key] }],
    ] satisfies [string, DocumentedArgument][])
      assert.equal(syntaxOf([argument]), syntax);
    assert.equal(syntaxOf([key, token("NX")]), "key NX");
  });
});

describe("the console's commands", () => {
  const about = { summary: "It does.", since: "1.0.0", group: "string" };
  const docs: Record<string, DocumentedCommand> = {
    get: { ...about, arguments: [key] },
    monitor: about,
    asking: { ...about, group: "cluster" },
    client: { ...about, subcommands: { "client|list": about, "client|kill": about, "client|help": about } },
    config: { ...about, subcommands: { "config|get": about, "config|help": about } },
  };
  const allowed = new Set([
    "get",
    "monitor",
    "asking",
    "client",
    "client|list",
    "client|help",
    "config",
    "config|help",
  ]);

  it("are those that owners may run, with a mark on those that no console can", () => {
    assert.deepEqual(
      consoleCommands(docs, (name) => allowed.has(name)),
      {
        "CLIENT HELP": ["", "It does.", "string", "1.0.0"],
        "CLIENT LIST": ["", "It does.", "string", "1.0.0"],
        GET: ["key", "It does.", "string", "1.0.0"],
        MONITOR: ["", "It does.", "string", "1.0.0", 1],
      },
    );
  });
});
