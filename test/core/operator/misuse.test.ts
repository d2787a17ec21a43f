import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findMisuse, watchMisuse, type MisuseRules } from "../../../apps/core/operator/misuse.ts";
import { containerName } from "../../../apps/core/services/container.ts";
import { createTwinService } from "../../bed/twin-service.ts";

const MB = 1_000_000;
const bounds = { egressMbPerMinute: 600 };
const limits = { concurrency: 4, hostBudgetMs: 20_000 };

describe("what looks like misuse", () => {
  it("is what is sent beyond the bound, counted for a minute, and nothing at it or while none is set", () => {
    const found = (seconds: number, sentMb: number, from = 0) =>
      findMisuse({ atMs: 0, sentBytes: from * MB }, { atMs: seconds * 1000, sentBytes: (from + sentMb) * MB }, bounds);
    assert.deepEqual(found(60, 601), [{ rule: "egress", value: 601, bound: 600 }]);
    assert.deepEqual(found(60, 600), []);
    assert.deepEqual(found(120, 1100), [], "less than 600 in each minute");
    assert.deepEqual(found(30, 301), [{ rule: "egress", value: 602, bound: 600 }]);
    assert.deepEqual(found(60, 10, 5000), [], "what was sent earlier");
    assert.deepEqual(found(1, 500), [], "too short to tell");
    const restarted = findMisuse({ atMs: 0, sentBytes: 9000 * MB }, { atMs: 60_000, sentBytes: 5 * MB }, bounds);
    assert.deepEqual(restarted, [], "its container began anew");
    assert.deepEqual(
      findMisuse({ atMs: 0, sentBytes: 0 }, { atMs: 60_000, sentBytes: 9000 * MB }, { egressMbPerMinute: undefined }),
      [],
    );
  });
});

describe("watching for misuse", () => {
  const loud = "a".repeat(16);
  const quiet = "b".repeat(16);

  async function open(rules: Partial<MisuseRules>) {
    const service = createTwinService();
    await service.addHost("host-a");
    for (const id of [loud, quiet]) await service.addInstance(id, "host-a", "running");
    const watch = watchMisuse(service, { bounds, mode: "report", graceMs: 300_000, ...rules }, limits);
    /** A minute in which an instance sends so much passes, and the watch comes round. */
    const minute = async (sentMb: number) => {
      service.time.pass(60_000);
      service.discovery.beat("host-a");
      const container = service.machine("host-a").containers.get(containerName(loud)) ?? assert.fail("it is gone");
      container.sentBytes = (container.sentBytes ?? 0) + sentMb * MB;
      return watch();
    };
    const events = async () =>
      (await service.store.events.list({}, 10)).map(({ kind, alarm, instance, times }) => [
        kind,
        alarm,
        instance,
        times,
      ]);
    await watch();
    return { service, minute, events };
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

  it("passes over a host that does not answer, and sees to the others", async () => {
    const { service, minute, events } = await open({});
    await service.addHost("host-b");
    await service.addInstance("c".repeat(16), "host-b", "running");
    service.machine("host-b").silence = "timeout";
    await minute(700);
    assert.deepEqual(await events(), [["misuse", true, loud, 1]]);
  });
});
