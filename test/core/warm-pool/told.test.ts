import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import { keepWarmRules } from "../../../apps/core/settings/warm-pool.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { holdReason } from "../../../apps/core/warm-pool/hold-reason.ts";
import { keepWarm } from "../../../apps/core/warm-pool/keep-warm.ts";
import { realRandom } from "../../../apps/lib/random.ts";
import { createTwinService, TWIN_IMAGE, TWIN_SECRET } from "../../bed/twin-service.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** One host, and the job that keeps two instances ready there. */
async function open() {
  const service = createTwinService();
  await service.addHost("host-a");
  const settings = loadSettings({ INSTANCE_IMAGE: TWIN_IMAGE, SERVER_SECRET: TWIN_SECRET }, [
    "INSTANCE_IMAGE",
    "SERVER_SECRET",
  ]);
  const keep = keepWarm({ ...service, ...service.time, random: realRandom }, keepWarmRules(settings));
  /** Runs the job until it has nothing to start. */
  const run = async () => {
    service.discovery.beat("host-a");
    for (let pass = 0; pass < 10; pass++) {
      const { started, ended, failures } = await service.time.run(keep());
      if (started === 0 && ended === 0 && failures.length === 0) return;
      service.time.pass(MINUTE);
      service.discovery.beat("host-a");
    }
  };
  const ready = async () => (await service.store.warmPool.list()).filter(({ state }) => state === "warm").length;
  /** Lines of the history, the oldest first. */
  const lines = async () =>
    (await service.store.events.list({}, 100)).map(({ kind, reason }) => `${kind}: ${reason}`).reverse();
  return { ...service, run, ready, lines };
}

const BEGIN = "warm: instances are kept ready on it for the next hand-outs";
const NO_IMAGE = "hold: no instance can be kept ready on it: its Docker Engine does not have the image";

describe("the history", () => {
  it("has one line of a pool that has been renewed all day while all was well", async () => {
    const service = await open();
    await service.run();
    assert.equal(await service.ready(), 2);
    const [first] = await service.store.warmPool.list();
    for (let hour = 0; hour < 24; hour++) {
      service.time.pass(HOUR);
      await service.run();
    }
    assert.equal(await service.ready(), 2);
    assert.ok((await service.store.warmPool.list()).every(({ instanceId }) => instanceId !== first?.instanceId));
    assert.deepEqual(await service.lines(), [BEGIN]);
  });

  it("tells what keeps a host from having instances ready, once, and that it has some again", async () => {
    const service = await open();
    await service.run();
    for (const { instanceId } of await service.store.warmPool.list()) await service.store.warmPool.end(instanceId);
    let number = 0;
    service.faults.add({
      call: "startContainer",
      fault: () => new EngineFault("image-missing", "host-a", new Error(`no such image, request ${++number}`)),
    });
    for (let time = 0; time < 5; time++) {
      await service.run();
      service.time.pass(MINUTE);
    }
    assert.ok(number >= 5);
    assert.deepEqual(await service.lines(), [BEGIN, NO_IMAGE]);
    service.faults.clear();
    service.time.pass(MINUTE);
    await service.run();
    assert.deepEqual(await service.lines(), [BEGIN, NO_IMAGE, BEGIN]);
  });

  it("tells why instances were ended that would have been handed out", async () => {
    const service = await open();
    await service.run();
    await service.store.hosts.setState("host-a", "draining");
    await service.run();
    assert.equal(await service.ready(), 0);
    assert.deepEqual(await service.lines(), [BEGIN, "end-warm: its host is draining"]);
  });
});

describe("the reason why no instance can be kept ready", () => {
  it("is the same for each instance that fails alike", () => {
    const of = (id: string) =>
      holdReason(new EngineFault("refused", "host-a", new Error(`the name redis-${id} is in use`)), id);
    assert.equal(of("5sq9fsfr26iw58ze"), of("id00000000000002"));
    assert.equal(
      of("5sq9fsfr26iw58ze"),
      "no instance can be kept ready on it: engine of host-a: the name redis-… is in use",
    );
  });
});
