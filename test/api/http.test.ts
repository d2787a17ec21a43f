import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { createTwinApi, type TwinApi, type TwinCall } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

const json = { "content-type": "application/json" };

describe("HTTP", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({
      env: { QUOTA_PER_ADDRESS: "8", LEASE_MIN_SECONDS: "60", LEASE_MAX_SECONDS: "86400" },
    });
  });
  after(() => api.close());

  const call = (path: string, init?: TwinCall) => api.call(path, init);
  const post = (headers: Record<string, string>, body?: string) =>
    call("/instances", { method: "POST", headers, ...(body === undefined ? {} : { body }) });
  const takeStock = () => api.service.store.history.countHandouts(api.service.clock());

  it("takes JSON that is announced and not sent for no body: some clients always announce it", async () => {
    const answer = await post(json);
    assert.equal(answer.status, 201);
    const { id, token } = (await answer.json()) as { id: string; token: string };
    assert.equal(
      (await call(`/instances/${id}`, { method: "DELETE", headers: { ...json, authorization: `Bearer ${token}` } }))
        .status,
      204,
    );
  });

  describe("refusals", () => {
    // None of these may hand out anything.
    let startedEver: number;
    before(async () => ({ startedEver } = await takeStock()));
    after(async () => assert.equal((await takeStock()).startedEver, startedEver));

    it("answer unknown paths by 404", async () => {
      for (const path of [
        "/nothing",
        "/instances/0000000000000000/more",
        "/assets/nothing.js",
        "/assets/..%2fhome.eta",
        "/ops/api/nothing",
        "/%00",
        "/.env",
      ]) {
        await assertProblem(await call(path), 404, "not-found");
      }
    });

    it("answer wrong methods by 405 with the methods that are allowed", async () => {
      for (const [path, method, allow] of [
        ["/instances", "GET", "POST"],
        ["/instances", "PUT", "POST"],
        ["/instances", "OPTIONS", "POST"],
        ["/instances/0000000000000000", "POST", "DELETE, GET, HEAD, PATCH"],
        ["/stats", "POST", "GET, HEAD"],
        ["/healthz", "DELETE", "GET, HEAD"],
        ["/", "PUT", "GET, HEAD"],
        ["/ops/api/hosts", "DELETE", "GET, HEAD"],
      ] as const) {
        const answer = await call(path, { method });
        assert.equal(answer.headers.get("allow"), allow);
        const detail = await assertProblem(answer, 405, "method-not-allowed");
        assert.match(detail, new RegExp(`^${path.replace(/0{16}/, ":id")} does not take ${method}\\. It takes `));
      }
    });

    it("answer paths that cannot be decoded or are too long as problems, and the service lives on", async () => {
      for (const path of ["/instances/%zz", "/%", "/instances/%E0%A4%A"])
        await assertProblem(await call(path), 400, "unreadable-request");
      await assertProblem(await call(`/instances/${"a".repeat(300)}`), 414, "unreadable-request");
      assert.equal((await call("/healthz")).status, 200);
    });

    it("answer bodies that are no JSON by 400", async () => {
      for (const body of ["{", " ", '{"ttlSeconds":60', "ttlSeconds: 60", '{"ttlSeconds":60}}', "\u0000"])
        await assertProblem(await post(json, body), 400, "unreadable-request");
    });

    it("come as a comment to whom a line of settings is asked for", async () => {
      const answer = await call("/instances?format=env", { method: "POST", headers: json, body: '{"ttlSeconds":1}' });
      assert.equal(answer.status, 400);
      assert.match(await answer.text(), /^# .*ttlSeconds must be from.*\n$/);
    });

    it("answer bodies that would change prototypes by 400", async () => {
      for (const body of ['{"__proto__":{"ttlSeconds":60}}', '{"constructor":{"prototype":{}}}'])
        assert.equal((await post(json, body)).status, 400);
    });

    it("answer bodies of another shape by 400 and name what is wrong", async () => {
      for (const [body, detail] of [
        ["[]", /^The body must be a JSON object/],
        ["60", /^The body must be a JSON object/],
        ['"60"', /^The body must be a JSON object/],
        ['{"ttlSeconds":"60"}', /^ttlSeconds must be a whole number/],
        ['{"ttlSeconds":60.5}', /^ttlSeconds must be a whole number/],
        ['{"ttlSeconds":null}', /^ttlSeconds must be a whole number/],
        ['{"ttl":60}', /^The body has an unknown field "ttl"/],
        ['{"ttlSeconds":59}', /ttlSeconds must be from 60 to 86400/],
        ['{"ttlSeconds":86401}', /ttlSeconds must be from 60 to 86400/],
        ['{"ttlSeconds":-1e300}', /ttlSeconds must be from 60 to 86400/],
      ] as const) {
        assert.match(await assertProblem(await post(json, body), 400, "invalid-request"), detail);
      }
    });

    it("answer forms of another shape by 400, and say so when JSON was sent as a form", async () => {
      const form = { "content-type": "application/x-www-form-urlencoded" };
      assert.match(
        await assertProblem(await post(form, '{"ttlSeconds":60}'), 400, "invalid-request"),
        /Content-Type: application\/json/,
      );
      for (const body of [
        "ttlSeconds=soon",
        "ttlSeconds=-60",
        "ttlSeconds=60&ttlSeconds=61",
        "ttlSeconds=6e1",
        "ttl=60",
        "__proto__=1",
        "ttlSeconds[]=60",
      ])
        await assertProblem(await post(form, body), 400, "invalid-request");
    });

    it("answer bodies of unknown types by 415", async () => {
      for (const type of [
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "text/plain",
        "image/png",
      ])
        await assertProblem(await post({ "content-type": type }, "60"), 415, "unreadable-request");
    });

    it("answer bodies of more than 16 KiB by 413", async () => {
      await assertProblem(await post(json, JSON.stringify({ more: "x".repeat(17_000) })), 413, "unreadable-request");
    });

    it("answer formats that there are not by 406, or by 400 for an unknown ?format", async () => {
      for (const accept of ["image/png", "application/xml", "application/problem+xml"]) {
        const answer = await post({ accept });
        await assertProblem(answer, 406, "not-acceptable");
      }
      assert.match(
        await assertProblem(await call("/instances?format=html", { method: "POST" }), 400, "invalid-request"),
        /^format must be one of json, url, env/,
      );
    });

    it("answer calls that browsers send for another site by 403", async () => {
      // Another port of ours is another site: on localhost it may be anybody's program.
      for (const site of [
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
        { "sec-fetch-site": "same-site", origin: "http://127.0.0.1:3000" },
        { "sec-fetch-site": "same-site", origin: api.origin },
      ]) {
        await assertProblem(
          await call("/instances", { method: "POST", headers: site, body: new URLSearchParams() }),
          403,
          "cross-site",
        );
        await assertProblem(await call("/instances", { method: "POST", headers: site }), 403, "cross-site");
        await assertProblem(await post({ ...site, ...json }, "{}"), 403, "cross-site");
      }
    });

    it("answer calls for a name that is not the service's by 421: it may be another site's that leads here", async () => {
      for (const path of ["/", "/stats", "/nothing", "/ops"])
        await assertProblem(await call(path, { headers: { host: "rebound.example:8080" } }), 421, "other-host");
      const rebound = { host: "rebound.example:8080", "sec-fetch-site": "same-origin" };
      const detail = await assertProblem(await post(rebound), 421, "other-host");
      assert.match(detail, /"rebound\.example".*ALLOWED_HOSTS/);
    });

    it("answer calls for another site by 403 also where browsers tell no more than their page's origin, as over plain http", async () => {
      for (const origin of ["http://elsewhere.example", "https://127.0.0.1", "null"]) {
        await assertProblem(
          await call("/instances", { method: "POST", headers: { origin }, body: new URLSearchParams() }),
          403,
          "cross-site",
        );
      }
      // Refused for its lifetime, not for where it comes from.
      await assertProblem(await post({ origin: api.origin, ...json }, '{"ttlSeconds":1}'), 400, "invalid-request");
    });

    it("write few lines for a flood of the same, and count the others; another kind is told all the same", async () => {
      const replica = await api.openReplica({ REFUSALS_LOGGED_PER_MINUTE: "3" });
      for (let count = 0; count < 200; count++) await replica.call(`/nothing/${count}`);
      await replica.call("/instances", { method: "POST", headers: json, body: "{" });
      await replica.call("/stats");
      await replica.close();
      const lines = replica
        .log()
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      const requests = lines.filter(({ msg }) => msg === "request").map(({ status, refusal }) => [status, refusal]);
      assert.deepEqual(requests, [
        [404, "not-found"],
        [404, "not-found"],
        [404, "not-found"],
        [400, "unreadable-request"],
        [200, undefined],
      ]);
      assert.deepEqual(
        lines.filter(({ msg }) => msg === "log lines left out").map(({ kind, suppressed }) => [kind, suppressed]),
        [["404 GET unknown path not-found", 197]],
      );
    });

    it("cost no question to MySQL, also as the page", async () => {
      let asked = 0;
      api.service.before.set("history.countHandouts", () => asked++);
      try {
        await (await call("/nothing", { headers: { accept: "text/html" } })).text();
        assert.equal(asked, 0);
        await (await call("/", { headers: { accept: "text/html" } })).text();
        assert.equal(asked, 1, "the page itself has the counts");
      } finally {
        api.service.before.clear();
      }
    });

    it("come as a line of text to whom text is asked for, and as the page to browsers", async () => {
      const text = await post({ accept: "text/plain", ...json }, '{"ttlSeconds":1}');
      assert.equal(text.status, 400);
      assert.equal(text.headers.get("content-type"), "text/plain; charset=utf-8");
      assert.equal(await text.text(), "Invalid request. ttlSeconds must be from 60 to 86400.\n");
      const page = await call("/nothing", { headers: { accept: "text/html" } });
      assert.equal(page.status, 404);
      assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
      assert.match(await page.text(), /Not found/);
    });

    it("show what the caller sent as text, not as part of the page", async () => {
      const page = await (await call("/<script>alert(1)</script>", { headers: { accept: "text/html" } })).text();
      assert.doesNotMatch(page, /<script>alert/);
      const named = await (await post({ accept: "text/html", ...json }, '{"<img src=x>":1}')).text();
      assert.doesNotMatch(named, /<img src=x>/);
    });

    it("are never kept by caches", async () => {
      for (const answer of [
        await call("/nothing"),
        await post(json, "{"),
        await call("/instances"),
        await call("/instances/0000000000000000"),
      ])
        assert.equal(answer.headers.get("cache-control"), "no-store");
    });
  });

  describe("security headers", () => {
    for (const [what, path, init] of [
      ["the page", "/", {}],
      ["an asset", "the page's script", {}],
      ["an instance", "/instances", { method: "POST" }],
      ["JSON", "/stats", {}],
      ["a refusal", "/nothing", {}],
      ["a refused body", "/instances", { method: "POST", headers: json, body: "{" }],
    ] as [string, string, RequestInit][]) {
      it(`are on ${what}`, async () => {
        const script = /\/assets\/[^"]+\/home\.js/.exec(await (await call("/")).text())?.[0] ?? "";
        const answer = await call(path === "the page's script" ? script : path, init);
        if (init.method === undefined) assert.equal(answer.status, path === "/nothing" ? 404 : 200);
        const { headers } = answer;
        const csp = headers.get("content-security-policy") ?? "";
        assert.match(csp, /default-src 'none'/);
        assert.match(csp, /frame-ancestors 'none'/);
        assert.doesNotMatch(csp, /unsafe|\*|https?:/);
        assert.equal(headers.get("x-content-type-options"), "nosniff");
        // Without any, browsers would hide the origin of our own page's form, too.
        assert.equal(headers.get("referrer-policy"), "same-origin");
        assert.ok(!headers.has("x-powered-by") && !headers.has("server"));
        assert.equal(headers.get("access-control-allow-origin"), null);
      });
    }
  });

  describe("GET /stats", () => {
    it("tells what runs, what was handed out ever, and the limits", async () => {
      const before = (await (await call("/stats")).json()) as {
        running: number;
        startedEver: number;
        limits: Record<string, number>;
      };
      assert.deepEqual(before.limits, {
        ttlSeconds: 43_200,
        minTtlSeconds: 60,
        maxTtlSeconds: 86_400,
        perAddress: 8,
        memoryMb: 25,
        maxClients: 50,
      });
      const { id, token } = (await (await post({})).json()) as { id: string; token: string };
      const during = (await (await call("/stats")).json()) as typeof before;
      assert.deepEqual([during.running, during.startedEver], [before.running + 1, before.startedEver + 1]);
      await call(`/instances/${id}`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
      const later = (await (await call("/stats")).json()) as typeof before;
      assert.deepEqual([later.running, later.startedEver], [before.running, before.startedEver + 1]);
    });

    it("answers HEAD without a body", async () => {
      const answer = await call("/stats", { method: "HEAD" });
      assert.deepEqual([answer.status, await answer.text()], [200, ""]);
    });
  });

  describe("for machines", () => {
    it("/healthz is fine as long as the process is", async () => {
      assert.deepEqual(await (await call("/healthz")).json(), { ok: true });
    });

    it("/readyz names each dependency", async () => {
      const answer = await call("/readyz");
      assert.equal(answer.headers.get("cache-control"), "no-store");
      assert.deepEqual(await answer.json(), { ready: true, checks: { mysql: "ok", redis: "ok", hosts: "ok" } });
    });

    it("/readyz asks the dependencies once for all who ask within a second, and again after it", async () => {
      const { faults, time } = api.service;
      time.pass(1_000);
      await api.seeHosts();
      let pings = 0;
      api.service.before.set("ping", () => pings++);
      try {
        const answers = await Promise.all(Array.from({ length: 50 }, () => call("/readyz")));
        assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
        assert.equal(pings, 2, "of MySQL and of Redis");
        faults.add({ fault: () => new Unavailable("mysql", new Error("down")) });
        assert.equal((await call("/readyz")).status, 200, "as it was within the second");
        time.pass(1_000);
        assert.equal((await call("/readyz")).status, 503);
        faults.clear();
        time.pass(100);
        assert.equal((await call("/readyz")).status, 200, "that it is well again is told sooner");
      } finally {
        faults.clear();
        api.service.before.clear();
      }
    });

    it("/metrics speaks Prometheus and counts what happened", async () => {
      const { runs } = api.service.store;
      await runs.begin("reap", api.service.clock());
      await runs.finish("reap", api.service.clock(), undefined);
      assert.equal((await post({})).status, 201);
      await post(json, '{"ttlSeconds":1}');
      const answer = await call("/metrics");
      assert.match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
      const text = await answer.text();
      for (const line of text.split("\n").filter(Boolean))
        assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? -?[\d.e+-]+|\w+(\{[^}]*\})? (NaN|[+-]Inf))$/);
      assert.match(text, /^getaredis_handouts_total\{result="created"\} [1-9]/m);
      assert.match(text, /^getaredis_handouts_total\{result="lease-out-of-bounds"\} [1-9]/m);
      assert.match(text, /^getaredis_handout_duration_seconds_count [1-9]/m);
      assert.match(text, /^getaredis_hosts\{standing="open"\} 1$/m);
      assert.match(text, /^getaredis_slots\{kind="all"\} 8$/m);
      assert.match(text, /^getaredis_instances_running [1-9]/m);
      assert.match(text, /^getaredis_engine_info\{engine="redis",version="7\.0\.15"\} 1$/m);
      assert.match(text, /^getaredis_job_last_success_timestamp_seconds\{job_name="reap"\} [1-9]/m);
    });

    it("/metrics tells how many instances look misused, by rule, for as long as they go on", async () => {
      const read = async () =>
        [...(await (await call("/metrics")).text()).matchAll(/^getaredis_instances_misused.*$/gm)].map(String);
      const { id } = (await (await post({})).json()) as { id: string };
      assert.deepEqual(await read(), []);
      await api.service.store.misuse.keep(id, { rule: "logins", value: 9, bound: 5 }, api.service.clock(), 180_000);
      assert.deepEqual(await read(), ['getaredis_instances_misused{rule="logins"} 1']);
      api.service.time.pass(200_000);
      assert.deepEqual(await read(), []);
    });

    it("/metrics is for programs on this machine, also when a proxy here says that it forwards", async () => {
      for (const init of [
        { remoteAddress: "192.0.2.9" },
        { remoteAddress: "10.0.0.9" },
        { remoteAddress: "192.0.2.9", headers: { "x-forwarded-for": "127.0.0.1" } },
        { headers: { "x-forwarded-for": "192.0.2.9" } },
        { headers: { forwarded: "for=192.0.2.9" } },
      ])
        await assertProblem(await call("/metrics", init), 403, "metrics-closed");
      for (const remoteAddress of ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
        assert.equal((await call("/metrics", { remoteAddress })).status, 200);
    });

    it("/metrics is for whoever sends METRICS_TOKEN, where that is set", async () => {
      const METRICS_TOKEN = "token-of-the-scraper";
      const replica = await api.openReplica({ METRICS_TOKEN });
      try {
        const ask = (authorization?: string) =>
          replica.call("/metrics", {
            remoteAddress: "192.0.2.9",
            ...(authorization && { headers: { authorization } }),
          });
        assert.equal((await ask(`Bearer ${METRICS_TOKEN}`)).status, 200);
        await assertProblem(await ask(), 401, "token-missing");
        await assertProblem(await ask(`Bearer ${api.opsToken}`), 403, "token-wrong");
        await assertProblem(await replica.call("/metrics"), 401, "token-missing");
      } finally {
        await replica.close();
      }
    });

    it("/docs is whole without JavaScript, and leads to parts of its own and to pages that exist", async () => {
      const page = await (await call("/docs")).text();
      assert.match(page, /<title>API reference · Get a Redis</);
      assert.doesNotMatch(page, /<script/);
      const places = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
      for (const [, url = ""] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
        if (url.startsWith("#")) assert.ok(places.has(url.slice(1)), url);
        else assert.equal((await call(url)).status, 200, url);
      }
    });

    it("/docs/try loads nothing but this site's own files, and they are there", async () => {
      const page = await (await call("/docs/try")).text();
      for (const [, url = ""] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
        assert.match(url, /^\/docs\/try\//);
        assert.equal((await call(url)).status, 200, url);
      }
    });

    it("/docs/json suggests no Idempotency-Key: whoever took it would get the instance of the next one who does", async () => {
      const { paths } = (await (await call("/docs/json")).json()) as {
        paths: Record<string, { post?: { parameters?: { name: string; example?: unknown; examples?: unknown }[] } }>;
      };
      const key = paths["/instances"]?.post?.parameters?.find(({ name }) => name === "idempotency-key");
      assert.ok(key);
      assert.deepEqual([key.example, key.examples], [undefined, undefined]);
    });

    it("/docs/yaml tells the same as /docs/json", async () => {
      const answer = await call("/docs/yaml");
      assert.match(answer.headers.get("content-type") ?? "", /^application\/yaml/);
      const text = await answer.text();
      const names = [...(await (await call("/docs/json")).text()).matchAll(/"operationId": ?"(\w+)"/g)].map(
        ([, id]) => id,
      );
      assert.ok(names.length > 30, `${names.length} calls`);
      for (const name of names) assert.match(text, new RegExp(`operationId: ${name}\\b`));
    });

    it("pages take any query: sites that link to one add parameters of their own", async () => {
      for (const path of ["/?utm_source=news", "/ops?fbclid=1", "/docs?ref=list"])
        assert.equal((await call(path)).status, 200, path);
    });

    it("calls take an empty body where they need none", async () => {
      const authorization = `Bearer ${api.opsToken}`;
      const headers = { ...json, authorization };
      assert.equal((await call("/ops/api/session", { method: "DELETE", headers, body: "{}" })).status, 204);
    });
  });
});
