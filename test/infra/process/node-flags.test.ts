import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { nodeFlags } from "../../../infra/process/node-flags.ts";
import { projectPath } from "../../../infra/process/project-path.ts";

describe("programs that keep running", () => {
  const flags = nodeFlags.join(" ");
  const read = (path: string) => readFile(projectPath(path), "utf8");

  it("are run by systemd as npm start runs them", async () => {
    for (const program of ["api", "jobs", "enrolment"])
      assert.match(
        await read(`infra/deploy/units/getaredis-${program}.service`),
        new RegExp(`^ExecStart=\\S+/node ${flags} apps/${program}/main\\.ts$`, "m"),
      );
  });

  it("are watched by a program that is run in the same way", async () => {
    const { scripts } = JSON.parse(await read("package.json")) as { scripts: Record<string, string> };
    assert.equal(scripts["start"], `sh infra/run.sh ${flags} infra/start/main.ts`);
  });
});
