import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { problemTypes } from "../../apps/api/problems/problem-types.ts";
import type { ProblemType } from "../../apps/lib/http/problem.ts";
import { projectPath } from "../../infra/process/project-path.ts";

const types = Object.entries<ProblemType>(problemTypes);

describe("types of problems", () => {
  it("each have a name for programs, a title for people, and a sentence that says when they come", () => {
    for (const [name, { status, title, when }] of types) {
      assert.match(name, /^[a-z]+(-[a-z]+)*$/);
      assert.ok(status >= 400 && status < 600, `${name}: ${status}`);
      assert.match(title, /^[A-Z][^.]*[^.]$/, name);
      assert.match(when, /^[A-Z`].*\.$/s, name);
    }
    assert.equal(new Set(types.map(([, { title }]) => title)).size, types.length, "no two share a title");
  });

  it("are those of the proxy's own answers as well, with the same status and title", async () => {
    const site = await readFile(projectPath("infra/deploy/nginx-app.conf"), "utf8");
    const answers = [...site.matchAll(/return (\d{3}) '(\{"type".*\})\\n'/g)];
    assert.equal(answers.length, 2);
    for (const [, status, body = ""] of answers) {
      const { type, title } = JSON.parse(body) as { type: string; title: string };
      const known = types.find(([name]) => type === `urn:getaredis:${name}`)?.[1];
      assert.deepEqual([known?.status, known?.title], [Number(status), title], type);
    }
  });
});
