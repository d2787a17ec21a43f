import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { keepWarmRules } from "../../apps/core/settings/warm-pool.ts";
import { keepWarm } from "../../apps/core/warm-pool/keep-warm.ts";
import { realRandom } from "../../apps/lib/random.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { TWIN_IMAGE, TWIN_SECRET } from "../bed/twin-service.ts";
import { assertProblem } from "./assert-problem.ts";

interface OpsHost {
  name: string;
  state: string;
  standing: string;
  capacity: number;
  inUse: number;
  occupied: number;
  heartbeat: { name: string; containers: number } | null;
  heartbeatRefused: string | null;
}

interface OpsInstance {
  id: string;
  state: string;
  hostName: string;
  address: string;
  expiresAt: string;
  endCause: string | null;
}

describe("/ops/api", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({
      hostNames: ["host-a", "host-b"],
      capacity: 2,
      env: { LEASE_MIN_SECONDS: "60", LEASE_MAX_SECONDS: "86400" },
    });
  });
  after(() => api.close());
  afterEach(async () => {
    for (const { id } of await read<OpsInstance[]>("/instances")) await call(`/instances/${id}`, "DELETE");
    await api.seeHosts();
    assert.ok((await read<OpsHost[]>("/hosts")).every(({ occupied }) => occupied === 0));
  });

  const call = (path: string, method = "GET", body?: object, token: string | undefined = api.opsToken) =>
    api.call(`/ops/api${path}`, {
      method,
      headers: {
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(body ? { "content-type": "application/json" } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  const read = async <T>(path: string): Promise<T> => {
    const answer = await call(path);
    assert.equal(answer.status, 200);
    return (await answer.json()) as T;
  };
  const handOut = async () => {
    const answer = await api.call("/instances", { method: "POST" });
    assert.equal(answer.status, 201, await answer.clone().text());
    return (await answer.json()) as { id: string; host: string; password: string; token: string };
  };
  const hostOf = async (id: string) =>
    (await read<OpsInstance[]>("/instances")).find((instance) => instance.id === id)?.hostName;

  it("refuses every call without the operator's token, before it looks at anything else", async () => {
    const { id, token } = await handOut();
    const calls = [
      ["/hosts", "GET"],
      ["/droplets", "GET"],
      ["/events", "GET"],
      ["/instances", "GET"],
      [`/instances/${id}`, "GET"],
      ["/jobs", "GET"],
      ["/jobs/reap/run", "POST"],
      ["/figures", "GET"],
      ["/stream", "GET"],
      ["/operators", "GET"],
      ["/operators", "POST"],
      ["/operators/alice", "PATCH"],
      ["/operators/alice", "DELETE"],
      ["/switches", "GET"],
      ["/switches/handouts", "PATCH"],
      ["/blocks", "GET"],
      ["/blocks", "POST"],
      ["/blocks/preview?address=192.0.2.1", "GET"],
      ["/blocks?address=192.0.2.1", "DELETE"],
      ["/hosts/host-a", "DELETE"],
      [`/instances/${id}`, "DELETE"],
      [`/instances/${id}`, "PATCH"],
      ["/instances/not-an-id", "DELETE"],
      ["/hosts/host-a", "PATCH"],
    ] as const;
    for (const [path, method] of calls) {
      const body = method === "PATCH" ? { nonsense: true } : undefined;
      await assertProblem(await call(path, method, body, ""), 401, "token-missing");
      for (const wrong of [token, api.opsToken.slice(0, -1), `${api.opsToken}x`])
        await assertProblem(await call(path, method, body, wrong), 403, "token-wrong");
    }
    assert.equal((await call(`/instances/${id}`, "DELETE")).status, 204);
  });

  it("shows hosts with their slots, heartbeats and standings", async () => {
    const hosts = await read<OpsHost[]>("/hosts");
    assert.deepEqual(
      hosts.map(({ name, state, standing, capacity, heartbeatRefused }) => [
        name,
        state,
        standing,
        capacity,
        heartbeatRefused,
      ]),
      [
        ["host-a", "active", "open", 2, null],
        ["host-b", "active", "open", 2, null],
      ],
    );
    for (const { name, heartbeat } of hosts) assert.equal(heartbeat?.name, name);
  });

  it("shows open instances with host and address, never password or token", async () => {
    const { id, password, token } = await handOut();
    const text = await (await call("/instances")).text();
    assert.ok(!text.includes(password) && !text.includes(token));
    const [instance] = JSON.parse(text) as OpsInstance[];
    assert.deepEqual(
      [instance?.id, instance?.state, instance?.hostName, instance?.address],
      [id, "running", "host-a", "127.0.0.1"],
    );
    await call(`/instances/${id}`, "DELETE");
    assert.deepEqual(await read("/instances"), []);
  });

  it("fills the busiest host first and goes on to the next when it is full", async () => {
    const handouts = [await handOut(), await handOut(), await handOut()];
    assert.deepEqual(await Promise.all(handouts.map(({ id }) => hostOf(id))), ["host-a", "host-a", "host-b"]);
    await api.seeHosts();
    const full = await read<OpsHost[]>("/hosts");
    assert.deepEqual(
      full.map(({ standing, inUse, occupied }) => [standing, inUse, occupied]),
      [
        ["full", 2, 2],
        ["open", 1, 1],
      ],
    );
  });

  it("cordons a host: its instances stay, new ones go elsewhere, until it is active again", async () => {
    const before = await handOut();
    assert.equal(await hostOf(before.id), "host-a");
    assert.equal((await call("/hosts/host-a", "PATCH", { state: "cordoned" })).status, 204);
    const elsewhere = await handOut();
    assert.equal(await hostOf(elsewhere.id), "host-b");
    assert.equal(await hostOf(before.id), "host-a");
    await api.seeHosts();
    assert.equal((await read<OpsHost[]>("/hosts"))[0]?.standing, "cordoned");
    await call("/hosts/host-b", "PATCH", { state: "cordoned" });
    await assertProblem(await api.call("/instances", { method: "POST" }), 503, "no-capacity");
    for (const name of ["host-a", "host-b"])
      assert.equal((await call(`/hosts/${name}`, "PATCH", { state: "active" })).status, 204);
    await api.seeHosts();
    assert.ok((await read<OpsHost[]>("/hosts")).every(({ standing }) => standing === "open"));
  });

  it("refuses states that there are not, and hosts that there are not", async () => {
    for (const body of [{}, { state: "gone" }, { state: "active", more: 1 }, { state: null }])
      await assertProblem(await call("/hosts/host-a", "PATCH", body), 400, "invalid-request");
    assert.match(
      await assertProblem(await call("/hosts/host-a", "PATCH", { state: "gone" }), 400, "invalid-request"),
      /^state must be one of active, cordoned, draining/,
    );
    await assertProblem(await call("/hosts/host-z", "PATCH", { state: "active" }), 404, "not-found");
  });

  it("extends and ends leases of others", async () => {
    const { id, token } = await handOut();
    const answer = await call(`/instances/${id}`, "PATCH", { ttlSeconds: 80_000 });
    assert.equal(answer.status, 200);
    assert.ok(
      Date.parse(((await answer.json()) as OpsInstance).expiresAt) > api.service.clock().getTime() + 79_000_000,
    );
    await assertProblem(await call(`/instances/${id}`, "PATCH", { ttlSeconds: 90_000 }), 400, "invalid-request", [
      "leastSeconds",
      "mostSeconds",
    ]);
    assert.equal((await call(`/instances/${id}`, "DELETE")).status, 204);
    const seen = (await (
      await api.call(`/instances/${id}`, { headers: { authorization: `Bearer ${token}` } })
    ).json()) as OpsInstance;
    assert.deepEqual([seen.state, seen.endCause], ["ended", "operator"]);
    await assertProblem(await call(`/instances/${id}`, "PATCH", { ttlSeconds: 60 }), 409, "instance-ended");
    for (const method of ["PATCH", "DELETE"])
      await assertProblem(
        await call("/instances/0000000000000000", method, method === "PATCH" ? { ttlSeconds: 60 } : undefined),
        404,
        "not-found",
      );
  });

  it("searches instances by what is known of them, page by page, ended ones too", async () => {
    const [first, second, third] = [await handOut(), await handOut(), await handOut()];
    const ids = async (query: string) => (await read<OpsInstance[]>(`/instances?${query}`)).map(({ id }) => id);
    assert.deepEqual(await ids(`text=${second.id.slice(0, 8)}`), [second.id]);
    assert.deepEqual(await ids("text=127.0.0&direction=ascending"), [first.id, second.id, third.id]);
    assert.deepEqual(await ids(`host=${(await hostOf(third.id)) ?? ""}&state=running`), [third.id]);
    assert.deepEqual(await ids("most=2"), [third.id, second.id]);
    assert.deepEqual(await ids(`most=2&after=${second.id}`), [first.id]);
    assert.equal((await call("/instances?most=1")).headers.get("total-count"), "3");
    await call(`/instances/${first.id}`, "DELETE");
    assert.deepEqual(await ids(`state=ended&text=${first.id}`), [first.id]);
    assert.equal((await read<OpsInstance>(`/instances/${first.id}`)).endCause, "operator");
    for (const query of ["state=gone", "order=password", "most=0", "most=1001", "after=x", "colour=red"])
      await assertProblem(await call(`/instances?${query}`), 400, "invalid-request");
    await assertProblem(await call("/instances/0000000000000000"), 404, "not-found");
  });

  it("drains a host: what it has stays, it takes nothing more, until it is opened again", async () => {
    const { id } = await handOut();
    assert.equal((await call("/hosts/host-a", "PATCH", { state: "draining" })).status, 204);
    assert.equal(await hostOf((await handOut()).id), "host-b");
    assert.equal(await hostOf(id), "host-a");
    assert.equal((await call("/hosts/host-a", "PATCH", { state: "active" })).status, 204);
    await api.seeHosts();
    assert.equal((await read<OpsHost[]>("/hosts"))[0]?.standing, "open");
  });

  it("destroys droplets only: not a machine that it has not ordered, and none that there is not", async () => {
    await assertProblem(await call("/hosts/host-a?confirm=host-a", "DELETE"), 409, "not-ours");
    await assertProblem(await call("/hosts/host-z", "DELETE"), 404, "not-found");
    assert.equal((await read<OpsHost[]>("/hosts"))[0]?.state, "active", "a refusal closes nothing");
  });

  it("pauses hand-outs and lets them go on; what is out runs on", async () => {
    const { id, host } = await handOut();
    assert.equal((await call("/switches/handouts", "PATCH", { paused: true })).status, 204);
    const refused = await api.call("/instances", { method: "POST" });
    assert.equal(refused.headers.get("retry-after"), "60");
    await assertProblem(refused, 503, "paused");
    assert.ok(host !== "" && (await hostOf(id)) !== undefined);
    assert.equal(
      (await read<{ name: string; paused: boolean }[]>("/switches")).find(({ name }) => name === "handouts")?.paused,
      true,
    );
    assert.equal((await call("/switches/handouts", "PATCH", { paused: false })).status, 204);
    await handOut();
    await assertProblem(await call("/switches/lights", "PATCH", { paused: true }), 404, "not-found");
    await assertProblem(await call("/switches/handouts", "PATCH", { paused: "yes" }), 400, "invalid-request");
  });

  it("blocks an address, by the key that quotas count it by, until it is unblocked", async () => {
    const answer = await call("/blocks", "POST", { address: " 127.0.0.1 ", reason: "mining" });
    assert.deepEqual(
      [answer.status, answer.headers.get("content-type"), await answer.json()],
      [201, "application/json; charset=utf-8", { address: "127.0.0.1", ended: 0 }],
    );
    assert.equal((await call("/blocks", "POST", { address: "2001:db8:1:2:3::4" })).status, 201);
    await assertProblem(await api.call("/instances", { method: "POST" }), 403, "address-blocked");
    const blocks = await read<{ address: string; reason: string }[]>("/blocks");
    assert.deepEqual(blocks.map(({ address, reason }) => [address, reason]).sort(), [
      ["127.0.0.1", "mining"],
      ["2001:db8:1:2::/64", ""],
    ]);
    for (const address of ["127.0.0.1", "2001:db8:1:2::/64"])
      assert.equal((await call(`/blocks?address=${encodeURIComponent(address)}`, "DELETE")).status, 204);
    await handOut();
    await assertProblem(await call("/blocks?address=127.0.0.1", "DELETE"), 404, "not-found");
    for (const address of ["localhost", "1.2.3", "10.0.0.0/7", "10.1.0.0/8", "2001:db8::/65", "", "<b>"])
      await assertProblem(await call("/blocks", "POST", { address }), 400, "invalid-request");
  });

  it("blocks a whole network for a time, and says what holds it and what it holds", async () => {
    await handOut();
    const preview = async () => {
      const { blocks, ...rest } = await read<{ blocks: { address: string }[] }>("/blocks/preview?address=127.0.0.1");
      return { ...rest, blocks: blocks.map(({ address }) => address) };
    };
    assert.deepEqual(await preview(), { address: "127.0.0.1", instances: 1, holders: 1, blocks: [], listed: [] });
    const until = new Date(api.service.clock().getTime() + 60_000).toISOString();
    assert.equal((await call("/blocks", "POST", { address: "127.0.0.0/8", reason: "spam", until })).status, 201);
    await api.service.store.blocks.replaceListed(["127.0.0.0/16", "198.51.100.0/24"]);
    assert.deepEqual(await preview(), {
      ...{ address: "127.0.0.1", instances: 1, holders: 1 },
      ...{ blocks: ["127.0.0.0/8"], listed: ["127.0.0.0/16"] },
    });
    const answer = await call("/blocks");
    assert.equal(answer.headers.get("total-count"), "3", "those of the list as well");
    const [block] = (await answer.json()) as { until: string; by: string }[];
    assert.deepEqual([block?.until, block?.by], [until, "127.0.0.1"]);
    await api.service.store.blocks.replaceListed([]);
    await assertProblem(await api.call("/instances", { method: "POST" }), 403, "address-blocked");
    api.service.time.pass(60_000);
    await api.seeHosts();
    await handOut();
    for (const wrong of ["2001-01-01T00:00:00Z", "tomorrow", "2030-12-31T23:59:60Z", "9999-12-31T23:59:59-12:00"])
      await assertProblem(
        await call("/blocks", "POST", { address: "192.0.2.1", until: wrong }),
        400,
        "invalid-request",
      );
  });

  it("blocks a network and ends all that its addresses hold in one act, and nothing of others", async () => {
    const [mine, other] = [
      await handOut(),
      await api.call("/instances", { method: "POST", remoteAddress: "192.0.2.9" }),
    ];
    const { id: others } = (await other.json()) as { id: string };
    const answer = await call("/blocks", "POST", { address: "127.0.0.0/8", reason: "mining", endInstances: true });
    assert.deepEqual(await answer.json(), { address: "127.0.0.0/8", ended: 1 });
    assert.equal(api.requestedRuns.at(-1), "reap");
    const read1 = await api.call(`/instances/${mine.id}`, { headers: { authorization: `Bearer ${mine.token}` } });
    const { state, endCause } = (await read1.json()) as OpsInstance;
    assert.deepEqual([state, endCause], ["ending", "operator"]);
    assert.equal((await read<OpsInstance>(`/instances/${others}`)).state, "running");
    const events = await read<{ kind: string; reason: string }[]>("/events?kind=block");
    assert.match(events[0]?.reason ?? "", /^127\.0\.0\.0\/8: mining; ended with it: 1 instance$/);
    const again = await call("/blocks", "POST", { address: "127.0.0.0/8", endInstances: true });
    assert.deepEqual(await again.json(), { address: "127.0.0.0/8", ended: 0 });
    assert.equal((await call("/blocks?address=127.0.0.0/8", "DELETE")).status, 204);
  });

  it("tells who had a port at a time, ended instances too", async () => {
    const { id } = await handOut();
    const [shown] = await read<(OpsInstance & { host: string; port: number })[]>("/instances");
    const at = api.service.clock().toISOString();
    assert.equal((await call(`/instances/${id}`, "DELETE")).status, 204);
    api.service.time.pass(1000);
    const place = encodeURIComponent(`${shown?.host}:${shown?.port}`);
    const then = await read<OpsInstance[]>(`/instances?text=${place}&at=${at}`);
    assert.deepEqual(
      then.map((each) => [each.id, each.state, each.address]),
      [[id, "ended", "127.0.0.1"]],
    );
    const now = api.service.clock().toISOString();
    assert.deepEqual(await read(`/instances?text=${place}&at=${now}`), []);
    for (const wrong of ["yesterday", "2030-12-31T23:59:60Z"])
      await assertProblem(await call(`/instances?at=${wrong}`), 400, "invalid-request");
  });

  it("shows the last run of each job", async () => {
    const { runs } = api.service.store;
    const [began, ended] = [new Date("2026-01-01T00:00:00Z"), new Date("2026-01-01T00:00:01Z")];
    await runs.begin("reap", began);
    await runs.finish("reap", ended, undefined);
    await runs.begin("prune", began);
    await runs.finish("prune", ended, "MySQL does not answer");
    await runs.begin("figures", began);
    const [startedAt, finishedAt] = [began.toISOString(), ended.toISOString()];
    assert.deepEqual(await read("/jobs"), [
      { job: "figures", startedAt, finishedAt: null, succeededAt: null, fault: null },
      { job: "prune", startedAt, finishedAt, succeededAt: null, fault: "MySQL does not answer" },
      { job: "reap", startedAt, finishedAt, succeededAt: finishedAt, fault: null },
    ]);
  });

  it("asks for a run of a job, and refuses one that there is not or that has never run", async () => {
    await api.service.store.runs.begin("prune", api.service.clock());
    assert.equal((await call("/jobs/prune/run", "POST")).status, 202);
    assert.equal(api.requestedRuns.at(-1), "prune");
    for (const job of ["make-coffee", "scale"])
      await assertProblem(await call(`/jobs/${job}/run`, "POST"), 404, "not-found");
  });

  it("shows figures by steps of the span that is asked for", async () => {
    for (const [span, steps] of [
      ["hour", 60],
      ["day", 96],
      ["week", 84],
    ] as const)
      assert.equal((await read<{ times: number[] }>(`/figures?span=${span}`)).times.length, steps);
    await assertProblem(await call("/figures?span=year"), 400, "invalid-request");
  });

  it("keeps each act of the operator as an event, with what it was done to", async () => {
    const { id } = await handOut();
    await call("/hosts/host-b", "PATCH", { state: "cordoned" });
    await call("/hosts/host-b", "PATCH", { state: "active" });
    await call(`/instances/${id}`, "PATCH", { ttlSeconds: 600 });
    await call(`/instances/${id}`, "DELETE");
    await call("/switches/scaling", "PATCH", { paused: true });
    await call("/switches/scaling", "PATCH", { paused: false });
    await call("/blocks", "POST", { address: "192.0.2.77", reason: "spam" });
    await call("/blocks?address=192.0.2.77", "DELETE");
    const events = (
      await read<
        {
          actor: string;
          by: string | null;
          kind: string;
          host: string | null;
          instance: string | null;
          reason: string;
          data: unknown;
        }[]
      >("/events")
    ).slice(0, 8);
    assert.ok(events.every(({ actor, by }) => actor === "operator" && by === "admin"));
    assert.deepEqual(
      events.map(({ kind, host, instance }) => [kind, host, instance]),
      [
        ["unblock", null, null],
        ["block", null, null],
        ["resume", null, null],
        ["pause", null, null],
        ["end", "host-a", id],
        ["extend", "host-a", id],
        ["uncordon", "host-b", null],
        ["cordon", "host-b", null],
      ],
    );
    assert.equal(events[1]?.reason, "192.0.2.77: spam");
    const { from = "", to = "" } = events[5]?.data as { from?: string; to?: string };
    assert.equal(events[5]?.reason, `now ends ${to} instead of ${from}`);
    assert.deepEqual(
      events.filter(({ kind }) => kind !== "extend").map(({ data }) => data),
      [
        { address: "192.0.2.77" },
        { address: "192.0.2.77" },
        { switch: "scaling" },
        { switch: "scaling" },
        { cause: "operator" },
        null,
        null,
      ],
    );
  });

  it("shows droplets, and events by host, instance and kind, older and newer ones", async () => {
    const name = await api.service.store.hosts.readDeployment();
    const now = api.service.clock();
    assert.deepEqual(await read("/droplets"), []);
    const [size, secondsAfterOrder] = ["s-1vcpu-1gb", 3.25];
    for (const event of [
      { kind: "order", host: "gar-1", data: { size } },
      { kind: "order", host: "gar-2", data: { size } },
      { kind: "join", host: "gar-1", data: { secondsAfterOrder } },
    ] as const)
      await api.service.store.events.add({ actor: "scale", reason: `of ${name}`, ...event }, now);
    const all = await read<
      {
        id: number;
        at: string;
        times: number;
        kind: string;
        host: string | null;
        instance: string | null;
        alarm: boolean;
        reason: string;
        data: unknown;
      }[]
    >("/events");
    assert.deepEqual(
      all.slice(0, 3).map(({ data }) => data),
      [{ secondsAfterOrder }, { size }, { size }],
    );
    assert.deepEqual(
      all
        .slice(0, 3)
        .map(({ kind, host, instance, alarm, times, at, reason }) => [kind, host, instance, alarm, times, at, reason]),
      [
        ["join", "gar-1", null, false, 1, now.toISOString(), `of ${name}`],
        ["order", "gar-2", null, false, 1, now.toISOString(), `of ${name}`],
        ["order", "gar-1", null, false, 1, now.toISOString(), `of ${name}`],
      ],
    );
    const kinds = async (query: string) =>
      (await read<{ kind: string; host: string }[]>(`/events?${query}`)).map(({ kind, host }) => `${kind} ${host}`);
    assert.deepEqual(await kinds("host=gar-1"), ["join gar-1", "order gar-1"]);
    assert.deepEqual(await kinds("host=gar-1&kind=order"), ["order gar-1"]);
    assert.deepEqual(await kinds("host=gar-1&kind=orde"), [], "of a kind that there is not, nothing");
    assert.deepEqual(await kinds(`host=gar-1&before=${all[0]?.id ?? 0}`), ["order gar-1"]);
    assert.deepEqual(await kinds(`host=gar-1&after=${all[2]?.id ?? 0}`), ["join gar-1"]);
    for (const query of ["before=x", "colour=red", "after=-1"])
      await assertProblem(await call(`/events?${query}`), 400, "invalid-request");
  });
});

describe("what operators see of the warm pool", () => {
  it("is how many are ready on a host, and of an instance whether it was", async () => {
    const api = await createTwinApi();
    const settings = loadSettings({ INSTANCE_IMAGE: TWIN_IMAGE, SERVER_SECRET: TWIN_SECRET }, [
      "INSTANCE_IMAGE",
      "SERVER_SECRET",
    ]);
    const { service } = api;
    const keep = keepWarm({ ...service, ...service.time, random: realRandom }, keepWarmRules(settings));
    const read = async (path: string) =>
      (await api.call(path, { headers: { authorization: `Bearer ${api.opsToken}` } })).json();
    const handOut = async () => {
      const { id } = (await (await api.call("/instances", { method: "POST" })).json()) as { id: string };
      const { warmSince } = (await read(`/ops/api/instances/${id}`)) as { warmSince: string | null };
      return warmSince;
    };
    try {
      assert.equal(await handOut(), null);
      await service.time.run(keep());
      const readyAt = service.clock().toISOString();
      await api.seeHosts();
      const [host] = (await read("/ops/api/hosts")) as { inUse: number; warm: number }[];
      assert.deepEqual([host?.inUse, host?.warm], [1, 1]);
      const metrics = await (await api.call("/metrics")).text();
      for (const line of ['warm_instances{state="warm"} 1', "warm_instances_wanted 2", 'slots{kind="warm"} 1'])
        assert.ok(metrics.includes(`getaredis_${line}\n`), line);
      assert.equal(await handOut(), readyAt);
      const after = await (await api.call("/metrics")).text();
      for (const began of ["warm", "cold"])
        assert.ok(after.includes(`getaredis_handout_beginnings_total{began="${began}"} 1\n`), began);
    } finally {
      await api.close();
    }
  });
});
