import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PresentGateway } from "../../../apps/core/fleet/address-records.ts";
import { keepAddressRecords } from "../../../apps/core/fleet/keep-address-records.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinCloud } from "../../../apps/twins/cloud.ts";
import { createTwinService } from "../../bed/twin-service.ts";

const rules = { edgeDomain: "redis.example.org", deployment: "abc123", ttlSeconds: 30, settleMs: 5_000 };
const DOMAIN = "example.org";
const [ONE, TWO] = ["203.0.113.1", "203.0.113.2"] as const;

function open({ domains = [DOMAIN, "example.net"] }: { readonly domains?: readonly string[] } = {}) {
  const service = createTwinService();
  const calls: string[] = [];
  const cloud = createTwinCloud({
    clock: service.clock,
    domains,
    turn: (call) => Promise.resolve(void calls.push(call)),
  });
  let live: readonly PresentGateway[] | Error = [];
  const readGateways = () => (live instanceof Error ? Promise.reject(live) : Promise.resolve(live));
  const begin = () =>
    keepAddressRecords({ dns: cloud, readGateways, store: service.store, clock: service.clock, rules });
  let keep = begin();
  return {
    cloud,
    calls,
    /** The gateways that live from now on, by address. */
    set: (...addresses: readonly string[]) => {
      live = addresses.map((address) => ({ name: `g${address.slice(-1)}`, state: "live", addresses: [address] }));
    },
    lose: () => {
      live = new Unavailable("redis", new Error("ECONNREFUSED"));
    },
    /** Another process takes over. */
    restart: () => {
      keep = begin();
    },
    /** A run every two seconds, for so long. */
    runFor: async (seconds: number) => {
      for (let passed = 0; passed < seconds; passed += 2) {
        await keep();
        service.time.pass(2_000);
      }
    },
    addresses: () =>
      cloud
        .records(DOMAIN)
        .filter(({ type }) => type === "A")
        .map(({ name, data, ttlSeconds }) => `${name} ${data} ${ttlSeconds}`),
    events: async () =>
      (await service.store.events.list({}, 20)).reverse().map(({ kind, alarm, reason, data, times }) => ({
        ...{ kind, alarm, reason, times },
        ...(data && { data }),
      })),
  };
}
const record = (address: string) => `*.redis.example.org ${address} 30`;

describe("keeping the address records", () => {
  it("follows the gateways, and tells each change with its reason", async () => {
    const { set, runFor, addresses, events } = open();
    set(ONE);
    await runFor(2);
    assert.deepEqual(addresses(), [record(ONE)]);
    set(ONE, TWO);
    await runFor(10);
    assert.deepEqual(addresses(), [record(ONE), record(TWO)]);
    set(TWO);
    await runFor(10);
    assert.deepEqual(addresses(), [record(TWO)]);
    assert.deepEqual(await events(), [
      { kind: "add-address", alarm: false, times: 1, reason: `gateway g1 lives at ${ONE}`, data: { address: ONE } },
      { kind: "add-address", alarm: false, times: 1, reason: `gateway g2 lives at ${TWO}`, data: { address: TWO } },
      {
        kind: "remove-address",
        ...{ alarm: false, times: 1, data: { address: ONE } },
        reason: `no gateway has lived at ${ONE} for 6 s`,
      },
    ]);
  });

  it("asks the cloud each minute while nothing changes, and puts right what others have changed", async () => {
    const { cloud, calls, set, runFor, addresses } = open();
    set(ONE);
    await runFor(10);
    calls.length = 0;
    await runFor(600);
    assert.deepEqual([calls.filter((call) => call === "listRecords").length, new Set(calls).size], [10, 2]);
    const [, made] = cloud.records(DOMAIN);
    assert.ok(made);
    await cloud.setRecordTtl(DOMAIN, made, 3600);
    await cloud.createRecord(DOMAIN, { ...made, type: "A", ttlSeconds: 60 });
    await runFor(70);
    assert.deepEqual(addresses(), [record(ONE)]);
  });

  it("leaves all as it is while Redis does not answer, and when no gateway is known to live", async () => {
    const { set, lose, restart, runFor, addresses, events } = open();
    set(ONE, TWO);
    await runFor(10);
    lose();
    await runFor(600);
    restart();
    await runFor(10);
    set();
    await runFor(600);
    assert.deepEqual(addresses(), [record(ONE), record(TWO)]);
    const told = (await events()).filter(({ kind }) => kind === "edge-dns");
    assert.deepEqual(
      told.map(({ alarm, reason }) => [alarm, reason.split(":")[0]]),
      [
        [false, "it is unknown which gateways live"],
        [true, "no gateway is known to live"],
      ],
    );
    assert.ok((told[1]?.times ?? 0) >= 9, "an alarm is told again for as long as it goes on");
  });

  for (const kind of ["answer-lost", "half-answer", "server-error", "hang"] as const)
    it(`ends with one record a gateway after a fault of kind ${kind} in the middle`, async () => {
      for (const call of ["listDomains", "listRecords", "createRecord", "deleteRecord"] as const)
        for (const times of [1, 2, 3]) {
          const { cloud, set, restart, runFor, addresses } = open();
          set(ONE);
          await runFor(10);
          cloud.faults.add({ kind, call, times });
          set(TWO);
          await runFor(40);
          restart();
          await runFor(60);
          assert.deepEqual(addresses(), [record(TWO)], `${call} ${times} times`);
          assert.equal(cloud.records(DOMAIN).length, 2, "and its mark");
        }
    });

  it("asks less and less while the cloud refuses, and says so", async () => {
    const { cloud, calls, set, runFor, addresses, events } = open();
    cloud.faults.add({ kind: "rate-limit" });
    set(ONE);
    await runFor(3600);
    assert.ok(calls.length < 40, `${calls.length} calls in an hour`);
    const [told, ...more] = await events();
    assert.match(told?.reason ?? "", /^the address records cannot be kept \(cloud/);
    assert.deepEqual([told?.alarm, more.length], [true, 0]);
    assert.ok((told?.times ?? 0) >= 25, "it is told again for as long as it goes on");
    cloud.faults.clear();
    await runFor(122);
    assert.deepEqual(addresses(), [record(ONE)]);
  });

  it("says what to do when the account has no such domain", async () => {
    const { cloud, calls, set, runFor, events } = open({ domains: ["example.net", "edis.example.org"] });
    set(ONE);
    await runFor(600);
    const [told, ...more] = await events();
    assert.deepEqual([told?.kind, told?.alarm, more.length], ["edge-dns", true, 0]);
    assert.match(
      told?.reason ?? "",
      /^the account has no domain that redis\.example\.org is in: add it .* EDGE_DNS=none/,
    );
    assert.ok(calls.length <= 12, `${calls.length} calls in ten minutes`);
    assert.deepEqual(cloud.records("example.net"), []);
  });
});
