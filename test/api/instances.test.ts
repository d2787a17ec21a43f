import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { parseEnv } from "node:util";
import type { FastifyRequest } from "fastify";
import { ownInstance } from "../../apps/api/callers/own-instance.ts";
import { reap } from "../../apps/core/instances/reap.ts";
import { ProblemError } from "../../apps/lib/http/problem.ts";
import { containerName } from "../../apps/core/services/container.ts";
import { createTwinApi, type TwinApi, type TwinCall } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

interface Handout {
  id: string;
  host: string;
  port: number;
  username: string;
  password: string;
  url: string;
  createdAt: string;
  expiresAt: string;
  token: string;
}

const json = { "content-type": "application/json" };
const bearer = (secret: string) => `Bearer ${secret}`;
const basic = (user: string) => (secret: string) => `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;
const ttlOf = ({ createdAt, expiresAt }: Pick<Handout, "createdAt" | "expiresAt">) =>
  (Date.parse(expiresAt) - Date.parse(createdAt)) / 1000;

describe("instances", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({
      capacity: 80,
      env: { QUOTA_PER_ADDRESS: "80", LEASE_SECONDS: "3600", LEASE_MIN_SECONDS: "60", LEASE_MAX_SECONDS: "7200" },
    });
  });
  after(() => api.close());

  const call = (path: string, init?: TwinCall) => api.call(path, init);
  const post = (headers: Record<string, string> = {}, body?: object, query = "") =>
    call(`/instances${query}`, {
      method: "POST",
      headers: body ? { ...json, ...headers } : headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  const created = async (headers: Record<string, string> = {}, body?: object): Promise<Handout> => {
    const answer = await post(headers, body);
    assert.equal(answer.status, 201, await answer.clone().text());
    return (await answer.json()) as Handout;
  };
  const owned = (handout: Pick<Handout, "id" | "token">, method: string, body?: object) =>
    call(`/instances/${handout.id}`, {
      method,
      headers: { authorization: `Bearer ${handout.token}`, ...(body ? json : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  /** Whether the instance of a hand-out answers to its password. */
  const answers = ({ port }: Pick<Handout, "port">, password: string) =>
    api.service.probe(api.service.machine("host-a").address, port, password, AbortSignal.abort()).then(
      () => true,
      () => false,
    );
  const endDue = () => reap({ ...api.service, ...api.service.time }, { concurrency: 1, hostBudgetMs: 20_000 });

  describe("DELETE /instances/:id", () => {
    it("tells its owner that the end is on its way when the host does not answer", async () => {
      const handout = await created();
      const machine = api.service.machine("host-a");
      machine.silence = "unreachable";
      assert.equal((await owned(handout, "DELETE")).status, 202);
      assert.equal(((await (await owned(handout, "GET")).json()) as { state: string }).state, "ending");
      machine.silence = undefined;
      await endDue();
      assert.equal((await api.service.store.leases.find(handout.id))?.state, "ended");
      assert.equal((await post()).status, 201, "the host takes instances again");
    });
  });

  describe("POST /instances", () => {
    it("hands out an instance that answers to its password", async () => {
      const answer = await post();
      assert.equal(answer.status, 201);
      assert.equal(answer.headers.get("content-type"), "application/json; charset=utf-8");
      assert.equal(answer.headers.get("cache-control"), "no-store");
      const text = await answer.text();
      assert.ok(text.endsWith("}\n"), "it reads well in a terminal");
      const handout = JSON.parse(text) as Handout;
      assert.deepEqual(Object.keys(handout), [
        "id",
        "host",
        "port",
        "username",
        "password",
        "url",
        "engine",
        "version",
        "createdAt",
        "expiresAt",
        "token",
      ]);
      assert.equal(answer.headers.get("location"), `/instances/${handout.id}`);
      assert.match(handout.id, /^[0-9a-z]{16}$/);
      assert.match(handout.password, /^[0-9A-Za-z]{32}$/);
      assert.equal(handout.url, `redis://${handout.username}:${handout.password}@${handout.host}:${handout.port}`);
      assert.ok(await answers(handout, handout.password));
    });

    it("gives each caller a password and a token of their own", async () => {
      const handouts = await Promise.all([created(), created(), created()]);
      for (const field of ["id", "port", "password", "token"] as const)
        assert.equal(new Set(handouts.map((handout) => handout[field])).size, 3, field);
      const [one, other] = handouts;
      assert.deepEqual([await answers(one, one.password), await answers(one, other.password)], [true, false]);
      await assertProblem(await owned({ id: one.id, token: other.token }, "GET"), 403, "token-wrong");
    });

    it("lasts the usual time when none is asked for, and the time asked for otherwise", async () => {
      for (const [body, seconds] of [
        [undefined, 3600],
        [{}, 3600],
        [{ ttlSeconds: 60 }, 60],
        [{ ttlSeconds: 7200 }, 7200],
      ] as const) {
        const ttl = ttlOf(await created({}, body));
        assert.ok(ttl >= seconds && ttl < seconds + 5, `${ttl} s instead of ${seconds} s`);
      }
    });

    const formats: [what: string, headers: Record<string, string>, query: string, type: string, shape: RegExp][] = [
      [
        "the bare URL to Accept: text/plain",
        { accept: "text/plain" },
        "",
        "text/plain",
        /^redis:\/\/default:\w{32}@[\d.]+:\d+\n$/,
      ],
      ["the bare URL to ?format=url", {}, "?format=url", "text/plain", /^redis:\/\/default:\w{32}@[\d.]+:\d+\n$/],
      [
        "a line for a .env file to ?format=env",
        {},
        "?format=env",
        "text/plain",
        /^REDIS_URL=redis:\/\/default:\w{32}@[\d.]+:\d+\n# expires 20\S+Z\n# to end it: curl -u \S+ -X DELETE \S+\n$/,
      ],
      ["what ?format says, whatever Accept says", { accept: "text/html" }, "?format=json", "application/json", /^\{/],
      ["JSON to whom anything is right", { accept: "*/*" }, "", "application/json", /^\{/],
      ["what Accept prefers", { accept: "application/json;q=0.1, text/plain" }, "", "text/plain", /^redis:/],
    ];
    for (const [what, headers, query, type, shape] of formats) {
      it(`gives ${what}`, async () => {
        const answer = await post(headers, undefined, query);
        const text = await answer.text();
        assert.equal(answer.status, 201, text);
        assert.equal(answer.headers.get("content-type"), `${type}; charset=utf-8`);
        assert.equal(answer.headers.get("cache-control"), "no-store");
        assert.match(answer.headers.get("location") ?? "", /^\/instances\/\w{16}$/);
        assert.match(text, shape);
        assert.ok(Date.parse(answer.headers.get("sunset") ?? "") > api.service.clock().getTime(), "it says its end");
      });
    }

    it("gives a file of settings with the URL alone in it, and tells in comments how it ends", async () => {
      const file = await (await post({}, undefined, "?format=env")).text();
      const { REDIS_URL = "", ...others } = parseEnv(file);
      assert.deepEqual(others, {});
      const { password } = new URL(REDIS_URL);
      const [, secret, address = ""] = /^# to end it: curl -u default:(\S+) -X DELETE (\S+)$/m.exec(file) ?? [];
      assert.equal(secret, password);
      const state = (await (await call(address, { headers: { authorization: bearer(password) } })).json()) as Handout;
      assert.equal(/^# expires (\S+)$/m.exec(file)?.[1], state.expiresAt);
    });

    it("takes a form, as browsers without JavaScript send it", async () => {
      const handout = (await (
        await call("/instances", { method: "POST", body: new URLSearchParams({ ttlSeconds: "60" }) })
      ).json()) as Handout;
      assert.ok(Math.abs(ttlOf(handout) - 60) < 5);
      for (const body of [new URLSearchParams(), new URLSearchParams({ ttlSeconds: "" })])
        assert.equal((await call("/instances", { method: "POST", body })).status, 201);
    });
  });

  describe("Idempotency-Key", () => {
    it("gives the same instance to the same key and body, password and token included", async () => {
      const headers = { "idempotency-key": "a-key-used-twice" };
      const first = await post(headers, { ttlSeconds: 120 });
      const second = await post(headers, { ttlSeconds: 120 });
      assert.deepEqual([first.status, second.status], [201, 201]);
      assert.deepEqual(
        [first.headers.get("idempotent-replayed"), second.headers.get("idempotent-replayed")],
        [null, "true"],
      );
      assert.equal(second.headers.get("location"), first.headers.get("location"));
      assert.deepEqual(await second.json(), await first.json());
    });

    it("counts a hand-out once, and its retries apart", async () => {
      const counts = async () => {
        const text = await (await call("/metrics")).text();
        const of = (result: string) =>
          Number(new RegExp(`^getaredis_handouts_total\\{result="${result}"\\} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
        return { created: of("created"), replayed: of("replayed") };
      };
      const before = await counts();
      for (let tries = 0; tries < 3; tries++) await created({ "idempotency-key": "a-key-counted-once" });
      assert.deepEqual(await counts(), { created: before.created + 1, replayed: before.replayed + 2 });
    });

    it("gives one instance to ten requests that come at once", async () => {
      const handouts = await Promise.all(
        Array.from({ length: 10 }, () => created({ "idempotency-key": "a-key-sent-at-once" })),
      );
      assert.equal(new Set(handouts.map((handout) => JSON.stringify(handout))).size, 1);
      const [handout] = handouts;
      assert.ok(handout && (await answers(handout, handout.password)));
    });

    it("gives the same instance in another format", async () => {
      const headers = { "idempotency-key": "a-key-for-formats" };
      const { url } = await created(headers);
      assert.equal(await (await post({ ...headers, accept: "text/plain" })).text(), `${url}\n`);
    });

    it("refuses the same key with another body, and leaves the first instance alone", async () => {
      const headers = { "idempotency-key": "a-key-for-other-body" };
      const handout = await created(headers, { ttlSeconds: 120 });
      await assertProblem(await post(headers, { ttlSeconds: 121 }), 409, "idempotency-key-reused");
      await assertProblem(await post(headers), 409, "idempotency-key-reused");
      assert.equal((await owned(handout, "GET")).status, 200);
    });

    it("gives a new instance once the first has ended", async () => {
      const headers = { "idempotency-key": "a-key-after-the-end" };
      const first = await created(headers);
      assert.equal((await owned(first, "DELETE")).status, 204);
      assert.equal(api.service.tables.claims.has(first.id), false);
      const second = await created(headers);
      assert.notEqual(second.id, first.id);
      assert.ok(await answers(second, second.password));
    });

    it("refuses keys that others behind the same address may send too, and tells how to make one", async () => {
      for (const key of ["", "test", "x".repeat(15)]) {
        const detail = await assertProblem(await post({ "idempotency-key": key }), 400, "invalid-request");
        assert.match(detail, /^The header Idempotency-Key must have 16 characters at least\. .*uuidgen/);
      }
      assert.equal((await post({ "idempotency-key": crypto.randomUUID() })).status, 201);
    });

    it("refuses keys that are too long", async () => {
      await assertProblem(await post({ "idempotency-key": "x".repeat(256) }), 400, "invalid-request");
      assert.equal((await post({ "idempotency-key": "x".repeat(255) })).status, 201);
    });
  });

  describe("its owner", () => {
    it("reads the state, never the password", async () => {
      const handout = await created();
      const answer = await owned(handout, "GET");
      assert.equal(answer.headers.get("cache-control"), "no-store");
      const text = await answer.text();
      const { id, host, port, createdAt, expiresAt } = handout;
      assert.deepEqual(JSON.parse(text), {
        id,
        state: "running",
        host,
        port,
        username: "default",
        createdAt,
        expiresAt,
        transfer: { sentBytes: 0, limitBytes: 10_000_000_000, throttled: false },
        endedAt: null,
        endCause: null,
        engine: "redis",
        version: "7.0.15",
        lastRestart: null,
      });
      const at = new Date("2026-01-01T00:00:07.000Z");
      await api.service.store.leases.noteRestart(id, { at, cause: "out-of-memory" });
      const { lastRestart } = (await (await owned(handout, "GET")).json()) as { lastRestart: unknown };
      assert.deepEqual(lastRestart, { at: at.toISOString(), cause: "out-of-memory" });
      assert.ok(!text.includes(handout.password) && !text.includes(handout.token));
    });

    it("is told apart from everybody else on every call", async () => {
      const { id } = await created();
      for (const method of ["GET", "PATCH", "DELETE"]) {
        const body = method === "PATCH" ? { body: '{"ttlSeconds":60}' } : {};
        const headers = (authorization?: string) => ({
          ...(method === "PATCH" ? json : {}),
          ...(authorization === undefined ? {} : { authorization }),
        });
        for (const authorization of [undefined, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "token", "Bearer a b"]) {
          await assertProblem(
            await call(`/instances/${id}`, { method, headers: headers(authorization), ...body }),
            401,
            "token-missing",
          );
        }
        for (const token of ["x", "A".repeat(32), api.opsToken])
          await assertProblem(
            await call(`/instances/${id}`, { method, headers: headers(`Bearer ${token}`), ...body }),
            403,
            "token-wrong",
          );
        await assertProblem(
          await call("/instances/0000000000000000", { method, headers: headers("Bearer x"), ...body }),
          404,
          "not-found",
        );
        await assertProblem(
          await call("/instances/No-such-Form", { method, headers: headers("Bearer x"), ...body }),
          404,
          "not-found",
        );
      }
      assert.equal((await api.service.store.leases.find(id))?.state, "running");
    });

    it("is known by the Redis password as by the token, by HTTP basic as by a bearer", async () => {
      for (const secret of ["password", "token"] as const)
        for (const authorizationOf of [bearer, basic("default"), basic("")]) {
          const handout = await created();
          const authorization = authorizationOf(handout[secret]);
          const ask = (method: string, body?: object) =>
            call(`/instances/${handout.id}`, {
              method,
              headers: { authorization, ...(body ? json : {}) },
              ...(body ? { body: JSON.stringify(body) } : {}),
            });
          const state = await ask("GET");
          assert.equal(state.status, 200);
          assert.ok(!(await state.text()).includes(handout.password));
          assert.equal((await ask("PATCH", { ttlSeconds: 60 })).status, 200);
          assert.equal((await ask("DELETE")).status, 204);
        }
      assert.ok(!api.log().includes(basic("default")("x").slice(0, 12)), "credentials are not logged");
    });

    it("can name the instance by its address, which is all that its URL tells", async () => {
      const handout = await created();
      const { hostname, port, password } = new URL(handout.url);
      const authorization = basic("default")(password);
      const at = (address: string, method = "GET") =>
        call(`/instances/${address}`, { method, headers: { authorization } });
      assert.equal(((await (await at(`${hostname}:${port}`)).json()) as Handout).id, handout.id);
      const neighbour = await created();
      await assertProblem(await at(`${hostname}:${neighbour.port}`, "DELETE"), 403, "token-wrong");
      for (const address of [`${hostname}:1`, `192.0.2.99:${port}`, `[::1]:${port}`, `::1:${port}`])
        await assertProblem(await at(address), 404, "not-found");
      for (const address of [
        hostname,
        `${hostname}:`,
        `${hostname}:0`,
        `:${port}`,
        `a_b:${port}`,
        `${hostname}:123456`,
      ])
        assert.match(await assertProblem(await at(address), 404, "not-found"), /^That is not a valid instance id/);
      assert.equal((await at(`${hostname}:${port}`, "DELETE")).status, 204);
      await assertProblem(await at(`${hostname}:${port}`), 404, "not-found");
    });

    it("is not believed by HTTP basic in a request of another site's page: browsers send it by themselves", async () => {
      const handout = await created();
      const send = (headers: Record<string, string>) =>
        call(`/instances/${handout.id}/console`, {
          method: "POST",
          headers: { authorization: basic("default")(handout.password), ...headers },
          body: new URLSearchParams({ command: "FLUSHALL" }),
        });
      for (const site of [
        { "sec-fetch-site": "cross-site" },
        { origin: "http://elsewhere.example" },
        { origin: "null" },
      ])
        await assertProblem(await send(site), 403, "cross-site");
      // From our own page or a program it is, and here no instance answers.
      await assertProblem(await send({ "sec-fetch-site": "same-origin" }), 503, "instance-silent");
    });

    it("is told how to authenticate, and browsers nothing that makes them show a dialog", async () => {
      const { id } = await created();
      const challenge = async (headers: Record<string, string>) =>
        (await call(`/instances/${id}`, { headers })).headers.get("www-authenticate");
      assert.equal(await challenge({}), 'Bearer realm="instance", Basic realm="instance", charset="UTF-8"');
      for (const headers of [
        { "sec-fetch-site": "same-origin" },
        { origin: api.origin },
        { "user-agent": "Mozilla/5.0 (X11; Linux x86_64)" },
      ])
        assert.equal(await challenge(headers as Record<string, string>), 'Bearer realm="instance"');
      assert.equal((await call("/ops/api/hosts")).headers.get("www-authenticate"), 'Bearer realm="operator"');
    });

    it("takes the token alone for an instance that an earlier replica handed out", async () => {
      const handout = await created();
      const instance = (await api.service.store.leases.find(handout.id)) ?? assert.fail();
      const find = () => Promise.resolve({ ...instance, passwordHash: null });
      const own = (secret: string) =>
        ownInstance(
          { leases: { find, findAt: find } },
          { idAt: () => undefined },
          { headers: { authorization: bearer(secret) } } as FastifyRequest,
          handout.id,
        );
      await assert.rejects(own(handout.password), ProblemError);
      assert.equal((await own(handout.token)).instance.id, handout.id);
    });

    it("extends and shortens the lease, counted from now", async () => {
      const handout = await created();
      for (const ttlSeconds of [7000, 60]) {
        const before = api.service.clock().getTime();
        const answer = await owned(handout, "PATCH", { ttlSeconds });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers.get("cache-control"), "no-store");
        const { expiresAt } = (await answer.json()) as Handout;
        const ends = Date.parse(expiresAt);
        assert.ok(ends >= before + ttlSeconds * 1000 && ends <= api.service.clock().getTime() + ttlSeconds * 1000);
        assert.equal(((await (await owned(handout, "GET")).json()) as Handout).expiresAt, expiresAt, "it stays so");
      }
    });

    it("cannot go below the shortest nor beyond the longest lifetime, and is told the bounds", async () => {
      const handout = await created();
      for (const ttlSeconds of [59, 0, -1, 7201, 1e300]) {
        const detail = await assertProblem(await owned(handout, "PATCH", { ttlSeconds }), 400, "invalid-request");
        const [, least, most] = /from (\d+) to (\d+), counted from now/.exec(detail) ?? [];
        assert.equal(least, "60");
        assert.ok(Number(most) <= 7200 && Number(most) > 7180, most);
      }
      for (const body of [
        {},
        { ttlSeconds: "60" },
        { ttlSeconds: 60.5 },
        { ttlSeconds: null },
        { ttlSeconds: 60, more: 1 },
      ])
        await assertProblem(await owned(handout, "PATCH", body), 400, "invalid-request");
      assert.equal(
        ((await (await owned(handout, "GET")).json()) as Handout).expiresAt,
        handout.expiresAt,
        "nothing has changed",
      );
    });

    it("ends the instance: its container is gone when the answer comes", async () => {
      const handout = await created();
      const answer = await owned(handout, "DELETE");
      assert.deepEqual([answer.status, await answer.text()], [204, ""]);
      assert.equal(await answers(handout, handout.password), false);
      assert.equal(api.service.machine("host-a").containers.has(containerName(handout.id)), false);
      const { state, endCause } = (await (await owned(handout, "GET")).json()) as { state: string; endCause: string };
      assert.deepEqual([state, endCause], ["ended", "owner"]);
    });

    it("may end it again, also many times at once, and it stays ended", async () => {
      const handout = await created();
      const answers = await Promise.all(Array.from({ length: 5 }, () => owned(handout, "DELETE")));
      assert.deepEqual(
        answers.map(({ status }) => status),
        Array(5).fill(204),
      );
      assert.equal((await owned(handout, "DELETE")).status, 204);
    });

    it("cannot change an instance that has ended", async () => {
      const handout = await created();
      await owned(handout, "DELETE");
      await assertProblem(await owned(handout, "PATCH", { ttlSeconds: 60 }), 409, "instance-ended");
    });

    it("sees the end come when the time is over, and gets its place back", async () => {
      const handout = await created({ "idempotency-key": "a-key-that-expires" }, { ttlSeconds: 60 });
      api.service.time.pass(60_000);
      await api.seeHosts();
      await endDue();
      const last = (await (await owned(handout, "GET")).json()) as { state: string; endCause: string | null };
      assert.deepEqual([last.state, last.endCause], ["ended", "expired"]);
      assert.notEqual((await created({ "idempotency-key": "a-key-that-expires" })).id, handout.id);
    });
  });
});
