import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readAddress } from "../../../apps/core/balance/address.ts";
import { applyMessage, readPool, type PoolMessage, type PoolRules } from "../../../apps/core/balance/pool.ts";

const rules: PoolRules = { own: { ips: ["192.0.2.1", "2001:db8::1"], ports: [6379, 8000] }, mostMembers: 5 };
const textOf = (text: string, under = rules) => {
  const reading = readAddress(text, under);
  return reading.kind === "address" ? reading.address.text : reading.reason;
};
const membersOf = (text: string) => {
  const reading = readPool(text, rules);
  return reading.kind === "pool" ? reading.members.map((member) => member.text) : reading.reason;
};
const after = (text: string | undefined, ...messages: readonly PoolMessage[]) =>
  messages.reduce((now, message) => {
    const change = applyMessage(now, message, rules);
    return change.kind === "changed" ? change.text : now;
  }, text);
const add = (entry: string): PoolMessage => ({ kind: "add", entry });
const remove = (entry: string): PoolMessage => ({ kind: "remove", entry });

const anyEntry = fc.oneof(
  fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 70_000 })).map(([ip, port]) => `${ip}:${port}`),
  fc.tuple(fc.ipV6(), fc.nat(70_000)).map(([ip, port]) => `[${ip}]:${port}`),
  fc.constantFrom("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"),
  fc.string(),
);
const anyMessage: fc.Arbitrary<PoolMessage> = fc.record({
  kind: fc.constantFrom("add" as const, "remove" as const),
  entry: anyEntry,
});

describe("an address of a member", () => {
  it("is an IP address and a port, in one form", () => {
    assert.equal(textOf("10.1.2.3:6000"), "10.1.2.3:6000");
    assert.equal(textOf("127.0.0.1:6000"), "127.0.0.1:6000");
    assert.equal(textOf("[2001:DB8:0:0::5]:6000"), "[2001:db8::5]:6000");
    assert.equal(textOf("[::ffff:10.1.2.3]:6000"), "10.1.2.3:6000");
  });

  it("is refused when it is rubbish, a name, or has no port that can be", () => {
    for (const text of [
      "",
      ":",
      "10.1.2.3",
      "10.1.2.3:",
      "10.1.2.3:0",
      "10.1.2.3:65536",
      "10.1.2.3:6000 ",
      "10.1.2.3:6000\n",
      "10.1.2.3:60\u00000",
      "10.1.2:6000",
      "010.1.2.3:6000",
      "0x7f.0.0.1:6000",
      "256.1.1.1:6000",
      "redis.example.org:6000",
      "2001:db8::5:6000",
      "[fe80::1%eth0]:6000",
      "10.1.2.3:6000 weight 5",
      `10.1.2.3:${"6".repeat(1000)}`,
    ])
      assert.match(textOf(text), /is no address of a member/, JSON.stringify(text));
  });

  it("is refused where no member can be: nowhere, everywhere, and at a cloud's metadata service", () => {
    for (const text of ["0.0.0.0:6000", "[::]:6000", "255.255.255.255:6000", "224.0.0.1:6000", "169.254.169.254:80"])
      assert.match(textOf(text), /is (no address of a machine|a (broadcast|multicast|link-local) address)/, text);
    assert.match(textOf("[fe80::1]:6000"), /link-local/);
    assert.match(textOf("[::ffff:169.254.169.254]:80"), /link-local/);
  });

  it("is refused when it is the gateway's own, by whatever name: its connections would go round for ever", () => {
    for (const text of [
      "192.0.2.1:6379",
      "127.0.0.1:6379",
      "127.9.9.9:8000",
      "[::1]:6379",
      "[2001:db8:0::1]:6379",
      "[::ffff:192.0.2.1]:6379",
    ])
      assert.match(textOf(text), /own address/, text);
    assert.equal(textOf("192.0.2.1:7000"), "192.0.2.1:7000", "something else on the same machine");
    assert.equal(textOf("192.0.2.2:6379"), "192.0.2.2:6379", "the same port of another machine");
  });

  it("is refused outside the networks that members may be in", () => {
    const inside = { ...rules, networks: ["10.0.0.0/8", "fd00::/8"] };
    assert.equal(textOf("10.200.0.1:1", inside), "10.200.0.1:1");
    assert.equal(textOf("[fd12::1]:1", inside), "[fd12::1]:1");
    for (const text of ["11.0.0.1:1", "[2001:db8::1]:1", "127.0.0.1:1"])
      assert.match(textOf(text, inside), /none of the networks/, text);
  });

  it("is the same when it is read again, whatever the text was", () => {
    fc.assert(
      fc.property(anyEntry, (entry) => {
        const reading = readAddress(entry, rules);
        if (reading.kind === "refused") {
          assert.match(reading.reason, /^[\x20-\x7e]{1,300}$/);
          return;
        }
        assert.match(reading.address.text, /^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):\d+$/);
        assert.deepEqual(readAddress(reading.address.text, rules), reading);
      }),
    );
  });
});

