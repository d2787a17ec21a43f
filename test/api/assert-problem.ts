import assert from "node:assert/strict";

/** Words of stack traces, SQL, drivers, and places inside: what no caller may read. */
const innards =
  /\bat .+:\d+:\d+|node_modules|\.ts\b|SELECT |INSERT |UPDATE |ER_[A-Z]+|ECONN|sqlState|docker\.sock|unix:\/\//;

/**
 * Checks that an answer is a whole problem+json of this status and name, in words for a person and
 * without a word about what is inside; `members` are those for programs. Gives back its detail.
 */
export async function assertProblem(
  answer: Response,
  status: number,
  name: string,
  members: readonly string[] = [],
): Promise<string> {
  const text = await answer.text();
  assert.equal(answer.status, status, text);
  assert.equal(answer.headers.get("content-type"), "application/problem+json; charset=utf-8");
  const problem = JSON.parse(text) as Record<string, unknown>;
  assert.deepEqual(Object.keys(problem), ["type", "title", "status", "detail", ...members]);
  assert.equal(problem["type"], `urn:getaredis:${name}`);
  assert.equal(problem["status"], status);
  assert.match(String(problem["title"]), /^[A-Z].{5,}[^.]$/);
  assert.match(String(problem["detail"]), /^.{10,}[.!?]$/s);
  assert.doesNotMatch(text, innards);
  assert.ok(text.endsWith("}\n"), "it reads well in a terminal");
  return String(problem["detail"]);
}
