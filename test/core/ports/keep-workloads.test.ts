import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import { keepWorkloads } from "../../../apps/core/ports/keep-workloads.ts";
import { recipeOf, type WorkloadContainer, type WorkloadSpec } from "../../../apps/core/ports/workload.ts";
import type { Store } from "../../../apps/core/store.ts";
import { createTwinStore } from "../../../apps/twins/store/index.ts";
import { createVirtualTime } from "../../../apps/twins/time.ts";
import { host } from "../../contracts/store/bed.ts";

const start = new Date("2026-01-01T00:00:00Z");

describe("keeping workloads", () => {
  let store: Store;
  let time: ReturnType<typeof createVirtualTime>;
  let containers: Map<string, WorkloadContainer>;
  let images: Set<string>;
  let registry: Set<string>;
  let calls: string[];
  let silent: Set<string>;
  beforeEach(async () => {
    store = createTwinStore();
    time = createVirtualTime(start);
    containers = new Map();
    images = new Set();
    registry = new Set(["web:1", "web:2"]);
    calls = [];
    silent = new Set();
    for (const name of ["a", "b"]) await store.hosts.register(host(name), start);
  });

  const keep = () =>
    keepWorkloads(
      {
        store,
        clock: time.clock,
        engines: {
          listWorkloads: ({ name }) =>
            silent.has(name)
              ? Promise.reject(new EngineFault("timeout", name, "no answer"))
              : Promise.resolve([...containers].filter(([key]) => key.startsWith(`${name}/`)).map(([, each]) => each)),
          hasImage: (_host, image) => Promise.resolve(images.has(image)),
          pullImage: ({ name }, image) => {
            calls.push(`pull ${image}`);
            if (!registry.has(image)) return Promise.reject(new EngineFault("image-missing", name, "no such image"));
            images.add(image);
            return Promise.resolve();
          },
          createWorkload: (at, workload, name) => {
            calls.push(`create ${name}`);
            const one = {
              id: name,
              name,
              workload: workload.name,
              recipe: recipeOf(workload),
              state: "stopped",
            } as const;
            containers.set(`${at.name}/${name}`, one);
            return Promise.resolve();
          },
          turnWorkload: (at, name, to) => {
            calls.push(`${to} ${name}`);
            const key = `${at.name}/${name}`;
            const one = containers.get(key);
            if (to === "remove" || !one) containers.delete(key);
            else {
              const state = ({ start: "running", stop: "stopped", pause: "paused", unpause: "running" } as const)[to];
              containers.set(key, { ...one, state });
            }
            return Promise.resolve();
          },
        },
      },
      4,
    );
  const declare = (facts: Partial<WorkloadSpec> = {}) => {
    const wanted: WorkloadSpec = {
      ...{ host: "a", name: "web", image: "web:1", command: null, memoryMb: 16, millicpus: 100, copies: 1 },
      ...{ state: "running", ...facts },
    };
    return store.workloads.change(wanted, () => wanted, start);
  };
  const doneOf = async (name = "web") => (await store.workloads.list()).find((each) => each.name === name)?.done;

  it("gets the image, starts the containers, and notes that after it was done", async () => {
    await declare();
    assert.equal(await doneOf(), null);
    assert.deepEqual(await keep(), { done: 1, failed: 0 });
    assert.deepEqual(calls, ["pull web:1", "create workload-web-1", "start workload-web-1"]);
    assert.deepEqual(await doneOf(), { generation: 1, at: start, fault: null });
  });

  it("does nothing more, and says nothing more, once all is as it should be", async () => {
    await declare();
    await keep();
    calls.length = 0;
    assert.deepEqual(await keep(), { done: 0, failed: 0 });
    assert.deepEqual(calls, []);
    assert.equal((await store.events.list({ kind: "workload" }, 9)).length, 1);
  });

  it("brings back what somebody else has taken away", async () => {
    await declare();
    await keep();
    containers.clear();
    assert.deepEqual(await keep(), { done: 1, failed: 0 });
    assert.equal(containers.size, 1);
  });

  it("leaves what runs alone when the new image cannot be had, tells why, and tries again later", async () => {
    await declare();
    await keep();
    await declare({ image: "web:3" });
    assert.deepEqual(await keep(), { done: 0, failed: 1 });
    assert.equal(containers.get("a/workload-web-1")?.state, "running");
    assert.match((await doneOf())?.fault ?? "", /no such image/);
    const [event] = await store.events.list({ kind: "workload-failed" }, 1);
    assert.match(event?.reason ?? "", /web, 1 of web:3, cannot be running: .*no such image/);
    calls.length = 0;
    await keep();
    assert.deepEqual(calls, [], "a registry is not asked again and again");
    registry.add("web:3");
    time.pass(15_000);
    assert.deepEqual(await keep(), { done: 1, failed: 0 });
    assert.equal((await doneOf())?.fault, null);
  });

  it("tries a changed workload at once after a fault", async () => {
    await declare({ image: "nowhere:1" });
    await keep();
    await declare({ image: "web:1" });
    assert.deepEqual(await keep(), { done: 1, failed: 0 });
  });

  it("forgets a removed workload only after its containers are gone", async () => {
    await declare();
    await keep();
    await declare({ state: "removed" });
    silent.add("a");
    assert.deepEqual(await keep(), { done: 0, failed: 1 });
    assert.equal((await store.workloads.list()).length, 1);
    silent.clear();
    time.pass(15_000);
    await keep();
    assert.deepEqual([containers.size, (await store.workloads.list()).length], [0, 0]);
  });

  it("serves the other hosts while one is silent, and leaves what that one runs as it was", async () => {
    await declare();
    await declare({ host: "b" });
    await keep();
    silent.add("a");
    await declare({ host: "b", copies: 2 });
    assert.deepEqual(await keep(), { done: 1, failed: 0 });
    assert.equal(containers.size, 3);
  });
});
