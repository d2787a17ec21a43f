import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GatewayRules } from "../../../apps/core/fleet/gateway-droplets.ts";
import { keepAddressRecords, readEdgeAddresses } from "../../../apps/core/fleet/keep-address-records.ts";
import { keepGateways, type KeepGatewaysPorts } from "../../../apps/core/fleet/keep-gateways.ts";
import { SCALING } from "../../../apps/core/fleet/scaling.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinCloud } from "../../../apps/twins/cloud.ts";
import { createTwinGateways, gateway } from "../../../apps/twins/gateways.ts";
import { createTwinLeadership } from "../../../apps/twins/leadership.ts";
import { createTwinStore } from "../../../apps/twins/store/index.ts";
import { createTables } from "../../../apps/twins/store/tables.ts";
import { createVirtualTime } from "../../../apps/twins/time.ts";

const DOMAIN = "example.org";
const EDGE = `redis.${DOMAIN}`;
const TAG = "ours-gateways";
const LIFE_MS = 3_000;

/** A fleet's gateways in memory, a second a step: droplets that boot carry routes two seconds later. */
async function open(over: Partial<GatewayRules> = {}) {
  const time = createVirtualTime(new Date("2026-01-01T00:00:00Z"));
  const { clock } = time;
  const tables = createTables();
  const store = createTwinStore(tables);
  const term = (await createTwinLeadership(tables, SCALING).term()) ?? assert.fail("nobody else leads");
  const cloud = createTwinCloud({ clock, domains: [DOMAIN], times: { activeMs: 1, tagLagMs: 1, deleteMs: 1 } });
  const { membership, set, clear } = createTwinGateways({ clock });
  let isRedisAway = false;
  const readGateways = () =>
    isRedisAway ? Promise.reject(new Unavailable("redis", new Error("ECONNREFUSED"))) : membership.list();
  let rules: GatewayRules = {
    ...{ wanted: 2, size: "s-1vcpu-1gb", plan: "plan-1", silentMs: 10_000, drainMs: 20_000 },
    ...{ bootTimeoutMs: 60_000, settleMs: 4_000, backoffMs: 5_000, orphanAgeMs: 15_000 },
    ...over,
  };
  const ports: KeepGatewaysPorts = {
    cloud,
    store,
    readGateways,
    readAddresses: readEdgeAddresses(EDGE, cloud),
    clock,
    token: () => "token",
    userData: (name) => `#!/bin/sh\n# ${name}\n`,
    plan: { namePrefix: "ours-gw", tag: TAG, region: "fra1", image: "debian-12-x64", vpc: undefined, sshKeys: [] },
    rules: () => rules,
  };
  const keepRecords = keepAddressRecords({
    ...{ dns: cloud, readGateways, store, clock },
    rules: { edgeDomain: EDGE, deployment: "abc", ttlSeconds: 30, settleMs: 2_000 },
  });
  /** Those whose program is dead, whatever the cloud says of their droplets. */
  const dead = new Set<string>();

  async function second(): Promise<void> {
    await keepGateways(ports, term);
    time.pass(1_000);
    const rows = await store.gatewayDroplets.list();
    for (const { name, publicIp, status, boots, createdAt } of cloud.droplets()) {
      const isUp = boots && status === "active" && clock().getTime() - createdAt.getTime() >= 2_000;
      if (!isUp || dead.has(name) || isRedisAway) continue;
      const state = rows.find((row) => row.name === name)?.state === "draining" ? "draining" : "live";
      set(name, JSON.stringify({ ...gateway(name), state, addresses: [publicIp] }), LIFE_MS);
    }
    await keepRecords();
  }

  return {
    cloud,
    store,
    dead,
    second,
    run: async (seconds: number, each: () => Promise<void> | void = () => undefined) => {
      for (let passed = 0; passed < seconds; passed++) {
        await second();
        await each();
      }
    },
    change: (next: Partial<GatewayRules>) => (rules = { ...rules, ...next }),
    loseRedis: (isAway: boolean) => {
      isRedisAway = isAway;
      if (isAway) clear();
    },
    formerTerm: term - 1,
    states: async () => (await store.gatewayDroplets.list()).map(({ name, state }) => `${name.slice(8)} ${state}`),
    droplets: () => cloud.droplets().map(({ name }) => name.slice(8)),
    addresses: () =>
      cloud
        .records(DOMAIN)
        .flatMap(({ type, data }) => (type === "A" ? data : []))
        .sort(),
    addressOf: (number: number) =>
      cloud.droplets().find(({ name }) => name === `ours-gw-${number}`)?.publicIp ?? assert.fail("it is gone"),
    live: async () => (await membership.list()).filter(({ state }) => state === "live").length,
    story: async () =>
      (await store.events.list({}, 100))
        .reverse()
        .filter(({ actor }) => actor === "scale")
        .map(({ kind, host, reason }) => `${kind} ${host?.slice(8) ?? "-"}: ${reason}`),
  };
}

