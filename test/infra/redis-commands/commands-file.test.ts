import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { commandsFile } from "../../../infra/redis-commands/data-set.ts";
import { askCommands } from "../../../infra/redis-commands/server-docs.ts";
import { projectPath } from "../../../infra/process/project-path.ts";

describe("public/assets/commands.json", () => {
  it("is what `npm run commands` writes: the commands that an instance's owner may run, as redis-server tells them", async (test) => {
    const kept = await readFile(projectPath("public/assets/commands.json"), "utf8");
    const { version, commands } = await askCommands();
    if (!kept.includes(`Redis ${version},`)) {
      test.skip(`it was written for another version than ${version}, which is the one of this machine`);
      return;
    }
    assert.equal(kept, commandsFile(version, commands), "run `npm run commands`");
  });
});
