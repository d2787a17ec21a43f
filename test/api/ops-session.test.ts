import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

describe("the operator's session", () => {
  let api: TwinApi;
  // Anew for each: only so many logins are tried a minute.
  beforeEach(async () => {
    api = await createTwinApi();
  });
  afterEach(() => api.close());

  const logIn = (token: string, headers: Record<string, string> = {}, { call }: Pick<TwinApi, "call"> = api) =>
    call("/ops/api/session", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ token }),
    });
  const cookieOf = async (answer: Response) => {
    assert.equal(answer.status, 200, await answer.text());
    return answer.headers.get("set-cookie")?.split(";")[0] ?? assert.fail("a cookie");
  };
  /** In alphabetical order: their order means nothing. */
  const attributesOf = (answer: Response) => (answer.headers.get("set-cookie") ?? "").split("; ").slice(1).sort();
  const hosts = (cookie: string, { call }: Pick<TwinApi, "call"> = api) =>
    call("/ops/api/hosts", { headers: { cookie } });
  const cordon = (headers: Record<string, string>) =>
    api.call("/ops/api/hosts/host-a", {
      method: "PATCH",
      headers: { "content-type": "application/json", ...headers },
      body: '{"state":"active"}',
    });

  it("begins with the operator's token, in a cookie that no script reads and no other site sends", async () => {
    const answer = await logIn(api.opsToken);
    assert.match(answer.headers.get("set-cookie") ?? "", /^getaredis_ops=[\w-]{32};/);
    assert.deepEqual(attributesOf(answer), ["HttpOnly", "Max-Age=43200", "Path=/ops", "SameSite=Strict"]);
    const cookie = await cookieOf(answer);
    assert.equal((await hosts(cookie)).status, 200);
    assert.deepEqual(await (await api.call("/ops/api/session", { headers: { cookie } })).json(), {
      name: "admin",
      role: "admin",
      expiresAt: null,
    });
    assert.match(await (await api.call("/ops", { headers: { cookie } })).text(), /data-session="open"/);
  });

  it("is Secure over https", async () => {
    const behindProxy = await api.openReplica({ TRUST_PROXY: "loopback" });
    const answer = await logIn(api.opsToken, { "x-forwarded-proto": "https" }, behindProxy);
    assert.deepEqual(attributesOf(answer), ["HttpOnly", "Max-Age=43200", "Path=/ops", "SameSite=Strict", "Secure"]);
    await behindProxy.close();
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
      `other=${api.opsToken}`,
    ])
      await assertProblem(await hosts(cookie), 401, "token-missing");
    await assertProblem(await api.call("/ops/api/session"), 401, "token-missing");
    assert.match(await (await api.call("/ops")).text(), /data-session="closed"/);
  });

  it("may be tried ten times a minute", async () => {
    for (let tries = 0; tries < 10; tries++) await assertProblem(await logIn(`guess ${tries}`), 403, "token-wrong");
    const answer = await logIn(api.opsToken);
    assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
    await assertProblem(answer, 429, "rate-limited");
  });

  it("holds on every replica, and over a restart", async () => {
    const cookie = await cookieOf(await logIn(api.opsToken));
    const replica = await api.openReplica();
    assert.equal((await hosts(cookie, replica)).status, 200);
    await replica.close();
    await api.close();
    const restarted = await api.openReplica();
    assert.equal((await hosts(cookie, restarted)).status, 200);
    await restarted.close();
  });

  it("ends everywhere by logging out, and with a change of the operator's token", async () => {
    const cookie = await cookieOf(await logIn(api.opsToken));
    const other = await cookieOf(await logIn(api.opsToken));
    const answer = await api.call("/ops/api/session", { method: "DELETE", headers: { cookie } });
    assert.match(answer.headers.get("set-cookie") ?? "", /^getaredis_ops=; .*Max-Age=0/);
    await assertProblem(await hosts(cookie), 401, "token-missing");
    assert.equal((await hosts(other)).status, 200);
    const changed = await api.openReplica({ OPS_TOKEN: "another-token-of-the-operator" });
    await assertProblem(await hosts(other, changed), 401, "token-missing");
    await changed.close();
  });

  it("goes on with its cookie when MySQL does not answer the log-out, so that it can be tried again, and is unknown to the page meanwhile", async () => {
    const cookie = await cookieOf(await logIn(api.opsToken));
    api.service.faults.add({ fault: () => new Unavailable("mysql", new Error("down")) });
    const answer = await api.call("/ops/api/session", { method: "DELETE", headers: { cookie } });
    assert.equal(answer.headers.get("set-cookie"), null);
    await assertProblem(answer, 503, "unavailable");
    const page = await (await api.call("/ops", { headers: { cookie } })).text();
    assert.match(page, /data-session="unknown"/);
    assert.match(page, /MySQL does not answer/);
    assert.match(await (await api.call("/ops")).text(), /data-session="closed"/);
    api.service.faults.clear();
    assert.equal((await api.call("/ops/api/session", { method: "DELETE", headers: { cookie } })).status, 204);
  });

  it("changes nothing for a page of another site, another port or of none; programs with the token need no page", async () => {
    const cookie = await cookieOf(await logIn(api.opsToken));
    const { host } = new URL(api.origin);
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: `http://${host.split(":")[0] ?? ""}:1` },
    ]) {
      await assertProblem(await cordon({ cookie, ...headers }), 403, "cross-site");
      await assertProblem(await logIn(api.opsToken, headers), 403, "cross-site");
    }
    assert.equal((await cordon({ cookie, "sec-fetch-site": "same-origin", origin: api.origin })).status, 204);
    assert.equal((await cordon({ authorization: `Bearer ${api.opsToken}` })).status, 204);
    await assertProblem(await cordon({ cookie, authorization: "Bearer wrong" }), 403, "token-wrong");
  });

  it("leaves neither token nor cookie in the log", async () => {
    const cookie = await cookieOf(await logIn(api.opsToken));
    await hosts(cookie);
    assert.match(api.log(), /operator logged in/);
    for (const secret of [api.opsToken, cookie.split("=")[1] ?? "?"]) assert.ok(!api.log().includes(secret));
  });
});
