import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { Redis } from "ioredis";
import { startService, type Service } from "../bed/service.ts";
import { assertProblem } from "./assert-problem.ts";

describe("the operator's session", () => {
  let service: Service;
  before(async () => {
    service = await startService({ jobs: false });
  });
  after(() => service.stop());
  beforeEach(async () => {
    const redis = new Redis(service.services.redisUrl);
    const keys = await redis.keys("rate:*");
    if (keys.length > 0) await redis.del(...keys);
    redis.disconnect();
  });

  const logIn = (token: string, headers: Record<string, string> = {}, origin = service.origin) =>
    fetch(`${origin}/ops/api/session`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ token }),
    });
  const cookieOf = async (answer: Response) => {
    assert.equal(answer.status, 204, await answer.text());
    return answer.headers.get("set-cookie")?.split(";")[0] ?? assert.fail("a cookie");
  };
  /** In alphabetical order: their order means nothing. */
  const attributesOf = (answer: Response) => (answer.headers.get("set-cookie") ?? "").split("; ").slice(1).sort();
  const hosts = (cookie: string, origin = service.origin) => fetch(`${origin}/ops/api/hosts`, { headers: { cookie } });
  const cordon = (headers: Record<string, string>) =>
    fetch(`${service.origin}/ops/api/hosts/host-a`, {
      method: "PATCH",
      headers: { "content-type": "application/json", ...headers },
      body: '{"state":"active"}',
    });

  it("begins with the operator's token, in a cookie that no script reads and no other site sends", async () => {
    const answer = await logIn(service.opsToken);
    assert.match(answer.headers.get("set-cookie") ?? "", /^getaredis_ops=[\w-]{32};/);
    assert.deepEqual(attributesOf(answer), ["HttpOnly", "Max-Age=43200", "Path=/ops", "SameSite=Strict"]);
    const cookie = await cookieOf(answer);
    assert.equal((await hosts(cookie)).status, 200);
    assert.equal((await fetch(`${service.origin}/ops/api/session`, { headers: { cookie } })).status, 204);
    assert.match(await (await fetch(`${service.origin}/ops`, { headers: { cookie } })).text(), /data-session="open"/);
  });

  it("is Secure over https", async () => {
    service.env["TRUST_PROXY"] = "loopback";
    const behindProxy = await service.startReplica();
    try {
      const answer = await logIn(service.opsToken, { "x-forwarded-proto": "https" }, behindProxy.origin);
      assert.deepEqual(attributesOf(answer), ["HttpOnly", "Max-Age=43200", "Path=/ops", "SameSite=Strict", "Secure"]);
    } finally {
      await behindProxy.stop();
      delete service.env["TRUST_PROXY"];
    }
  });

  it("is refused for another token, or none, and a cookie that was made up", async () => {
    const answer = await logIn("wrong");
    assert.equal(answer.headers.get("set-cookie"), null);
    await assertProblem(answer, 403, "token-wrong");
    await assertProblem(await logIn(""), 400, "invalid-request");
    for (const cookie of [
      "",
      "getaredis_ops=",
      `getaredis_ops=${"a".repeat(32)}`,
      "getaredis_ops=%00",
      `other=${service.opsToken}`,
    ])
      await assertProblem(await hosts(cookie), 401, "token-missing");
    await assertProblem(await fetch(`${service.origin}/ops/api/session`), 401, "token-missing");
    assert.match(await (await fetch(`${service.origin}/ops`)).text(), /data-session="closed"/);
  });

  it("may be tried ten times a minute", async () => {
    for (let tries = 0; tries < 10; tries++) await assertProblem(await logIn(`guess ${tries}`), 403, "token-wrong");
    const answer = await logIn(service.opsToken);
    assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
    await assertProblem(answer, 429, "rate-limited");
  });

  it("holds on every replica, and over a restart", async () => {
    const cookie = await cookieOf(await logIn(service.opsToken));
    const replica = await service.startReplica();
    assert.equal((await hosts(cookie, replica.origin)).status, 200);
    await replica.stop();
    await service.endApi("SIGTERM");
    await service.startApi();
    assert.equal((await hosts(cookie)).status, 200);
  });

  it("ends everywhere by logging out, and with a change of the operator's token", async () => {
    const cookie = await cookieOf(await logIn(service.opsToken));
    const other = await cookieOf(await logIn(service.opsToken));
    const answer = await fetch(`${service.origin}/ops/api/session`, { method: "DELETE", headers: { cookie } });
    assert.match(answer.headers.get("set-cookie") ?? "", /^getaredis_ops=; .*Max-Age=0/);
    await assertProblem(await hosts(cookie), 401, "token-missing");
    assert.equal((await hosts(other)).status, 200);
    service.env["OPS_TOKEN"] = "another-token-of-the-operator";
    const changed = await service.startReplica();
    service.env["OPS_TOKEN"] = service.opsToken;
    await assertProblem(await hosts(other, changed.origin), 401, "token-missing");
    await changed.stop();
  });

  it("goes on with its cookie when MySQL does not answer the log-out, so that it can be tried again, and is unknown to the page meanwhile", async () => {
    const cookie = await cookieOf(await logIn(service.opsToken));
    await service.services.killMysql();
    try {
      const answer = await fetch(`${service.origin}/ops/api/session`, { method: "DELETE", headers: { cookie } });
      assert.equal(answer.headers.get("set-cookie"), null);
      await assertProblem(answer, 503, "unavailable");
      const page = await (await fetch(`${service.origin}/ops`, { headers: { cookie } })).text();
      assert.match(page, /data-session="unknown"/);
      assert.match(page, /MySQL does not answer/);
      assert.match(await (await fetch(`${service.origin}/ops`)).text(), /data-session="closed"/);
    } finally {
      await service.services.startMysql();
    }
  });

  it("changes nothing for a page of another site, another port or of none; programs with the token need no page", async () => {
    const cookie = await cookieOf(await logIn(service.opsToken));
    const { host } = new URL(service.origin);
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: `http://${host.split(":")[0] ?? ""}:1` },
    ]) {
      await assertProblem(await cordon({ cookie, ...headers }), 403, "cross-site");
      await assertProblem(await logIn(service.opsToken, headers), 403, "cross-site");
    }
    assert.equal((await cordon({ cookie, "sec-fetch-site": "same-origin", origin: service.origin })).status, 204);
    assert.equal((await cordon({ authorization: `Bearer ${service.opsToken}` })).status, 204);
    await assertProblem(await cordon({ cookie, authorization: "Bearer wrong" }), 403, "token-wrong");
  });

  it("leaves neither token nor cookie in the log", async () => {
    const cookie = await cookieOf(await logIn(service.opsToken));
    await hosts(cookie);
    assert.match(service.log(), /operator logged in/);
    for (const secret of [service.opsToken, cookie.split("=")[1] ?? "?"]) assert.ok(!service.log().includes(secret));
  });
});
