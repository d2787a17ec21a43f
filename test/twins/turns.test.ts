import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createTwinStore } from "../../apps/twins/store/index.ts";
import { createTables } from "../../apps/twins/store/tables.ts";
import { createCallFaults } from "../../apps/twins/turns.ts";
import { host, start } from "../contracts/store/bed.ts";

/** A scheduler that lets calls go when it is told to, by their names. */
function createScheduler() {
  const waiting: { readonly call: string; readonly go: () => void }[] = [];
  return {
    turn: (call: string) => new Promise<void>((go) => waiting.push({ call, go })),
    calls: () => waiting.map(({ call }) => call),
    /** Lets one waiting call have its effect, and its caller go on. */
    letGo: async (index: number) => {
      waiting.splice(index, 1)[0]?.go();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe("calls of twins", () => {
  it("have their effect when their turn comes, in the order of whoever owns the turns", async () => {
    const { turn, calls, letGo } = createScheduler();
    const tables = createTables();
    const store = createTwinStore(tables, { turn });
    const registering = store.hosts.register(host("a"), start);
    const closing = store.hosts.setState("a", "cordoned");
    assert.deepEqual([calls(), tables.hosts.size], [["hosts.register", "hosts.setState"], 0]);
    await letGo(1);
    assert.equal(await closing, false, "there was no such host yet");
    await letGo(0);
    await registering;
    assert.equal(tables.hosts.get("a")?.state, "active");
  });

  it("have no effect when they fail before it, and all of it when only their answer is lost", async () => {
    const faults = createCallFaults();
    const tables = createTables();
    const store = createTwinStore(tables, { faults });
    const fault = () => new Error("gone");
    faults.add({ call: "hosts.register", times: 1, fault });
    await assert.rejects(store.hosts.register(host("a"), start), /gone/);
    assert.equal(tables.hosts.size, 0);
    faults.add({ call: "hosts.register", times: 1, effect: "done", fault });
    await assert.rejects(store.hosts.register(host("a"), start), /gone/);
    assert.equal(tables.hosts.size, 1);
    await store.hosts.register(host("b"), start);
    assert.equal(tables.hosts.size, 2, "each has happened as often as it should");
  });

  it("fail by name and by what they are given, the others not", async () => {
    const faults = createCallFaults();
    const store = createTwinStore(createTables(), { faults });
    faults.add({ call: "hosts.setState", matches: (name: string) => name === "a", fault: () => new Error("gone") });
    await assert.rejects(store.hosts.setState("a", "active"), /gone/);
    assert.equal(await store.hosts.setState("b", "active"), false);
    assert.deepEqual(await store.hosts.list(), []);
    faults.add({ fault: () => new Error("all gone") });
    await assert.rejects(store.hosts.list(), /all gone/);
    faults.clear();
    assert.deepEqual(await store.hosts.list(), []);
  });
});
