import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import { measureTransfer } from "../../../apps/core/instances/measure-transfer.ts";
import { transferInWords, transferOf } from "../../../apps/core/instances/transfer.ts";
import { containerName } from "../../../apps/core/services/container.ts";
import { createTwinService, type TwinService } from "../../bed/twin-service.ts";

const LIMITS = { concurrency: 4, hostBudgetMs: 20_000 };
const GB = 1_000_000_000;
const BOUNDS = { instanceBytes: 10 * GB, alarmBytes: 100 * GB };

describe("the transfer of an instance", () => {
  it("is throttled from its bound on, and without a bound never", () => {
    assert.deepEqual(transferOf(99, 100), { sentBytes: 99, limitBytes: 100, throttled: false });
    assert.deepEqual(transferOf(100, 100), { sentBytes: 100, limitBytes: 100, throttled: true });
    assert.deepEqual(transferOf(1e12, 0), { sentBytes: 1e12, limitBytes: null, throttled: false });
  });

  it("is told by thousands, as it is billed", () => {
    assert.deepEqual([0, 1_400_000, 999_000_000, GB, 1_550_000_000, 10 * GB].map(transferInWords), [
      "0 MB",
      "1 MB",
      "999 MB",
      "1 GB",
      "1.6 GB",
      "10 GB",
    ]);
  });
});

describe("measuring transfer", () => {
  let service: TwinService;
  beforeEach(async () => {
    service = createTwinService();
    await service.addHost("a");
    await service.addHost("b");
    await service.addInstance("instance-one", "a", "running");
    await service.addInstance("instance-two", "b", "running");
  });

  const send = (id: string, hostName: string, bytes: number) => {
    const container = service.machine(hostName).containers.get(containerName(id)) ?? assert.fail(`there is no ${id}`);
    container.sentBytes = (container.sentBytes ?? 0) + bytes;
  };
  const measure = (bounds = BOUNDS) => measureTransfer(service, LIMITS, bounds);
  const sentOf = async (id: string) => (await service.store.leases.find(id))?.sentBytes;
  const told = async () =>
    (await service.store.events.list({}, 100)).map(({ kind, instance, times, alarm }) => [
      kind,
      instance,
      times,
      alarm,
    ]);

  it("keeps what each instance has sent", async () => {
    send("instance-one", "a", 5);
    send("instance-two", "b", 7);
    assert.deepEqual(await measure(), { unseen: [] });
    assert.deepEqual([await sentOf("instance-one"), await sentOf("instance-two")], [5, 7]);
    assert.equal((await service.store.transfers.readDay(service.clock())).sentBytes, 12);
  });

  it("says which hosts did not answer, and keeps what the others said", async () => {
    service.machine("a").silence = "timeout";
    send("instance-two", "b", 7);
    const { unseen } = await measure();
    assert.deepEqual(
      unseen.map(({ hostName, fault }) => [hostName, fault instanceof EngineFault && fault.reason]),
      [["a", "timeout"]],
    );
    assert.equal(await sentOf("instance-two"), 7);
  });

  it("leaves an instance as it is whose container is gone or does not run", async () => {
    send("instance-one", "a", 5);
    await measure();
    service.machine("a").containers.clear();
    assert.deepEqual(await measure(), { unseen: [] });
    assert.equal(await sentOf("instance-one"), 5);
  });

  it("tells the operator once of an instance that has sent all it may", async () => {
    send("instance-one", "a", 10 * GB - 1);
    await measure();
    assert.deepEqual(await told(), []);
    send("instance-one", "a", 1);
    await measure();
    send("instance-one", "a", GB);
    await measure();
    assert.deepEqual(await told(), [["transfer-exceeded", "instance-one", 1, false]]);
    const [event] = await service.store.events.list({}, 1);
    assert.equal(event?.reason, "it has sent the 10 GB that it may: it answers slowly from here on");
    assert.deepEqual(event.data, { sentBytes: 10 * GB, boundBytes: 10 * GB });
  });

  it("tells of it twice rather than never when it dies in between", async () => {
    send("instance-one", "a", 10 * GB);
    service.faults.add({ call: "transfers.noteExceeding", times: 1, fault: () => new Error("killed") });
    await assert.rejects(measure(), /killed/);
    await measure();
    assert.deepEqual(await told(), [["transfer-exceeded", "instance-one", 2, false]]);
  });

  it("gives one alarm on each day on which all together send too much", async () => {
    for (const id of ["instance-one", "instance-two"]) send(id, id === "instance-one" ? "a" : "b", 60 * GB);
    const day = { ...BOUNDS, instanceBytes: 0 };
    await measure(day);
    send("instance-one", "a", GB);
    await measure(day);
    assert.deepEqual(await told(), [["transfer-alarm", undefined, 1, true]]);
    service.time.pass(86_400_000);
    service.discovery.beat("a");
    await measure(day);
    send("instance-one", "a", 100 * GB);
    await measure(day);
    assert.equal(
      (await told()).reduce((times, [, , each]) => times + Number(each), 0),
      2,
    );
  });

  it("tells nothing without bounds", async () => {
    send("instance-one", "a", 1000 * GB);
    await measure({ instanceBytes: 0, alarmBytes: 0 });
    assert.deepEqual(await told(), []);
    assert.equal(await sentOf("instance-one"), 1000 * GB);
  });
});
