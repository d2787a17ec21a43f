import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { refusedCommands } from "../../apps/core/services/refused-commands.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

const markdown = { accept: "text/markdown, text/html;q=0.9, */*;q=0.1" };

describe("what agents and programs are told", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({
      env: {
        QUOTA_PER_ADDRESS: "3",
        OPERATOR_NAME: "Ada & Co",
        CONTACT: "abuse@example.org",
        TERMS_URL: "https://example.org/terms",
        HISTORY_DAYS: "20",
        ACCESS_RECORD_DAYS: "1",
      },
    });
  });
  after(() => api.close());

  const text = async (path: string, headers: Record<string, string>, type: string, method = "GET") => {
    const answer = await api.call(path, { method, headers });
    const body = await answer.text();
    assert.equal(answer.headers.get("content-type"), `${type}; charset=utf-8`, body);
    return { answer, body };
  };

  it("is a whole guide in Markdown at / and /docs for those who prefer it, and the page for all others", async () => {
    for (const path of ["/", "/docs", "/?from=somewhere"]) {
      const { answer, body } = await text(path, markdown, "text/markdown");
      assert.deepEqual([answer.status, answer.headers.get("vary")], [200, "Accept"]);
      assert.match(body, /^# Get a Redis\n\n> One HTTP call starts a private Redis .* 25 MB for 12 hours/);
      for (const told of [
        `curl --fail-with-body -sSX POST ${api.origin}/instances\n`,
        `npx --yes ${api.origin}/cli.tgz create --json`,
        "3 instances at a time for an IP address",
        "24 hours at most",
        "Not encrypted",
        "erased 1 day after the instance ended",
        "deleted 20 days after its end",
        "Run by Ada & Co.",
        "Contact: abuse@example.org",
        "https://example.org/terms",
        ...refusedCommands.flatMap(({ commands }) => commands),
      ])
        assert.ok(body.includes(told), told);
      assert.doesNotMatch(body, /undefined|\[object/);
    }
    for (const accept of ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "text/html, text/markdown"]) {
      const { answer } = await text("/", { accept }, "text/html");
      assert.equal(answer.headers.get("vary"), "Accept");
    }
    const { body: reference } = await text("/docs", { accept: "text/html" }, "text/html");
    for (const command of refusedCommands.flatMap(({ commands }) => commands))
      assert.ok(reference.includes(`<code>${command}</code>`), command);
    const calls = reference.slice(reference.indexOf('id="operator"'), reference.indexOf('id="objects"'));
    assert.match(calls, /Each of these calls may also be refused: [^\n]*<a href="#rate-limited">/);
    assert.equal(calls.split("#rate-limited").length, 2, "what all may be refused with is told once");
    assert.ok(reference.includes(`npx --yes ${api.origin}/cli.tgz create`));
    assert.match(reference, /What is kept of visitors: The IP address that got an instance is erased 1 day after/);
  });

  it("is with a new instance how to use, extend and end it, in lines that work as they stand", async () => {
    const { answer, body } = await text("/instances", { accept: "text/markdown" }, "text/markdown", "POST");
    assert.deepEqual([answer.status, answer.headers.get("vary")], [201, "Accept"]);
    const [, url = ""] = /^- URL: `(redis:\S+)`$/m.exec(body) ?? [];
    const { password } = new URL(url);
    const path = answer.headers.get("location") ?? "";
    const authorization = `Basic ${Buffer.from(`default:${password}`).toString("base64")}`;
    for (const line of body.match(/^curl .*$/gm) ?? assert.fail("it has lines for a shell")) {
      assert.ok(line.startsWith(`curl -u default:${password} `) && line.includes(`${api.origin}${path}`), line);
      const [, method = "GET"] = / -X ([A-Z]+) /.exec(line) ?? [];
      const [, sent] = / -d '(.*?)'/.exec(line) ?? [];
      if (line.endsWith("/console") || method === "DELETE") continue;
      const done = await api.call(path, {
        method,
        headers: { authorization, ...(sent !== undefined && { "content-type": "application/json" }) },
        ...(sent !== undefined && { body: sent }),
      });
      assert.equal(done.status, 200, line);
    }
    const state = (await (await api.call(path, { headers: { authorization } })).json()) as Handout;
    assert.ok(body.includes(`\`${state.id}\``));
    assert.equal((await api.call(path, { method: "DELETE", headers: { authorization } })).status, 204);
  });

  it("is a refusal in Markdown, too, and no other format than those there are", async () => {
    const { answer, body } = await text("/nothing", { accept: "text/markdown" }, "text/markdown");
    assert.equal(answer.status, 404);
    assert.equal(body, "# Not found\n\nPage not found: /nothing. All calls are listed at /docs.\n");
    const refused = await api.call("/instances", { method: "POST", headers: { accept: "application/pdf" } });
    assert.match(await assertProblem(refused, 406, "not-acceptable"), /text\/markdown/);
  });

  it("is an llms.txt of a title, a summary, facts and links", async () => {
    const { body } = await text("/llms.txt", {}, "text/plain");
    const [title, , summary] = body.split("\n");
    assert.equal(title, "# Get a Redis");
    assert.match(summary ?? "", /^> .*Redis/);
    assert.ok(body.includes(`POST ${api.origin}/instances`));
    const [, documentation = ""] = body.split("## Documentation\n\n");
    const links = [...documentation.matchAll(/^- \[[^\]]+\]\((\S+)\): .+$/gm)].map(([, target = ""]) => target);
    assert.equal(links.length, documentation.trim().split("\n").length);
    for (const link of links) assert.equal((await api.call(link.slice(api.origin.length))).status, 200, link);
  });

  it("is whom to tell of a vulnerability, in the form of RFC 9116, where the operator has said it", async () => {
    const { body } = await text("/.well-known/security.txt", {}, "text/plain");
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(body)?.[1];
    assert.equal(field("Contact"), "mailto:abuse@example.org");
    const days = (Date.parse(field("Expires") ?? "") - api.service.clock().getTime()) / 86_400_000;
    assert.ok(days > 1 && days < 365, `${days} days`);
    assert.equal(field("Canonical"), undefined, "which must be https");

    const proxied = await api.openReplica({ TRUST_PROXY: "loopback", CONTACT: "https://example.org/contact" });
    const answer = await proxied.call("/.well-known/security.txt", { headers: { "x-forwarded-proto": "https" } });
    const secured = await answer.text();
    assert.match(secured, /^Contact: https:\/\/example\.org\/contact$/m);
    assert.match(secured, /^Canonical: https:\/\/127\.0\.0\.1:8080\/\.well-known\/security\.txt$/m);
    await proxied.close();
    for (const CONTACT of ["", "http://example.org/contact"]) {
      const silent = await api.openReplica({ CONTACT });
      const detail = await assertProblem(await silent.call("/.well-known/security.txt"), 404, "not-found");
      assert.match(detail, /CONTACT/);
      await silent.close();
    }
  });
});
