import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { renderPortMap } from "../../apps/core/ports/port-map.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";

const json = { "content-type": "application/json" };

describe("ports and workloads of hosts, as operators declare them", () => {
  let api: TwinApi;
  beforeEach(async () => {
    api = await createTwinApi({ hostNames: ["host-a", "host-b"] });
  });
  afterEach(() => api.close());

  const call = (method: string, path: string, body?: object) =>
    api.call(`/ops/api/${path}`, {
      method,
      headers: { authorization: `Bearer ${api.opsToken}`, ...(body && json) },
      ...(body && { body: JSON.stringify(body) }),
    });
  const read = async (path: string) => (await (await call("GET", path)).json()) as Record<string, unknown>[];
  const events = async () => (await read("events")).map(({ kind, host, by, reason }) => [kind, host, by, reason]);

  it("balance a port over an image and over children, with the host's own port where none is named", async () => {
    assert.equal((await call("PUT", "hosts/host-b/ports/9090", { image: "web:1", imagePort: 80 })).status, 200);
    const mapped = await call("PUT", "hosts/host-a/ports/8080", { image: "web:1" });
    assert.equal(mapped.status, 200);
    const child = { host: "host-b", port: 9090 };
    assert.equal((await call("PATCH", "hosts/host-a/ports/8080", { addChild: child })).status, 200);
    const [first] = await read("ports");
    assert.deepEqual(first, {
      ...{ host: "host-a", port: 8080, image: "web:1", imagePort: 8080, state: "on", children: [child] },
      ...{ members: [], inForce: null, fault: null },
    });
    assert.deepEqual((await events())[0], [
      ...["map-port", "host-a", "admin"],
      "port 8080 is balanced over containers of web:1 at their port 8080 and host-b:9090",
    ]);
    await call("PATCH", "hosts/host-a/ports/8080", { removeChild: child, state: "stopped" });
    const [changed] = await read("ports");
    assert.deepEqual([changed?.["children"], changed?.["state"]], [[], "stopped"]);
  });

  it("tell who is behind a port, and how much each gets", async () => {
    await call("PUT", "hosts/host-a/ports/8080", { image: "web:1" });
    const member = (name: string, takes: boolean) => ({
      ...{ id: name, name, address: `172.19.0.${name}`, port: 80, kind: "direct" as const, weight: 1, takes },
    });
    const members = [member("2", true), member("3", false)];
    const buckets = Array.from({ length: 13 }, () => 0);
    await api.portMaps.put("host-a", renderPortMap([{ port: 8080, state: "on", size: 13, members, buckets }]));
    const [port] = await read("ports");
    assert.deepEqual(port?.["members"], [
      { address: "172.19.0.2", port: 80, kind: "direct", buckets: 13 },
      { address: "172.19.0.3", port: 80, kind: "direct", buckets: 0 },
    ]);
  });

  it("say of a port whether its host does what it should, and why not", async () => {
    await call("PUT", "hosts/host-a/ports/8080", { image: "web:1" });
    const shown = async () => (await read("ports")).map(({ inForce, fault }) => [inForce, fault])[0];
    const document = renderPortMap([]);
    await api.portMaps.put("host-a", document);
    assert.deepEqual(await shown(), [null, null]);
    api.portMaps.report("host-a", { revision: "0123", result: "loaded", reason: "" });
    assert.deepEqual(await shown(), [false, null], "it has loaded an earlier one");
    api.portMaps.report("host-a", { revision: document.revision, result: "loaded", reason: "" });
    assert.deepEqual(await shown(), [true, null]);
    api.portMaps.report("host-a", { revision: document.revision, result: "refused", reason: "line 2" });
    assert.deepEqual(await shown(), [false, "line 2"]);
  });

  it("refuse what cannot be, with the reason, and keep nothing of it", async () => {
    for (const [path, body, why] of [
      ["hosts/host-a/ports/22", { image: "web:1" }, /how the machine itself is reached/],
      ["hosts/host-a/ports/8080", {}, /no members/],
      ["hosts/host-a/ports/8080", { image: "web:1", children: [{ host: "host-a", port: 8080 }] }, /circle/],
      ["hosts/host-a/workloads/web", { image: "a;b", memoryMb: 64, cpus: 1 }, /is no name of an image/],
    ] as const) {
      const answer = await call("PUT", path, body);
      assert.equal(answer.status, 409);
      assert.match(((await answer.json()) as { detail: string }).detail, why);
    }
    assert.deepEqual([await read("ports"), await read("workloads")], [[], []]);
  });

  it("run a workload, and tell when it is done and what is wrong with it", async () => {
    const wanted = { image: "web:1", command: ["/run.sh"], memoryMb: 64, cpus: 0.25, copies: 2 };
    assert.equal((await call("PUT", "hosts/host-a/workloads/web", wanted)).status, 200);
    assert.ok(api.requestedRuns.includes("workloads"));
    const { store, clock } = api.service;
    const shown = async () => (await read("workloads")).map(({ isDone, fault, state }) => [isDone, fault, state])[0];
    assert.deepEqual(await shown(), [false, null, "running"]);
    const acknowledge = (generation: number, fault: string | null) =>
      store.workloads.acknowledge({ host: "host-a", name: "web" }, { generation, at: clock(), fault });
    await acknowledge(1, "no such image");
    assert.deepEqual(await shown(), [false, "no such image", "running"]);
    await acknowledge(1, null);
    assert.deepEqual(await shown(), [true, null, "running"]);
    assert.equal((await call("PATCH", "hosts/host-a/workloads/web", { state: "paused" })).status, 200);
    assert.deepEqual(await shown(), [false, null, "paused"]);
    assert.equal((await call("DELETE", "hosts/host-a/workloads/web")).status, 202);
    assert.deepEqual(await shown(), [false, null, "removed"]);
    assert.equal(
      (await call("PATCH", "hosts/host-a/workloads/web", { copies: 3 })).status,
      404,
      "it is on its way out",
    );
    assert.deepEqual(
      (await events()).map(([kind]) => kind),
      ["change-workload", "change-workload", "change-workload"],
    );
  });

  it("make their host one that is in use, for as long as they are there", async () => {
    const forOperators = async () => (await api.service.store.hosts.list())[0]?.forOperators ?? 0;
    await call("PUT", "hosts/host-a/ports/8080", { image: "web:1" });
    assert.equal(await forOperators(), 1);
    assert.equal((await call("DELETE", "hosts/host-a/ports/8080")).status, 204);
    assert.equal((await call("DELETE", "hosts/host-a/ports/8080")).status, 404);
    assert.equal(await forOperators(), 0);
  });
});
