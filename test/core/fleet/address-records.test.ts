import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  decideRecords,
  unwatched,
  watchAddresses,
  type PresentGateway,
  type RecordStep,
  type Watch,
} from "../../../apps/core/fleet/address-records.ts";
import { domainOf, type DnsRecord } from "../../../apps/core/fleet/dns.ts";

const rules = { edgeDomain: "redis.example.org", deployment: "abc123", ttlSeconds: 30, settleMs: 5_000 };
const NAME = "*.redis.example.org";
const [ONE, TWO, THREE] = ["203.0.113.1", "203.0.113.2", "203.0.113.3"] as const;

const gateways = (...addresses: readonly string[]): PresentGateway[] =>
  addresses.map((address) => ({ name: `g${address.slice(-1)}`, state: "live", addresses: [address] }));

/** A zone in memory that carries out steps, with ids by age. */
function zoneOf(...records: readonly Omit<DnsRecord, "id">[]) {
  let lastId = 0;
  const kept: DnsRecord[] = records.map((record) => ({ id: ++lastId, ...record }));
  const add = (record: Omit<DnsRecord, "id">) => void kept.push({ id: ++lastId, ...record });
  const drop = ({ id }: DnsRecord) =>
    void kept.splice(
      kept.findIndex((record) => record.id === id),
      1,
    );
  return {
    records: (): readonly DnsRecord[] => [...kept],
    addresses: () => kept.filter(({ type }) => type === "A").map(({ data }) => data),
    carryOut: (steps: readonly RecordStep[]) => {
      for (const step of steps) {
        if (step.kind === "add") {
          if (!step.isMarked) add(mark(step.address));
          add(a(step.address));
        } else if (step.kind === "remove") for (const record of [...step.records, ...step.marks]) drop(record);
      }
    },
  };
}
const a = (data: string) => ({ type: "A", name: NAME, data, ttlSeconds: 30 });
const mark = (address: string, deployment = rules.deployment) => ({
  type: "TXT",
  name: "_getaredis.redis.example.org",
  data: `getaredis=${deployment} address=${address}`,
  ttlSeconds: 30,
});
const ours = (...addresses: readonly string[]) => addresses.flatMap((address) => [mark(address), a(address)]);

/** What a look each second sees and decides, until these seconds have passed. */
function lookFor(
  seconds: number,
  live: readonly PresentGateway[] | undefined,
  zone: ReturnType<typeof zoneOf>,
  from: { readonly watch: Watch; readonly at: number } = { watch: unwatched, at: 0 },
) {
  let { watch, at } = from;
  const decided: RecordStep[] = [];
  for (const end = at + seconds * 1000; at <= end; at += 1000) {
    watch = watchAddresses(watch, live, zone.records(), rules, at);
    const steps = decideRecords(live, zone.records(), watch, rules, at);
    zone.carryOut(steps);
    decided.push(...steps.filter((step) => step.kind !== "hold" || !decided.some((each) => same(each, step))));
  }
  return { watch, at, decided, kinds: decided.map(({ kind }) => kind) };
}
const same = (one: RecordStep, other: RecordStep) => JSON.stringify(one) === JSON.stringify(other);