describe("a pool in Redis", () => {
  it("is the JSON array that l4loadbalancer keeps", () => {
    assert.deepEqual(membersOf('["127.0.0.1:6000","127.0.0.1:3000","127.0.0.1:4000"]'), [
      "127.0.0.1:6000",
      "127.0.0.1:3000",
      "127.0.0.1:4000",
    ]);
    assert.deepEqual(membersOf("[]"), []);
  });

  it("leaves out bad entries and tells each, and keeps the others", () => {
    const reading = readPool('["10.0.0.1:1", 5, null, "rubbish", "10.0.0.1:1", "127.0.0.1:6379", "10.0.0.2:2"]', rules);
    assert.ok(reading.kind === "pool");
    assert.deepEqual(
      reading.members.map(({ text }) => text),
      ["10.0.0.1:1", "10.0.0.2:2"],
    );
    assert.equal(reading.refused.length, 4);
    assert.match(reading.refused[2] ?? "", /^"rubbish" is no address/);
  });

  it("is unknown, and not empty, when it is no JSON array or too long", () => {
    for (const text of ["", "{", '{"a":1}', '"10.0.0.1:1"', "null", "5"])
      assert.equal(readPool(text, rules).kind, "refused", text);
    assert.equal(readPool(JSON.stringify(Array(400_000).fill(1)), rules).kind, "refused");
  });

  it("of 10,000 entries has as many members as it may have, and says so in a few lines", () => {
    const entries = Array.from({ length: 10_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}:6000`);
    const reading = readPool(JSON.stringify(entries), rules);
    assert.ok(reading.kind === "pool");
    assert.equal(reading.members.length, 5);
    assert.equal(reading.refused.length, 21);
    assert.equal(reading.refused[20], "and 9975 more");
  });

  it("is changed by a message once, however often it comes and whoever else has it", () => {
    assert.equal(after('["10.0.0.1:1"]', add("10.0.0.2:2")), '["10.0.0.1:1","10.0.0.2:2"]');
    assert.equal(after('["10.0.0.1:1"]', add("10.0.0.2:2"), add("10.0.0.2:2")), '["10.0.0.1:1","10.0.0.2:2"]');
    assert.equal(after(undefined, add("10.0.0.2:2")), '["10.0.0.2:2"]');
    assert.equal(after('["10.0.0.1:1","10.0.0.1:1"]', remove("10.0.0.1:1"), remove("10.0.0.1:1")), "[]");
    assert.equal(applyMessage("[]", remove("10.0.0.1:1"), rules).kind, "unchanged");
    assert.equal(applyMessage('["[2001:db8::5]:1"]', add("[2001:0db8::5]:1"), rules).kind, "unchanged");
  });

  it("refuses to add rubbish, the gateway itself, and more members than it may have", () => {
    for (const entry of ["rubbish", "", "127.0.0.1:6379", "x".repeat(1_000_000)])
      assert.equal(applyMessage("[]", add(entry), rules).kind, "refused");
    const full = JSON.stringify(["1", "2", "3", "4", "5"].map((last) => `10.0.0.${last}:1`));
    assert.equal(applyMessage(full, add("10.0.0.6:1"), rules).kind, "refused");
    assert.equal(applyMessage(full, add("10.0.0.5:1"), rules).kind, "unchanged");
  });

  it("gets rid of an entry that nobody can read by removing it as it stands", () => {
    assert.equal(after('["rubbish","10.0.0.1:1"]', add("10.0.0.2:1")), '["rubbish","10.0.0.1:1","10.0.0.2:1"]');
    assert.equal(after('["rubbish","10.0.0.1:1"]', remove("rubbish")), '["10.0.0.1:1"]');
  });

  it("never becomes something that cannot be read, nor has a member twice or one too many, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 30 }), (messages) => {
        const text = after("[]", ...messages);
        const reading = readPool(text ?? "", rules);
        assert.ok(reading.kind === "pool");
        assert.deepEqual(reading.refused, []);
        assert.ok(reading.members.length <= rules.mostMembers);
        assert.deepEqual(
          reading.members.map((member) => member.text),
          JSON.parse(text ?? ""),
        );
      }),
    );
  });

  it("is the same when every message comes twice in a row, as when two gateways follow it", () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 20 }), (messages) => {
        const twice = messages.flatMap((message) => [message, message]);
        assert.equal(after("[]", ...twice), after("[]", ...messages));
      }),
    );
  });
});
