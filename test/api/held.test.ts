import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";

/** What a browser sends with the forms of our own page. */
const browser = { accept: "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-site": "same-origin" };

describe("the page of an instance, without JavaScript", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({
      capacity: 40,
      env: { QUOTA_PER_ADDRESS: "40", LEASE_SECONDS: "3600", LEASE_MAX_SECONDS: "7200" },
    });
  });
  after(() => api.close());

  const post = (path: string, headers: Record<string, string> = {}) =>
    api.call(path, { method: "POST", body: new URLSearchParams(), headers: { ...browser, ...headers } });
  const cookieOf = (answer: Response) => answer.headers.get("set-cookie") ?? assert.fail("no cookie");
  /** Gets an instance by the form, as a browser that keeps the cookie. */
  const get = async () => {
    const answer = await post("/instances");
    const path = answer.headers.get("location") ?? assert.fail("leads nowhere");
    const cookie = cookieOf(answer).split(";", 1)[0] ?? "";
    const [, token = "", password = ""] = /=(.+)\.(.+)$/.exec(cookie) ?? [];
    const visit = (headers = {}) => api.call(path, { headers: { ...browser, cookie, ...headers } });
    const send = (act: string, headers = {}) => post(`${path}/${act}`, { cookie, ...headers });
    return { answer, path, id: path.slice("/held/".length), cookie, token, password, visit, send };
  };
  const pageOf = async (answer: Response) => {
    assert.equal(answer.headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(answer.headers.get("cache-control"), "no-store");
    return answer.text();
  };
  const running = async () => ((await (await api.call("/stats")).json()) as { running: number }).running;

  it("is where the form leads, with the secrets in a cookie for that page alone", async () => {
    const { answer, path, id, token, password, visit } = await get();
    assert.equal(answer.status, 303);
    assert.equal(await answer.text(), "");
    assert.match(
      cookieOf(answer),
      new RegExp(`^getaredis_held=[\\w-]{32}\\.\\w{32}; Max-Age=7200; Path=${path}; HttpOnly; SameSite=Strict$`),
    );
    const page = await pageOf(await visit());
    assert.match(page, new RegExp(`redis://default:${password}@`));
    assert.match(page, new RegExp(`REDIS_URL=[^]*${password}[^]*-X DELETE[^]*${password}[^]*/instances/[^]*${id}`));
    assert.match(page, /Your Redis is ready/);
    const state = await api.call(`/instances/${id}`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(state.status, 200, "the token is that of the instance");
    assert.doesNotMatch(api.log(), new RegExp(`${token}|${password}`));
  });

  it("gets no second instance when it is loaded again", async () => {
    const { visit } = await get();
    const before = await running();
    assert.equal(await pageOf(await visit()), await pageOf(await visit()));
    assert.equal(await running(), before);
  });

  it("extends the lease as far as it goes, and then offers no more", async () => {
    const { id, visit, send } = await get();
    const end = async () => (await api.service.store.leases.find(id))?.expiresAt?.getTime() ?? 0;
    const first = await end();
    assert.match(await pageOf(await visit()), new RegExp(`action="/held/${id}/extend#answer"`));
    const answer = await send("extend");
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.get("location"), `/held/${id}`);
    assert.match(cookieOf(answer), /Max-Age=10\d{3};/, "kept for as long as the lease is now");
    assert.ok((await end()) > first + 3_590_000);
    assert.doesNotMatch(await pageOf(await visit()), /\/extend#answer/);
    const longest = await end();
    assert.equal((await send("extend")).status, 303, "a button of an older page does no harm");
    assert.equal(await end(), longest);
  });

  it("ends the instance, and says so from then on without the password", async () => {
    const { id, password, visit, send } = await get();
    assert.match(await pageOf(await visit()), new RegExp(`action="/held/${id}/end#answer"`));
    for (const round of ["the first time", "again"]) {
      const answer = await send("end");
      assert.deepEqual([answer.status, answer.headers.get("location")], [303, `/held/${id}`], round);
      const page = await pageOf(await visit());
      assert.match(page, /Your Redis has ended[^]*its password no longer works/);
      assert.ok(!page.includes(password));
      assert.doesNotMatch(page, /data-instance|\/end#answer/);
    }
    assert.equal((await api.service.store.leases.find(id))?.endCause, "owner");
  });

  it("is nobody else's, and no other site's form works there", async () => {
    const { path, id, cookie, token, password, visit, send } = await get();
    const other = await get();
    for (const stranger of ["", other.cookie, cookie.replace(token, "x".repeat(32)), "getaredis_held=x", `a=${cookie}`])
      for (const answer of [
        await visit({ cookie: stranger }),
        await send("extend", { cookie: stranger }),
        await send("end", { cookie: stranger }),
      ]) {
        assert.equal(answer.status, 404);
        const page = await pageOf(answer);
        assert.ok(!page.includes(password) && /This browser does not hold this Redis/.test(page));
      }
    for (const act of ["extend", "end"])
      assert.equal((await send(act, { "sec-fetch-site": "cross-site" })).status, 403);
    assert.equal((await api.call(`${path}/end`, { headers: { ...browser, cookie } })).status, 405);
    assert.equal((await api.call("/held/x", { headers: { ...browser, cookie } })).status, 404);
    assert.equal((await api.service.store.leases.find(id))?.state, "running");
    const asApi = await api.call(`/instances/${id}`, { method: "DELETE", headers: { cookie } });
    assert.equal(asApi.status, 401, "the cookie opens nothing of the API");
  });

  it("tells what runs in it only where that is known, and its state while it is ending", async () => {
    const { id, visit } = await get();
    assert.match(await pageOf(await visit()), /It runs Redis 7\.\d+\.\d+\./);
    const { store, clock } = api.service;
    await store.leases.beginEnd(id, "operator", clock());
    assert.match(await pageOf(await visit()), /Your Redis is ending[^]*Its container is being removed/);
  });
});

describe("pages where there is nothing", () => {
  it("lead home and to the reference, and load no script", async () => {
    const api = await createTwinApi();
    try {
      for (const path of ["/nothing", "/held/0000000000000000"]) {
        const answer = await api.call(path, { headers: { accept: "text/html" } });
        assert.equal(answer.status, 404);
        const page = await answer.text();
        assert.match(page, /<a href="\/">Get a Redis<\/a>[^]*<a href="\/docs">/);
        assert.doesNotMatch(page, /<script/);
      }
    } finally {
      await api.close();
    }
  });
});
