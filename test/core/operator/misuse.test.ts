import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findMisuse, type MisuseRules, type Usage } from "../../../apps/core/operator/misuse.ts";
import { watchMisuse } from "../../../apps/core/operator/watch-misuse.ts";
import { containerName } from "../../../apps/core/services/container.ts";
import { clientUsageOf } from "../../../apps/core/operator/client-usage.ts";
import { createTwinService, TWIN_SECRET } from "../../bed/twin-service.ts";

const MB = 1_000_000;
const bounds = { egressMbPerMinute: 600, loginsPerMinute: 100, subscribers: 50 };
const nothing = { egressMbPerMinute: undefined, loginsPerMinute: undefined, subscribers: undefined };
const serverSecret = TWIN_SECRET;
const limits = { concurrency: 4, hostBudgetMs: 20_000 };

describe("what looks like misuse", () => {
  const sent = (seconds: number, count: number): Usage => ({ sentBytes: { atMs: seconds * 1000, count } });

  it("is what is sent beyond the bound, counted for a minute, and nothing at it or while none is set", () => {
    const found = (seconds: number, sentMb: number, from = 0) =>
      findMisuse(sent(0, from * MB), sent(seconds, (from + sentMb) * MB), bounds);
    assert.deepEqual(found(60, 601), [{ rule: "egress", value: 601, bound: 600 }]);
    assert.deepEqual(found(60, 600), []);
    assert.deepEqual(found(120, 1100), [], "less than 600 in each minute");
    assert.deepEqual(found(30, 301), [{ rule: "egress", value: 602, bound: 600 }]);
    assert.deepEqual(found(60, 10, 5000), [], "what was sent earlier");
    assert.deepEqual(found(1, 500), [], "too short to tell");
    assert.deepEqual(findMisuse(sent(0, 9000 * MB), sent(60, 5 * MB), bounds), [], "its container began anew");
    assert.deepEqual(findMisuse(sent(0, 0), sent(60, 9000 * MB), nothing), []);
  });
});

describe("what looks like misuse of an instance's password", () => {
  const logins = (seconds: number, count: number): Usage => ({ logins: { atMs: seconds * 1000, count } });

  it("is more log-ins than the bound, counted for a minute, and never less than none when its server began anew", () => {
    assert.deepEqual(findMisuse(logins(0, 900), logins(60, 1001), bounds), [
      { rule: "logins", value: 101, bound: 100 },
    ]);
    assert.deepEqual(findMisuse(logins(0, 900), logins(60, 1000), bounds), []);
    assert.deepEqual(findMisuse(logins(0, 900), logins(120, 1100), bounds), [], "100 in each minute");
    assert.deepEqual(findMisuse(logins(0, 900), logins(60, 100), bounds), [], "its server began anew");
    assert.deepEqual(findMisuse(logins(0, 900), logins(60, 700), bounds), [{ rule: "logins", value: 700, bound: 100 }]);
    assert.deepEqual(findMisuse(undefined, logins(60, 700), bounds), [], "nobody knows since when");
    assert.deepEqual(findMisuse(logins(0, 0), {}, bounds), [], "it did not answer");
    assert.deepEqual(findMisuse(logins(0, 0), logins(60, 700), nothing), []);
  });

  it("is subscribers at more addresses than the bound, whatever was before", () => {
    assert.deepEqual(findMisuse(undefined, { subscribers: 51 }, bounds), [
      { rule: "subscribers", value: 51, bound: 50 },
    ]);
    assert.deepEqual(findMisuse({ subscribers: 0 }, { subscribers: 50 }, bounds), []);
    assert.deepEqual(findMisuse(undefined, { subscribers: 51 }, nothing), []);
  });

  it("is all that is beyond a bound at once", () => {
    const now: Usage = { sentBytes: { atMs: 60_000, count: 900 * MB }, ...logins(60, 101), subscribers: 51 };
    const found = findMisuse({ sentBytes: { atMs: 0, count: 0 }, ...logins(0, 0) }, now, bounds);
    assert.deepEqual(
      found.map(({ rule }) => rule),
      ["egress", "logins", "subscribers"],
    );
  });
});