describe("gateways on droplets", () => {
  it("are ordered until as many live as are wanted, and get their address records", async () => {
    const fleet = await open();
    await fleet.run(12);
    assert.deepEqual(await fleet.states(), ["1 joined", "2 joined"]);
    assert.deepEqual(fleet.addresses(), [fleet.addressOf(1), fleet.addressOf(2)].sort());
    assert.deepEqual(await fleet.story(), [
      "order 1: 0 gateways live and 0 on the way, 2 wanted",
      "order 2: 0 gateways live and 1 on the way, 2 wanted",
    ]);
    assert.ok(fleet.cloud.droplets().every(({ tags }) => tags.length === 1 && tags[0] === TAG));
  });

  it("are none where none are wanted, and nothing is asked of the cloud for them", async () => {
    const fleet = await open({ wanted: 0 });
    fleet.cloud.faults.add({ kind: "hang", call: "listDroplets" });
    await fleet.run(5);
    assert.deepEqual([fleet.droplets(), fleet.cloud.faults.list().map(({ hits }) => hits)], [[], [0]]);
  });

  it("are replaced when they are silent for longer than a restart takes, and go once another one lives", async () => {
    const fleet = await open();
    await fleet.run(12);
    const lost = fleet.addressOf(1);
    fleet.dead.add("ours-gw-1");
    await fleet.run(12);
    assert.deepEqual(await fleet.states(), ["1 joined", "2 joined"], "it may come back");
    await fleet.run(15);
    assert.deepEqual(await fleet.states(), ["2 joined", "3 joined"]);
    assert.deepEqual(fleet.addresses(), [fleet.addressOf(2), fleet.addressOf(3)].sort());
    assert.ok(!fleet.addresses().includes(lost));
    assert.deepEqual((await fleet.story()).slice(2), [
      "hold 1: silent: it stays until another one lives in its place",
      "order 3: 1 gateway lives and 0 on the way, 2 wanted",
      "destroy 1: silent for 13 s, and 2 gateways live without it",
      "delete 1: silent for 13 s, and 2 gateways live without it",
      "close 1: its droplet is gone",
    ]);
  });

  it("that are the only one are replaced as well, and the silent one is kept until then", async () => {
    const fleet = await open({ wanted: 1 });
    await fleet.run(6);
    fleet.dead.add("ours-gw-1");
    await fleet.run(13);
    assert.deepEqual(fleet.droplets().sort(), ["1"]);
    await fleet.run(20);
    assert.deepEqual([fleet.droplets(), fleet.addresses()], [["2"], [fleet.addressOf(2)]]);
  });

  it("that have lost their power, or their droplets, are replaced at once when the cloud says so", async () => {
    const fleet = await open();
    await fleet.run(12);
    fleet.cloud.vanish("ours-gw-1");
    await fleet.run(2);
    assert.deepEqual(await fleet.states(), ["2 joined", "3 booting"]);
    await fleet.run(8);
    fleet.cloud.power("ours-gw-2", false);
    await fleet.run(30);
    assert.deepEqual(await fleet.states(), ["3 joined", "4 joined"]);
  });

  it("of another program or setting are replaced one by one, never with fewer than are wanted", async () => {
    const fleet = await open();
    await fleet.run(12);
    fleet.change({ plan: "plan-2" });
    const least = { live: 9, most: 0 };
    await fleet.run(120, async () => {
      least.live = Math.min(least.live, await fleet.live());
      least.most = Math.max(least.most, fleet.droplets().length);
    });
    assert.deepEqual(await fleet.states(), ["3 joined", "4 joined"]);
    assert.deepEqual(least, { live: 2, most: 4 });
    assert.ok((await fleet.store.gatewayDroplets.list()).every(({ plan }) => plan === "plan-2"));
  });

  it("beyond those wanted leave DNS first, and are destroyed when nobody remembers their address", async () => {
    const fleet = await open();
    await fleet.run(12);
    const leaving = fleet.addressOf(2);
    fleet.change({ wanted: 1 });
    let secondsWithoutRecord = 0;
    await fleet.run(40, () => {
      if (fleet.droplets().includes("2") && !fleet.addresses().includes(leaving)) secondsWithoutRecord++;
    });
    assert.deepEqual([await fleet.states(), fleet.droplets()], [["1 joined"], ["1"]]);
    assert.ok(secondsWithoutRecord >= 20, `${secondsWithoutRecord} s`);
  });

  it("stay while an address record leads to them: time counts from when it is gone", async () => {
    const fleet = await open();
    await fleet.run(12);
    fleet.cloud.faults.add({ kind: "server-error", call: "deleteRecord", times: 1_000 });
    fleet.change({ wanted: 1 });
    await fleet.run(60);
    assert.deepEqual(await fleet.states(), ["1 joined", "2 draining"]);
    fleet.cloud.faults.clear();
    // The record's keeper pauses longer and longer while the cloud refuses.
    await fleet.run(200);
    assert.deepEqual(await fleet.states(), ["1 joined"]);
  });

  it("are left alone while Redis or the cloud does not answer, and that silence does not count", async () => {
    const fleet = await open();
    await fleet.run(12);
    fleet.loseRedis(true);
    await fleet.run(60);
    fleet.loseRedis(false);
    await fleet.run(5);
    fleet.cloud.faults.add({ kind: "hang", call: "listDroplets", times: 30 });
    await fleet.run(40);
    assert.deepEqual(
      [await fleet.states(), fleet.droplets().sort()],
      [
        ["1 joined", "2 joined"],
        ["1", "2"],
      ],
    );
    assert.deepEqual((await fleet.story()).slice(2), [
      "hold -: gateways: Redis does not answer: which of them live is unknown",
      "hold -: gateways: the cloud does not answer (timeout): what exists is unknown",
    ]);
  });

  it("that never come are given up, with longer and longer pauses, and never too many at once", async () => {
    const fleet = await open({ wanted: 1 });
    fleet.cloud.faults.add({ kind: "never-boots", times: 1_000 });
    let most = 0;
    await fleet.run(400, () => void (most = Math.max(most, fleet.droplets().length)));
    assert.equal(most, 1);
    const made = fleet.cloud.everMade().length;
    assert.ok(made >= 3 && made <= 6, `${made} orders in 400 s`);
  });

  it("are found again when the answer to their order was lost, and strangers of our tag are swept", async () => {
    const fleet = await open({ wanted: 1 });
    fleet.cloud.faults.add({ kind: "answer-lost", call: "createDroplet", times: 1 });
    fleet.cloud.add({ name: "ours-gw-99", tags: [TAG] });
    await fleet.run(25);
    assert.deepEqual([await fleet.states(), fleet.droplets()], [["1 joined"], ["1"]]);
    const story = (await fleet.story()).map((line) => line.split(":", 1)[0]);
    assert.deepEqual(story, ["order 1", "order-unanswered 1", "adopt 1", "sweep 99"]);
  });

  it("are neither ordered nor destroyed by a process that leads no more", async () => {
    const fleet = await open();
    await fleet.run(12);
    const { store, formerTerm: stale } = fleet;
    const intent = { namePrefix: "x", region: "fra1", size: "s", tokenHash: Buffer.alloc(32), cap: 9, plan: "p" };
    assert.equal(await store.gatewayDroplets.addOrder(stale, intent, new Date()), undefined);
    assert.equal(await store.gatewayDroplets.beginDrain(stale, "ours-gw-1", new Date()), false);
    assert.equal(await store.gatewayDroplets.beginDestroy(stale, "ours-gw-1", "", new Date()), false);
  });

  it("wait while the operator has paused scaling, and what has begun is finished", async () => {
    const fleet = await open();
    await fleet.run(12);
    fleet.change({ wanted: 1 });
    await fleet.second();
    await fleet.store.switches.set("scaling", true, new Date());
    fleet.dead.add("ours-gw-1");
    await fleet.run(60);
    assert.deepEqual(await fleet.states(), ["1 joined"]);
    assert.ok((await fleet.story()).includes("hold -: gateways: paused by the operator"));
  });
});