describe("the address records of the edge", () => {
  it("lead to gateways that take clients: to none that joins or drains, and to no draining one alone", () => {
    const [joining, live, draining] = (["joining", "live", "draining"] as const).map((state, n) => ({
      ...{ name: `g${n}`, state, addresses: [`203.0.113.${n + 1}`] },
    }));
    assert.ok(joining && live && draining);
    const zone = zoneOf(...ours(THREE));
    assert.deepEqual(lookFor(10, [joining, live, draining], zone).kinds, ["add", "remove"]);
    assert.deepEqual(zone.addresses(), [TWO]);
    assert.deepEqual(lookFor(60, [{ ...live, state: "draining" }], zone).kinds, ["hold"]);
    assert.deepEqual(zone.addresses(), [TWO]);
  });

  it("lose none while there is a gateway that cannot be read: it may be at any of them", () => {
    const zone = zoneOf(...ours(ONE, TWO));
    const present = [...gateways(ONE, THREE), { name: "newer", state: "unreadable" } as const];
    const { decided } = lookFor(60, present, zone);
    assert.deepEqual(
      decided.map(({ kind }) => kind),
      ["hold", "add"],
    );
    assert.match(decided[0]?.reason ?? "", /^what gateway newer says of itself cannot be read/);
    assert.deepEqual(lookFor(10, gateways(ONE, THREE), zone).kinds, ["remove"]);
  });

  it("are made at once for the first gateway, marked as ours", () => {
    const zone = zoneOf();
    assert.deepEqual(lookFor(0, gateways(ONE), zone).decided, [
      { kind: "add", address: ONE, isMarked: false, reason: `gateway g1 lives at ${ONE}` },
    ]);
    assert.deepEqual(zone.records(), [
      { id: 1, ...mark(ONE) },
      { id: 2, ...a(ONE) },
    ]);
  });

  it("follow a gateway that came once it has lived for a while, and rest from then on", () => {
    const zone = zoneOf(...ours(ONE));
    const early = lookFor(4, gateways(ONE, TWO), zone);
    assert.deepEqual(early.kinds, []);
    assert.deepEqual(lookFor(9, gateways(ONE, TWO), zone, early).kinds, ["add"]);
    assert.deepEqual(zone.addresses(), [ONE, TWO]);
  });

  it("lose the address of a gateway that is gone for a while, and its mark after it", () => {
    const zone = zoneOf(...ours(ONE, TWO));
    const early = lookFor(4, gateways(ONE), zone);
    assert.deepEqual(early.kinds, []);
    const { decided } = lookFor(9, gateways(ONE), zone, early);
    assert.deepEqual(
      decided.map(({ kind, reason }) => [kind, reason]),
      [["remove", `no gateway has lived at ${TWO} for 5 s`]],
    );
    assert.deepEqual(
      zone.records().map(({ data }) => data),
      [mark(ONE).data, ONE],
    );
  });

  it("stay while a gateway comes and goes faster than that", () => {
    const zone = zoneOf(...ours(ONE, TWO));
    let state = lookFor(2, gateways(ONE), zone);
    for (let turn = 0; turn < 10; turn++) {
      state = lookFor(2, gateways(ONE, TWO), zone, state);
      assert.deepEqual(state.kinds, []);
      state = lookFor(2, gateways(ONE), zone, state);
      assert.deepEqual(state.kinds, []);
    }
  });

  it("all stay when nobody is known to live, and there is an alarm", () => {
    const zone = zoneOf(...ours(ONE, TWO));
    const { decided } = lookFor(3600, [], zone);
    assert.deepEqual(decided, [
      {
        kind: "hold",
        alarm: true,
        reason: `no gateway is known to live: ${NAME} goes on leading to ${ONE}, ${TWO}`,
      },
    ]);
    assert.deepEqual(zone.addresses(), [ONE, TWO]);
  });

  it("all stay while it is unknown who lives, and that time counts for nothing", () => {
    const zone = zoneOf(...ours(ONE, TWO));
    const seen = lookFor(4, gateways(ONE), zone);
    const blind = lookFor(3600, undefined, zone, seen);
    assert.deepEqual(blind.kinds, ["hold"]);
    assert.deepEqual(lookFor(4, gateways(ONE), zone, blind).kinds, []);
    assert.deepEqual(zone.addresses(), [ONE, TWO]);
  });

  it("wait for a process that has looked long enough itself, also after it did not look for a while", () => {
    const zone = zoneOf(...ours(ONE, TWO));
    const { watch, at } = lookFor(4, gateways(ONE), zone);
    assert.deepEqual(lookFor(4, gateways(ONE), zone, { watch, at: at + 60_000 }).kinds, []);
  });

  it("are never taken from the last live gateway's address for one that is not there yet", () => {
    const zone = zoneOf(...ours(ONE));
    const watch: Watch = {
      at: 9_000,
      addresses: new Map([
        [ONE, { isLive: false, since: 0 }],
        [TWO, { isLive: true, since: 0 }],
      ]),
    };
    const steps = decideRecords(gateways(TWO), zone.records(), watch, rules, 10_000);
    assert.deepEqual(
      steps.map(({ kind }) => kind),
      ["add"],
    );
    zone.carryOut(steps);
    assert.deepEqual(lookFor(1, gateways(TWO), zone, { watch, at: 11_000 }).kinds, ["remove"]);
    assert.deepEqual(zone.addresses(), [TWO]);
  });

  it("that are not marked as ours are left alone, and told when no gateway lives there", () => {
    const strange = [a(THREE), mark(TWO, "another"), a(TWO), { ...a(TWO), name: "redis.example.org" }];
    const zone = zoneOf(...strange, ...ours(ONE));
    const { decided } = lookFor(60, gateways(ONE), zone);
    assert.deepEqual(
      decided.map(({ kind, reason }) => [kind, reason.split(",").slice(0, 2)]),
      [["hold", [`${NAME} leads to ${TWO}`, ` ${THREE} as well`]]],
    );
    assert.equal(zone.records().length, 6);
    // A gateway's address that somebody has written down is as good as ours.
    assert.deepEqual(lookFor(60, gateways(ONE, TWO, THREE), zone).kinds, []);
  });

  it("are whole again after a process that died between mark and record, in both directions", () => {
    const zone = zoneOf(mark(ONE), mark(TWO), a(TWO), mark(THREE));
    assert.deepEqual(lookFor(10, gateways(ONE, TWO), zone).kinds, ["add", "remove"]);
    assert.deepEqual(
      zone.records().map(({ data }) => data),
      [mark(ONE).data, mark(TWO).data, TWO, ONE],
    );
  });

  it("are there once each, with the TTL of the settings", () => {
    const zone = zoneOf(mark(ONE), { ...a(ONE), ttlSeconds: 1800 }, a(ONE));
    const watch = watchAddresses(unwatched, gateways(ONE), zone.records(), rules, 0);
    const steps = decideRecords(gateways(ONE), zone.records(), watch, rules, 0);
    assert.deepEqual(
      steps.map((step) => [step.kind, step.kind === "remove" ? step.records.map(({ id }) => id) : step.reason]),
      [
        ["set-ttl", "its TTL is 1800 s"],
        ["remove", [3]],
      ],
    );
  });

  it("are not made of what is no IPv4 address", () => {
    const strange = ["", "gateway.example.org", "2001:db8::1", "203.0.113.1\nTXT", "0203.0.113.1"];
    assert.deepEqual(lookFor(10, [{ name: "g", state: "live", addresses: strange }], zoneOf()).kinds, []);
  });

  it("keep a live gateway's address or every address, whatever comes and goes, and end as the gateways are", () => {
    const some = fc.subarray([ONE, TWO, THREE]);
    const moment = fc.oneof({ weight: 4, arbitrary: some }, { weight: 1, arbitrary: fc.constant(undefined) });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(moment, fc.integer({ min: 0, max: 12 })), { maxLength: 12 }),
        some,
        (history, last) => {
          const zone = zoneOf(a(ONE));
          let state: { watch: Watch; at: number } = { watch: unwatched, at: 0 };
          for (const [live, seconds] of history) {
            const before = zone.addresses();
            state = lookFor(seconds, live && gateways(...live), zone, state);
            const left = before.filter((address) => !zone.addresses().includes(address));
            assert.ok(left.length === 0 || zone.addresses().some((address) => live?.some((each) => each === address)));
            assert.ok(zone.addresses().includes(ONE), "a stranger's");
          }
          if (last.length === 0) return;
          lookFor(12, gateways(...last), zone, state);
          assert.deepEqual(new Set(zone.addresses()), new Set([ONE, ...last]));
          assert.equal(zone.addresses().length, new Set(zone.addresses()).size);
        },
      ),
    );
  });
});

describe("the domain of a name", () => {
  it("is the nearest one that holds it, if any", () => {
    const domains = ["example.org", "redis.example.org", "dis.example.org"];
    assert.equal(domainOf("redis.example.org", domains), "redis.example.org");
    assert.equal(domainOf("a.b.redis.example.org", domains), "redis.example.org");
    assert.equal(domainOf("other.example.org", domains), "example.org");
    assert.equal(domainOf("example.com", domains), undefined);
    assert.equal(domainOf("notexample.org", domains), undefined);
  });
});