describe("how an instance is used, out of what Redis tells", () => {
  const auth = (calls: number, rejected: number, failed: number) =>
    `cmdstat_auth:calls=${calls},usec=9,usec_per_call=1.00,rejected_calls=${rejected},failed_calls=${failed}\r\n`;
  const client = (address: string, name = "") =>
    `id=7 addr=${address} laddr=10.0.0.1:6379 fd=8 name=${name} age=1 idle=0 flags=P db=0 sub=1 psub=0 ssub=0\n`;

  it("counts log-ins by AUTH and HELLO that succeeded, and no other call", () => {
    assert.equal(clientUsageOf(`# Commandstats\r\n${auth(9, 5, 4)}`, "").logins, 5);
    const both = auth(9, 0, 4) + auth(3, 0, 1).replace("auth", "hello") + auth(100, 0, 0).replace("auth", "get");
    assert.equal(clientUsageOf(both, "").logins, 7);
    assert.equal(clientUsageOf("# Commandstats\r\n", "").logins, 0);
  });

  it("counts each subscriber's address once, an IPv6 /64 as one, and none that is only a client's name", () => {
    const count = (...clients: string[]) => clientUsageOf("", clients.join("")).subscribers;
    assert.equal(count(), 0);
    assert.equal(count(client("192.0.2.1:1"), client("192.0.2.1:2"), client("192.0.2.2:1")), 2);
    assert.equal(count(client("[2001:db8::1]:1"), client("[2001:db8::2]:2"), client("[2001:db8:1::1]:1")), 2);
    assert.equal(count(client("192.0.2.1:1", "addr=192.0.2.9:1")), 1);
    assert.equal(count(client("?:0")), 0, "it has just left");
  });

  it("passes over what no Redis tells", () => {
    const told = clientUsageOf(
      `cmdstat_auth:calls=${"9".repeat(400)},usec=1,failed_calls=0\r\n${auth(1, 0, 5)}`,
      client("999.1.1.1:1") + client("[:::::]:1") + client("1.2.3.4.5:1"),
    );
    assert.deepEqual(told, { logins: 0, subscribers: 0 });
  });
});

