import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { commandsFile } from "../../../infra/redis-commands/data-set.ts";
import { askCommands } from "../../../infra/redis-commands/server-docs.ts";
import { projectPath } from "../../../infra/process/project-path.ts";

describe("public/assets/commands.json", () => {
  it("names what an instance's owner may run, in the words of redis-server where its version is the same", async () => {
    const kept = await readFile(projectPath("public/assets/commands.json"), "utf8");
    const { version, commands } = await askCommands();
    const names = Object.keys((JSON.parse(kept) as { commands: object }).commands);
    assert.deepEqual(
      names.filter((name) => !(name in commands)),
      [],
      "an owner may run each of them here",
    );
    // Another version has other words, and further commands.
    if (kept.includes(`Redis ${version},`))
      assert.equal(kept, commandsFile(version, commands), "run `npm run commands`");
  });
});
