import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { startService, type Service } from "../bed/service.ts";
import { until } from "../bed/until.ts";
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
  let service: Service;
  before(async () => {
    service = await startService({ hostNames: ["host-a", "host-b"], capacity: 2, env: { LEASE_MIN_SECONDS: "60", LEASE_MAX_SECONDS: "86400" } });
  });
  after(() => service.stop());
  afterEach(async () => {
    for (const { id } of await read<OpsInstance[]>("/instances")) await call(`/instances/${id}`, "DELETE");
    await until("the view has seen all hosts empty", async () => (await read<OpsHost[]>("/hosts")).every(({ occupied }) => occupied === 0));
  });

  const call = (path: string, method = "GET", body?: object, token: string | undefined = service.opsToken) =>
    fetch(`${service.origin}/ops/api${path}`, {
      method,
      headers: { ...(token === "" ? {} : { authorization: `Bearer ${token}` }), ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(20_000),
    });
  const read = async <T>(path: string): Promise<T> => {
    const answer = await call(path);
    assert.equal(answer.status, 200);
    return (await answer.json()) as T;
  };
  const handOut = async () => {
    const answer = await fetch(`${service.origin}/instances`, { method: "POST" });
    assert.equal(answer.status, 201, await answer.clone().text());
    return (await answer.json()) as { id: string; host: string; password: string; token: string };
  };
  const hostOf = async (id: string) => (await read<OpsInstance[]>("/instances")).find((instance) => instance.id === id)?.hostName;

  it("refuses every call without the operator's token, before it looks at anything else", async () => {
    const { id, token } = await handOut();
    const calls = [
      ["/hosts", "GET"],
      ["/instances", "GET"],
      ["/jobs", "GET"],
      [`/instances/${id}`, "DELETE"],
      [`/instances/${id}`, "PATCH"],
      ["/instances/not-an-id", "DELETE"],
      ["/hosts/host-a", "PATCH"],
    ] as const;
    for (const [path, method] of calls) {
      const body = method === "PATCH" ? { nonsense: true } : undefined;
      await assertProblem(await call(path, method, body, ""), 401, "token-missing");
      for (const wrong of [token, service.opsToken.slice(0, -1), `${service.opsToken}x`]) await assertProblem(await call(path, method, body, wrong), 403, "token-wrong");
    }
    assert.equal((await call(`/instances/${id}`, "DELETE")).status, 204);
  });

  it("shows hosts with their slots, heartbeats and standings", async () => {
    const hosts = await read<OpsHost[]>("/hosts");
    assert.deepEqual(hosts.map(({ name, state, standing, capacity, heartbeatRefused }) => [name, state, standing, capacity, heartbeatRefused]), [
      ["host-a", "active", "open", 2, null],
      ["host-b", "active", "open", 2, null],
    ]);
    for (const { name, heartbeat } of hosts) assert.equal(heartbeat?.name, name);
  });

  it("shows open instances with host and address, never password or token", async () => {
    const { id, password, token } = await handOut();
    const text = await (await call("/instances")).text();
    assert.ok(!text.includes(password) && !text.includes(token));
    const [instance] = JSON.parse(text) as OpsInstance[];
    assert.deepEqual([instance?.id, instance?.state, instance?.hostName, instance?.address], [id, "running", "host-a", "127.0.0.1"]);
    await call(`/instances/${id}`, "DELETE");
    assert.deepEqual(await read("/instances"), []);
  });

  it("fills the busiest host first and goes on to the next when it is full", async () => {
    const handouts = [await handOut(), await handOut(), await handOut()];
    assert.deepEqual(await Promise.all(handouts.map(({ id }) => hostOf(id))), ["host-a", "host-a", "host-b"]);
    const full = await until("the view has seen it", async () => {
      const hosts = await read<OpsHost[]>("/hosts");
      return hosts[1]?.inUse === 1 ? hosts : undefined;
    });
    assert.deepEqual(full.map(({ standing, inUse, occupied }) => [standing, inUse, occupied]), [["full", 2, 2], ["open", 1, 1]]);
  });

  it("cordons a host: its instances stay, new ones go elsewhere, until it is active again", async () => {
    const before = await handOut();
    assert.equal(await hostOf(before.id), "host-a");
    assert.equal((await call("/hosts/host-a", "PATCH", { state: "cordoned" })).status, 204);
    const elsewhere = await handOut();
    assert.equal(await hostOf(elsewhere.id), "host-b");
    assert.equal(await hostOf(before.id), "host-a");
    await until("its standing is shown", async () => (await read<OpsHost[]>("/hosts"))[0]?.standing === "cordoned");
    await call("/hosts/host-b", "PATCH", { state: "cordoned" });
    await assertProblem(await fetch(`${service.origin}/instances`, { method: "POST" }), 503, "no-capacity");
    for (const name of ["host-a", "host-b"]) assert.equal((await call(`/hosts/${name}`, "PATCH", { state: "active" })).status, 204);
    await until("both are open", async () => (await read<OpsHost[]>("/hosts")).every(({ standing }) => standing === "open"));
  });

  it("refuses states that there are not, and hosts that there are not", async () => {
    for (const body of [{}, { state: "gone" }, { state: "active", more: 1 }, { state: null }]) await assertProblem(await call("/hosts/host-a", "PATCH", body), 400, "invalid-request");
    await assertProblem(await call("/hosts/host-z", "PATCH", { state: "active" }), 404, "not-found");
  });

  it("extends and ends leases of others", async () => {
    const { id, token } = await handOut();
    const answer = await call(`/instances/${id}`, "PATCH", { ttlSeconds: 80_000 });
    assert.equal(answer.status, 200);
    assert.ok(Date.parse(((await answer.json()) as OpsInstance).expiresAt) > Date.now() + 79_000_000);
    await assertProblem(await call(`/instances/${id}`, "PATCH", { ttlSeconds: 90_000 }), 400, "invalid-request");
    assert.equal((await call(`/instances/${id}`, "DELETE")).status, 204);
    const seen = (await (await fetch(`${service.origin}/instances/${id}`, { headers: { authorization: `Bearer ${token}` } })).json()) as OpsInstance;
    assert.deepEqual([seen.state, seen.endCause], ["ended", "operator"]);
    await assertProblem(await call(`/instances/${id}`, "PATCH", { ttlSeconds: 60 }), 409, "instance-ended");
    for (const method of ["PATCH", "DELETE"]) await assertProblem(await call("/instances/0000000000000000", method, method === "PATCH" ? { ttlSeconds: 60 } : undefined), 404, "not-found");
  });

  it("shows how the last run of each job came out", async () => {
    const jobs = await until("all have run", async () => {
      const runs = await read<{ job: string; startedAt: string; finishedAt: string | null; succeededAt: string | null; fault: string | null }[]>("/jobs");
      return runs.length === 3 && runs.every(({ succeededAt }) => succeededAt !== null) ? runs : undefined;
    });
    assert.deepEqual(jobs.map(({ job, fault }) => [job, fault]), [["prune", null], ["reap", null], ["reconcile", null]]);
    for (const { startedAt, succeededAt } of jobs) assert.ok(Date.parse(startedAt) > Date.now() - 60_000 && succeededAt !== null);
  });

  it("writes no password, no token and no secret into the log", async () => {
    const { id, password, token } = await handOut();
    await fetch(`${service.origin}/instances/${id}`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
    await until("the end is in the log", () => service.log().includes("instance ended by its owner"));
    for (const secret of [password, token, service.opsToken, service.env["SERVER_SECRET"] ?? "?"]) assert.ok(!service.log().includes(secret));
    for (const line of service.log().trim().split("\n")) assert.doesNotThrow(() => JSON.parse(line) as unknown, line);
  });
});