describe("watching for misuse", () => {
  const loud = "a".repeat(16);
  const quiet = "b".repeat(16);

  async function open(rules: Partial<MisuseRules>) {
    const service = createTwinService();
    await service.addHost("host-a");
    for (const id of [loud, quiet]) await service.addInstance(id, "host-a", "running");
    const watch = watchMisuse(service, { bounds, mode: "report", graceMs: 300_000, serverSecret, ...rules }, limits);
    const container = (id: string) =>
      service.machine("host-a").containers.get(containerName(id)) ?? assert.fail("it is gone");
    /** A minute in which an instance sends so much, and is used so, passes, and the watch comes round. */
    const minute = async (sentMb: number, { logins = 0, subscribers = 0 } = {}) => {
      service.time.pass(60_000);
      service.discovery.beat("host-a");
      const it = container(loud);
      it.sentBytes = (it.sentBytes ?? 0) + sentMb * MB;
      it.clients = { logins: (it.clients?.logins ?? 0) + logins, subscribers };
      return watch();
    };
    const events = async () =>
      (await service.store.events.list({}, 10)).map(({ kind, alarm, instance, times }) => [
        kind,
        alarm,
        instance,
        times,
      ]);
    for (const id of [loud, quiet]) container(id).clients = { logins: 0, subscribers: 0 };
    await watch();
    return { service, container, minute, events };
  }

  it("raises an alarm that names the instance and its host, and leaves it running for good when it only reports", async () => {
    const { service, minute, events } = await open({ graceMs: 0 });
    assert.equal(await minute(599), 0);
    assert.deepEqual(await events(), []);
    for (let count = 0; count < 10; count++) assert.equal(await minute(700), 0);
    assert.deepEqual(await events(), [["misuse", true, loud, 10]], "one line that counts up");
    const [event] = await service.store.events.list({}, 1);
    assert.deepEqual([event?.host, event?.data], ["host-a", { rule: "egress", value: 700, bound: 600 }]);
    assert.deepEqual(service.states(), { [loud]: "running", [quiet]: "running" });
  });

  it("ends an instance that goes on after it was reported, and no other, when the mode says so", async () => {
    const { service, minute, events } = await open({ mode: "end" });
    for (let count = 0; count < 5; count++) assert.equal(await minute(700), 0, "in its time of grace");
    assert.equal(await minute(700), 1);
    assert.deepEqual(service.states(), { [loud]: "ended, misuse", [quiet]: "running" });
    assert.deepEqual(await events(), [
      ["end", false, loud, 1],
      ["misuse", true, loud, 5],
    ]);
  });

  it("gives an instance that has stopped for a while its whole time of grace again", async () => {
    const { service, minute } = await open({ mode: "end" });
    for (let count = 0; count < 5; count++) await minute(700);
    for (let count = 0; count < 3; count++) await minute(0);
    assert.equal(await minute(700), 0);
    assert.equal(service.states()[loud], "running");
  });

  it("raises an alarm of many log-ins, and of many subscribers, each with its rule", async () => {
    const { service, minute } = await open({ graceMs: 0 });
    await minute(0, { logins: 100, subscribers: 50 });
    assert.deepEqual(await service.store.events.list({}, 10), []);
    await minute(0, { logins: 101 });
    await minute(0, { subscribers: 51 });
    const told = (await service.store.events.list({}, 10)).map(({ kind, alarm, data }) => [kind, alarm, data]);
    assert.deepEqual(told, [
      ["misuse", true, { rule: "subscribers", value: 51, bound: 50 }],
      ["misuse", true, { rule: "logins", value: 101, bound: 100 }],
    ]);
    assert.deepEqual(service.states(), { [loud]: "running", [quiet]: "running" });
  });

  it("ends an instance for many log-ins, or many subscribers, once, as for what it sends", async () => {
    for (const use of [{ logins: 101 }, { subscribers: 51 }, { logins: 101, subscribers: 51 }]) {
      const { service, minute } = await open({ mode: "end" });
      for (let count = 0; count < 5; count++) assert.equal(await minute(0, use), 0, "in its time of grace");
      assert.equal(await minute(0, use), 1);
      assert.deepEqual(service.states(), { [loud]: "ended, misuse", [quiet]: "running" });
      assert.equal((await service.store.events.list({ kind: "end" }, 10)).length, 1);
    }
  });

  it("passes over an instance that does not answer, and judges nothing by what it was before", async () => {
    const { container, minute, events } = await open({});
    await minute(0, { logins: 100 });
    container(loud).running = false;
    await minute(700, { logins: 100_000 });
    container(loud).running = true;
    await minute(0, { logins: 100 });
    assert.deepEqual(await events(), []);
  });

  it("looks at clients where what is sent is not looked at, and the other way round", async () => {
    const clients = await open({ bounds: { ...nothing, subscribers: 50 } });
    clients.service.faults.add({ call: "readSent", fault: () => new Error("nobody needs it") });
    await clients.minute(700, { subscribers: 51 });
    assert.deepEqual(await clients.events(), [["misuse", true, loud, 1]]);
    const sent = await open({ bounds: { ...nothing, egressMbPerMinute: 600 } });
    await sent.minute(700, { subscribers: 51 });
    assert.deepEqual(await sent.events(), [["misuse", true, loud, 1]]);
  });

  it("passes over a host that does not answer, and sees to the others", async () => {
    const { service, minute, events } = await open({});
    await service.addHost("host-b");
    await service.addInstance("c".repeat(16), "host-b", "running");
    service.machine("host-b").silence = "timeout";
    await minute(700);
    assert.deepEqual(await events(), [["misuse", true, loud, 1]]);
  });
});
