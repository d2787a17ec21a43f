import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import type { HeartbeatReading } from "../../../apps/core/fleet/host.ts";
import type { PortMapFacts } from "../../../apps/core/ports/contract.ts";
import { createPortFollower } from "../../../apps/core/ports/follow-ports.ts";
import type { PortMapDocument, SeenContainer } from "../../../apps/core/ports/port-map.ts";
import type { HostPort } from "../../../apps/core/ports/port.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinStore } from "../../../apps/twins/store/index.ts";
import { createVirtualTime } from "../../../apps/twins/time.ts";
import type { Store } from "../../../apps/core/store.ts";
import { beat } from "../../contracts/heartbeat.ts";
import { host as hostNamed } from "../../contracts/store/bed.ts";

const start = new Date("2026-01-01T00:00:00Z");
const rules = { tableSize: 13, stepMs: 1000, lookMs: 5000, reportMs: 10_000, concurrency: 4 };

describe("following the ports of hosts", () => {
  let store: Store;
  let time: ReturnType<typeof createVirtualTime>;
  /** What engines run, by host; silent ones are not there. */
  let running: Map<string, SeenContainer[]>;
  /** Who listens to an engine's events, by host. */
  let listeners: Map<string, () => void>;
  let documents: Map<string, PortMapDocument>;
  let facts: Map<string, Partial<PortMapFacts>>;
  let silent: Set<string>;
  let looks: string[];
  let redisIsAway: boolean;
  let refusesPut: Set<string>;
  let follower: ReturnType<typeof createPortFollower>;

  beforeEach(async () => {
    store = createTwinStore();
    time = createVirtualTime(start);
    running = new Map([
      ["a", [container("1"), container("2")]],
      ["b", [container("3")]],
    ]);
    listeners = new Map();
    documents = new Map();
    facts = new Map();
    silent = new Set();
    looks = [];
    redisIsAway = false;
    refusesPut = new Set();
    for (const [name, address] of [
      ["a", "10.0.0.1"],
      ["b", "10.0.0.2"],
    ] as const)
      await store.hosts.register(hostNamed(name, { checkHost: address }), start);
    follower = newFollower();
  });

  const newFollower = () =>
    createPortFollower(
      {
        store,
        clock: time.clock,
        delay: time.delay,
        engines: {
          listRunning: (host) => {
            looks.push(host.name);
            const containers = running.get(host.name);
            return containers
              ? Promise.resolve([...containers])
              : Promise.reject(new EngineFault("unreachable", host.name, "it is off"));
          },
          followContainers: (host, onChange, signal) => {
            if (!running.has(host.name)) return Promise.reject(new EngineFault("unreachable", host.name, "it is off"));
            listeners.set(host.name, onChange);
            return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
          },
        },
        portMaps: {
          put: (host, document) => {
            if (refusesPut.has(host)) return Promise.reject(new Unavailable("redis", "it is full"));
            documents.set(host, document);
            return Promise.resolve();
          },
          readText: (host) => Promise.resolve(documents.get(host)?.text),
          read: (names) => {
            if (redisIsAway) return Promise.reject(new Unavailable("redis", "it is away"));
            return Promise.resolve(
              new Map(
                names.map((name) => [
                  name,
                  { report: undefined, ...facts.get(name), wanted: documents.get(name)?.revision },
                ]),
              ),
            );
          },
        },
        readHeartbeats: (names) =>
          Promise.resolve(
            new Map(
              names
                .filter((name) => !silent.has(name))
                .map((name): [string, HeartbeatReading] => [name, { kind: "beat", beat: beat(name) }]),
            ),
          ),
      },
      rules,
    );
  const declare = (facts_: Partial<HostPort> = {}) => {
    const wanted: HostPort = {
      ...{ host: "a", port: 80, image: "web", imagePort: 8000, state: "on", children: [] },
      ...facts_,
    };
    return store.ports.change(
      wanted,
      () => wanted,
      () => undefined,
      start,
    );
  };
  /** Addresses that a host's document names. */
  const membersOf = (name: string) =>
    [...(documents.get(name)?.text ?? "none").matchAll(/^member \d+ (\S+)/gm)].map(([, address]) => address);
  const told = async () => (await store.events.list({}, 50)).map(({ kind, host }) => `${kind} ${host ?? ""}`).reverse();

  it("does nothing, and asks nobody, while no port is declared", async () => {
    await follower.step();
    assert.deepEqual([documents.size, looks, await told()], [0, [], []]);
  });

  it("tells a host who the members of its ports are, once, and keeps it as events", async () => {
    await declare();
    await follower.step();
    assert.deepEqual(membersOf("a"), ["172.18.0.1", "172.18.0.2"]);
    assert.equal(documents.has("b"), false);
    assert.deepEqual(await told(), ["port-on a", "member-in a", "member-in a"]);
    const first = documents.get("a");
    await follower.step();
    assert.equal(documents.get("a"), first);
  });

  it("looks at once at an engine that tells of a change, once more with the next step, and else now and then", async () => {
    await declare();
    await follower.step();
    await follower.step();
    assert.deepEqual(looks, ["a"]);
    running.get("a")?.pop();
    listeners.get("a")?.();
    await follower.step();
    assert.deepEqual(looks, ["a", "a"]);
    assert.deepEqual(membersOf("a"), ["172.18.0.1"]);
    // An engine may tell of an end before its list shows it.
    running.get("a")?.push(container("3"));
    await follower.step();
    assert.deepEqual(membersOf("a"), ["172.18.0.1", "172.18.0.3"]);
    running.get("a")?.pop();
    running.get("a")?.push(container("4"));
    await follower.step();
    assert.deepEqual(looks, ["a", "a", "a"]);
    time.pass(rules.lookMs);
    await follower.step();
    assert.deepEqual(membersOf("a"), ["172.18.0.1", "172.18.0.4"]);
  });

  it("runs a step as soon as an engine tells something", async () => {
    await declare();
    const stop = new AbortController();
    const end = follower.run(stop.signal);
    await settled(() => membersOf("a").length === 2);
    running.get("a")?.pop();
    listeners.get("a")?.();
    // The clock stands still: no step is due by itself.
    await settled(() => membersOf("a").length === 1);
    stop.abort();
    await end;
  });

  it("leaves all as it is while an engine is silent, also in a process that has never seen it", async () => {
    await declare();
    await follower.step();
    const document = documents.get("a");
    running.delete("a");
    time.pass(60_000);
    await follower.step();
    await newFollower().step();
    assert.equal(documents.get("a"), document);
  });

  it("leaves all as it is while Redis is away", async () => {
    await declare();
    await follower.step();
    const document = documents.get("a");
    redisIsAway = true;
    await assert.rejects(follower.step(), Unavailable);
    redisIsAway = false;
    documents.clear();
    await follower.step();
    assert.deepEqual(documents.get("a"), document, "what Redis has lost is put there again");
  });

  it("has a parent send its child nothing while that is silent, and as much as is there when it is not", async () => {
    await declare({ host: "b", port: 81 });
    await declare({ children: [{ host: "b", port: 81 }] });
    await follower.step();
    assert.deepEqual(membersOf("a").sort(), ["10.0.0.2", "172.18.0.1", "172.18.0.2"]);
    const [b, takes] = [documents.get("b"), () => documents.get("a")?.text.includes("10.0.0.2 81 child takes")];
    assert.ok(takes());
    silent.add("b");
    await follower.step();
    assert.ok(!takes());
    assert.equal(documents.get("b"), b, "what it has itself is not taken from it");
    silent.delete("b");
    await follower.step();
    assert.ok(takes());
  });

  it("looks again before it puts its own document in the place of another process's, which may know better", async () => {
    const other = newFollower();
    await declare();
    await follower.step();
    const hears = listeners.get("a");
    // It hears nothing of what is to come.
    await other.step();
    running.get("a")?.pop();
    for (const follows of [follower, other, follower, other]) {
      if (follows === follower) hears?.();
      await follows.step();
      assert.deepEqual(membersOf("a"), ["172.18.0.1"]);
    }
  });

  it("puts its own document in the place of another one that is wrong", async () => {
    await declare();
    await follower.step();
    const right = documents.get("a");
    documents.set("a", { revision: "abc", text: "somebody's" });
    await follower.step();
    await follower.step();
    assert.deepEqual(documents.get("a"), right);
  });

  it("tells one host's ports when another's cannot be told, and says which are too many", async () => {
    await declare();
    await declare({ host: "b", port: 81 });
    refusesPut.add("a");
    await assert.rejects(follower.step(), Unavailable);
    assert.deepEqual([documents.has("a"), membersOf("b")], [false, ["172.18.0.3"]]);
    refusesPut.clear();
    running.set(
      "a",
      Array.from({ length: 30_000 }, (_, index) => container(String(index))),
    );
    listeners.get("a")?.();
    await follower.step();
    assert.equal(documents.has("a"), false);
    const [alarm] = await store.events.list({ kind: "port-map-failed" }, 1);
    assert.match(alarm?.reason ?? "", /a document of \d+ bytes, and 900000 are the most/);
  });

  it("takes the last port of a host away, also after a start of this process", async () => {
    for (const follows of [follower, newFollower()]) {
      await declare();
      await follower.step();
      assert.equal(membersOf("a").length, 2);
      await store.ports.change(
        { host: "a", port: 80 },
        () => undefined,
        () => undefined,
        start,
      );
      await follows.step();
      assert.deepEqual(membersOf("a"), []);
      assert.match(documents.get("a")?.text ?? "", /^port-map 1 [0-9a-f]+\nend\n$/);
    }
  });

  it("raises one alarm when a host refuses its document or says nothing, and none when it has loaded it", async () => {
    await declare();
    await follower.step();
    const revision = documents.get("a")?.revision ?? "";
    const alarms = async () => (await store.events.list({ kind: "port-map-failed" }, 9)).map(({ reason }) => reason);
    facts.set("a", { report: { revision, result: "loaded", reason: "" } });
    time.pass(60_000);
    await follower.step();
    assert.deepEqual(await alarms(), []);
    running.get("a")?.pop();
    time.pass(60_000);
    await follower.step();
    await follower.step();
    assert.deepEqual(await alarms(), []);
    time.pass(rules.reportMs);
    await follower.step();
    await follower.step();
    assert.match((await alarms()).join(), /^its program port-map.sh does not report/);
    running.get("a")?.push(container("9"));
    time.pass(rules.lookMs);
    await follower.step();
    const newer = documents.get("a")?.revision ?? "";
    facts.set("a", { report: { revision: newer, result: "refused", reason: "line 2" } });
    await follower.step();
    await follower.step();
    const [last, ...earlier] = await alarms();
    assert.match(last ?? "", /it refuses what they should be \(line 2\)/);
    assert.equal(earlier.length, 1);
  });
});

function container(number: string): SeenContainer {
  const address = `172.18.0.${number}`;
  return { id: `c${number}`, name: `web-${number}`, image: "web:latest", address, isPaused: false, isInstance: false };
}

/** Lets promises that are due settle until a condition holds. */
async function settled(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail("it does not come");
}
