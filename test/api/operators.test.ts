import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

type Row = {
  name: string;
  role: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
  createdBy: string | null;
};

describe("named operators", () => {
  let api: TwinApi;
  let origin: string;
  before(async () => {
    api = await createTwinApi();
    origin = await api.listen();
  });
  after(() => api.close());
  afterEach(async () => {
    const { operators, events } = api.service.tables;
    operators.clear();
    events.splice(0);
    for (const { id } of (await (await call("/instances")).json()) as { id: string }[])
      await call(`/instances/${id}`, { method: "DELETE" });
    await call("/hosts/host-a", { method: "PATCH", body: { state: "active" } });
    events.splice(0);
    await api.seeHosts();
  });

  const call = (
    path: string,
    {
      method = "GET",
      body,
      token,
      cookie,
      from = api,
    }: {
      method?: string;
      body?: object;
      token?: string;
      cookie?: string;
      from?: Pick<TwinApi, "call">;
    } = {},
  ) =>
    from.call(`/ops/api${path}`, {
      method,
      headers: {
        ...(cookie !== undefined ? { cookie } : { authorization: `Bearer ${token ?? api.opsToken}` }),
        ...(body && { "content-type": "application/json" }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  const create = async (name: string, role: string, expiresAt?: string | null) => {
    const answer = await call("/operators", {
      method: "POST",
      body: { name, role, ...(expiresAt !== undefined && { expiresAt }) },
    });
    assert.equal(answer.status, 201, await answer.clone().text());
    return ((await answer.json()) as { token: string }).token;
  };
  const logIn = async (token: string, from: Pick<TwinApi, "call"> = api) => {
    const answer = await from.call("/ops/api/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
    });
    assert.equal(answer.status, 200, await answer.clone().text());
    return answer.headers.get("set-cookie")?.split(";")[0] ?? assert.fail("a cookie");
  };
  const rows = async () => (await (await call("/operators")).json()) as Row[];
  const soon = (seconds: number) => new Date(api.service.clock().getTime() + seconds * 1000).toISOString();
  const handOut = async () => {
    const answer = await api.call("/instances", { method: "POST" });
    return (await answer.json()) as Handout;
  };

  it("are created by an admin, with a token of 190 random bits that is shown once, and of which only a hash is kept", async () => {
    const answer = await call("/operators", { method: "POST", body: { name: "alice", role: "operator" } });
    assert.deepEqual(
      [answer.status, answer.headers.get("location"), answer.headers.get("cache-control")],
      [201, "/ops/api/operators/alice", "no-store"],
    );
    const { token, ...rest } = (await answer.json()) as { token: string };
    assert.deepEqual(rest, { name: "alice", role: "operator", expiresAt: null });
    assert.match(token, /^gar_op_[0-9A-Za-z]{32}$/);
    const list = await (await call("/operators")).text();
    for (const place of [list, api.log(), JSON.stringify([...api.service.tables.operators.values()])])
      assert.ok(!place.includes(token));
    assert.deepEqual(
      (JSON.parse(list) as Row[]).map(({ name, role, createdBy, lastUsedAt }) => [name, role, createdBy, lastUsedAt]),
      [
        ["admin", "admin", null, null],
        ["alice", "operator", "admin", null],
      ],
    );
    assert.notEqual(await create("bob", "viewer"), token);
    for (const name of ["alice", "admin"])
      await assertProblem(
        await call("/operators", { method: "POST", body: { name, role: "viewer" } }),
        409,
        "operator-exists",
      );
    for (const body of [
      { name: "Alice", role: "viewer" },
      { name: "carol", role: "root" },
      { name: "carol" },
      { name: "carol", role: "viewer", expiresAt: "2020-01-01T00:00:00Z" },
      { name: "carol", role: "viewer", expiresAt: "2030-12-31T23:59:60Z" },
      { name: "carol", role: "viewer", expiresAt: "9999-12-31T23:59:59-12:00" },
      { name: "carol", role: "viewer", expiresAt: "tomorrow" },
      { name: "carol", role: "viewer", token: "of my own" },
    ])
      await assertProblem(await call("/operators", { method: "POST", body }), 400, "invalid-request");
  });

  it("do what their role may, and are told which role an act needs", async () => {
    const { id } = await handOut();
    const tokens = {
      viewer: await create("vera", "viewer"),
      operator: await create("otto", "operator"),
      admin: await create("anna", "admin"),
    };
    const reads = [
      "/hosts",
      "/droplets",
      "/events",
      "/instances",
      `/instances/${id}`,
      "/jobs",
      "/switches",
      "/figures",
    ];
    for (const token of Object.values(tokens))
      for (const path of reads) assert.equal((await call(path, { token })).status, 200, path);
    const acts = [
      ["/hosts/host-a", "PATCH", { state: "active" }, 204],
      ["/hosts/host-a", "DELETE", undefined, 409],
      [`/instances/${id}`, "PATCH", { ttlSeconds: 600 }, 200],
      ["/switches/handouts", "PATCH", { paused: false }, 204],
      ["/jobs/reap/run", "POST", undefined, 404],
      ["/blocks", "GET", undefined, 200],
      ["/blocks/preview?address=192.0.2.1", "GET", undefined, 200],
      ["/blocks", "POST", { address: "192.0.2.1" }, 201],
      ["/blocks?address=192.0.2.1", "DELETE", undefined, 204],
      ["/instances?order=address", "GET", undefined, 200],
      [`/instances/${id}`, "DELETE", undefined, 204],
    ] as const;
    for (const [path, method, body, status] of acts) {
      const options = { method, ...(body && { body }) };
      const detail = await assertProblem(await call(path, { ...options, token: tokens.viewer }), 403, "role-needed", [
        "role",
        "needed",
      ]);
      assert.equal(detail, "This call needs the role operator, and vera is viewer. Ask an admin to change that.");
      assert.equal((await call(path, { ...options, token: tokens.operator })).status, status, path);
    }
    for (const [path, method, body] of [
      ["/operators", "GET", undefined],
      ["/operators", "POST", { name: "mallory", role: "admin" }],
      ["/operators/otto", "PATCH", { role: "admin" }],
      ["/operators/anna", "DELETE", undefined],
    ] as const)
      await assertProblem(
        await call(path, { method, ...(body && { body }), token: tokens.operator }),
        403,
        "role-needed",
        ["role", "needed"],
      );
    assert.equal((await call("/operators", { token: tokens.admin })).status, 200);
    assert.deepEqual(
      (await rows()).map(({ name }) => name),
      ["admin", "anna", "otto", "vera"],
    );
  });

  it("show a viewer no address of a visitor, in no list and by no guess, live events included", async () => {
    const token = await create("vera", "viewer");
    const { id } = await handOut();
    await call("/blocks", { method: "POST", body: { address: "127.0.0.0/8", reason: "spam", endInstances: true } });
    await call("/blocks?address=127.0.0.0/8", { method: "DELETE" });
    for (const path of ["/instances?state=all", `/instances/${id}`, "/events", `/events?instance=${id}`]) {
      const text = await (await call(path, { token })).text();
      assert.ok(text.includes(id) || path === "/events");
      assert.doesNotMatch(text, /127\.0/, path);
    }
    assert.deepEqual(await (await call("/instances?state=all&text=127.0.0.1", { token })).json(), []);
    assert.equal((await call("/instances?state=all&text=127.0.0.1", { token })).headers.get("total-count"), "0");
    assert.match(await (await call("/events")).text(), /127\.0\.0\.0\/8: spam/, "operators see it");

    for (const [who, sees] of [
      [token, false],
      [api.opsToken, true],
    ] as const) {
      const hangUp = new AbortController();
      const answer = await fetch(`${origin}/ops/api/stream`, {
        headers: { authorization: `Bearer ${who}` },
        signal: hangUp.signal,
      });
      let told = "";
      for await (const chunk of answer.body ?? []) {
        told += Buffer.from(chunk).toString();
        if (told.includes("event: alarms")) break;
      }
      hangUp.abort();
      assert.ok(told.includes("event: events"));
      assert.equal(told.includes("127.0.0.0/8"), sees);
    }
  });

  it("stand in each event of theirs, and in the log", async () => {
    const [otto, bob] = [await create("otto", "operator"), await create("bob", "operator")];
    const { id, token: owner } = await handOut();
    await call("/switches/handouts", { method: "PATCH", body: { paused: true }, token: otto });
    await call("/switches/handouts", { method: "PATCH", body: { paused: false }, token: bob });
    await call(`/instances/${id}`, { method: "PATCH", body: { ttlSeconds: 700 }, token: bob });
    for (const ttlSeconds of [800, 900])
      await api.call(`/instances/${id}`, {
        method: "PATCH",
        headers: { authorization: `Bearer ${owner}`, "content-type": "application/json" },
        body: JSON.stringify({ ttlSeconds }),
      });
    const cookie = await logIn(otto);
    await call("/hosts/host-a", { method: "PATCH", body: { state: "cordoned" }, cookie });
    await call("/operators/bob", { method: "PATCH", body: { role: "viewer" } });
    await call("/operators/bob", { method: "DELETE" });
    const events = (await (await call("/events")).json()) as { actor: string; by: string | null; kind: string }[];
    assert.deepEqual(
      events.map(({ actor, by, kind }) => [actor, by, kind]),
      [
        ["operator", "admin", "revoke-operator"],
        ["operator", "admin", "change-operator"],
        ["operator", "otto", "cordon"],
        ["operator", "bob", "extend"],
        ["operator", "bob", "resume"],
        ["operator", "otto", "pause"],
        ["operator", "admin", "add-operator"],
        ["operator", "admin", "add-operator"],
      ],
    );
    const life = (await (await call(`/events?instance=${id}`)).json()) as {
      actor: string;
      by: string | null;
      times: number;
      data: { to: string };
    }[];
    const { expiresAt } = (await (await call(`/instances/${id}`)).json()) as { expiresAt: string };
    assert.deepEqual(
      life.map(({ actor, by, times }) => [actor, by, times]),
      [
        ["owner", null, 2],
        ["operator", "bob", 1],
      ],
      "an owner's changes are one line in the instance's life, however many they are",
    );
    assert.equal(life[0]?.data.to, expiresAt);
    assert.match(api.log(), /"by":"otto".*"state":"cordoned"/);
  });

  it("are told that their token has expired; it works again with a new expiry", async () => {
    const token = await create("alice", "operator", soon(60));
    assert.equal((await call("/hosts", { token })).status, 200);
    api.service.time.pass(60_000);
    for (const path of ["/hosts", "/operators"])
      assert.match(
        await assertProblem(await call(path, { token }), 401, "token-expired"),
        /^The token of alice expired/,
      );
    const answer = await api.call("/ops/api/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
    });
    assert.equal(answer.headers.get("set-cookie"), null);
    await assertProblem(answer, 401, "token-expired");
    assert.equal((await call("/operators/alice", { method: "PATCH", body: { expiresAt: soon(60) } })).status, 200);
    assert.equal((await call("/hosts", { token })).status, 200);
    await assertProblem(
      await call("/operators/alice", { method: "PATCH", body: { expiresAt: "2020-01-01T00:00:00Z" } }),
      400,
      "invalid-request",
    );
    await assertProblem(await call("/operators/alice", { method: "PATCH", body: {} }), 400, "invalid-request");
  });

  it("have sessions that end on every replica with the next request: by revocation, expiry or another role", async () => {
    const replica = await api.openReplica();
    const isOpen = async (cookie: string) => (await call("/hosts", { cookie, from: replica })).status === 200;
    const token = await create("alice", "operator");
    const ends = [
      () => call("/operators/alice", { method: "PATCH", body: { role: "viewer" } }),
      () => call("/operators/alice", { method: "PATCH", body: { role: "admin" } }),
      async () => {
        await call("/operators/alice", { method: "PATCH", body: { expiresAt: soon(30) } });
        assert.ok(await isOpen(cookie), "it has not expired yet");
        api.service.time.pass(30_000);
      },
    ];
    let cookie = "";
    for (const end of ends) {
      cookie = await logIn(token);
      assert.ok(await isOpen(cookie));
      await end();
      assert.ok(!(await isOpen(cookie)));
    }
    await call("/operators/alice", { method: "PATCH", body: { expiresAt: null } });
    cookie = await logIn(token);
    assert.equal((await call("/operators/alice", { method: "DELETE" })).status, 204);
    await assertProblem(await call("/hosts", { cookie, from: replica }), 401, "token-missing");
    await assertProblem(await call("/hosts", { token, from: replica }), 403, "token-wrong");
    await assertProblem(await call("/operators/alice", { method: "DELETE" }), 404, "not-found");
    await assertProblem(await call("/operators/alice", { method: "PATCH", body: { role: "admin" } }), 404, "not-found");
    await replica.close();
  });

  it("have a session no longer than their token, and one that other sites cannot use", async () => {
    const token = await create("alice", "operator", soon(90));
    const answer = await api.call("/ops/api/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
    });
    assert.match(answer.headers.get("set-cookie") ?? "", /Max-Age=90;/);
    const cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? "";
    assert.deepEqual(await (await call("/session", { cookie })).json(), {
      name: "alice",
      role: "operator",
      expiresAt: ((await answer.json()) as Row).expiresAt,
    });
    await assertProblem(
      await api.call("/ops/api/hosts/host-a", {
        method: "PATCH",
        headers: { cookie, "content-type": "application/json", "sec-fetch-site": "cross-site" },
        body: '{"state":"cordoned"}',
      }),
      403,
      "cross-site",
    );
  });

  it("lose their live stream with their token", async () => {
    const token = await create("alice", "viewer");
    const answer = await fetch(`${origin}/ops/api/stream`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 200);
    const over = answer.text();
    await call("/operators/alice", { method: "DELETE" });
    assert.match(await over, /event: picture/, "it came, and it has ended");
  });

  it("have their last use noted once a minute, not with each call", async () => {
    const token = await create("alice", "viewer");
    const used = async () => (await rows()).find(({ name }) => name === "alice")?.lastUsedAt ?? null;
    assert.equal(await used(), null);
    await call("/hosts", { token });
    const first = await used();
    assert.ok(first !== null);
    api.service.time.pass(30_000);
    await call("/hosts", { token });
    assert.equal(await used(), first);
    api.service.time.pass(30_000);
    const cookie = await logIn(token);
    const second = await used();
    assert.ok(second !== null && second > first);
    api.service.time.pass(61_000);
    await call("/hosts", { cookie });
    assert.ok(((await used()) ?? "") > second, "a session's use is the operator's");
  });

  it("leave OPS_TOKEN the first admin, which nobody can change or revoke", async () => {
    const token = await create("anna", "admin");
    for (const [method, body] of [
      ["DELETE", undefined],
      ["PATCH", { role: "viewer" }],
      ["PATCH", { expiresAt: soon(1) }],
    ] as const)
      await assertProblem(await call("/operators/admin", { method, ...(body && { body }), token }), 409, "first-admin");
    assert.equal((await call("/operators/anna", { method: "DELETE", token })).status, 204, "anna may leave");
    assert.equal((await call("/operators")).status, 200);
  });

  it("count against the operators' limit of requests once they are known, and guesses never do", async () => {
    const tight = await api.openReplica({ RATE_LIMIT_PER_MINUTE: "5" });
    const token = await create("alice", "viewer");
    for (let calls = 0; calls < 30; calls++)
      assert.equal((await call("/hosts", { token, from: tight })).status, 200, `call ${calls}`);
    const guesses: number[] = [];
    for (let calls = 0; calls < 8; calls++)
      guesses.push((await call("/hosts", { token: `gar_op_${"a".repeat(31)}${calls}`, from: tight })).status);
    assert.ok(guesses.includes(429), "guesses end");
    await tight.close();
  });
});
