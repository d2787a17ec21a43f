import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { EngineFault, type EngineFaultReason } from "../../apps/core/fleet/engine-fault.ts";
import type { HostEngines } from "../../apps/core/fleet/contract.ts";
import type { EngineHost } from "../../apps/core/fleet/host.ts";
import type { InstanceEngines } from "../../apps/core/instances/contract.ts";
import type { Probe } from "../../apps/core/services/service.ts";
import type { ContainerSpec } from "../../apps/core/services/container.ts";
import { redisService } from "../../apps/core/services/redis.ts";
import { instanceLimits } from "../../apps/core/settings/instances.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { hashSecret } from "../../apps/lib/secrets.ts";
import { newId } from "./store/bed.ts";

type Engines = HostEngines & InstanceEngines;

/** An engine without containers, to hold an adapter to its contract, real or a twin. */
export type EnginesBed = {
  readonly engines: Engines;
  /** The adapter of another process. */
  readonly another: () => Engines;
  /** The engine's host, as a deployment of its own knows it. */
  readonly place: EngineHost;
  /** Image of instances, which the engine has. */
  readonly image: string;
  /** Where its published ports answer. */
  readonly address: string;
  readonly probe: Probe;
  /** Ends the process of an instance, and leaves its container. */
  readonly kill: (instanceId: string) => Promise<void>;
  /** Has the kernel end the process of an instance because its memory is full; resolves when it answers again. */
  readonly fillMemory: (instanceId: string, port: number) => Promise<void>;
  /** Makes a container that is none of ours. */
  readonly addStranger: () => Promise<void>;
  /** Has something else on the host listen at a port, until the end of the test. */
  readonly holdPort: (port: number) => Promise<void>;
  readonly removeImage: () => Promise<void>;
  /** Makes the engine hang, or go, for as long as `work` takes; it answers again when this resolves. */
  readonly silenced: (how: "timeout" | "unreachable", work: () => Promise<void>) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Opens an engine; the suite closes it after each test. */
export type OpenEngines = () => Promise<EnginesBed>;

const PASSWORD = "password";
const never = new AbortController().signal;

/** What every adapter of Docker Engines keeps to. */
export function describeEnginesContract(open: OpenEngines): void {
  describe("engines", () => {
    let bed: EnginesBed;
    beforeEach(async () => {
      bed = await open();
    });
    afterEach(() => bed.close());

    let nextPort = 21_000;
    const specOf = (over: { id?: string; port?: number; deployment?: string; image?: string } = {}): ContainerSpec => {
      const { id = newId(), port = nextPort++, deployment = bed.place.deployment, image = bed.image } = over;
      const limits = instanceLimits(loadSettings({ INSTANCE_IMAGE: image }, ["INSTANCE_IMAGE"]).instances);
      const notAfter = new Date("2100-01-01T00:00:00Z");
      const hashes = { passwordHash: hashSecret(PASSWORD), watchHash: Buffer.alloc(32) };
      return redisService(limits).containerOf({ id, deployment, bindAddress: "0.0.0.0", port, ...hashes, notAfter });
    };
    const start = async (over: Parameters<typeof specOf>[0] = {}): Promise<string> => {
      const { id = newId() } = over;
      await bed.engines.startContainer(bed.place, specOf({ ...over, id }), never);
      return id;
    };
    const fails = (reason: EngineFaultReason) => (fault: unknown) => {
      assert.ok(fault instanceof EngineFault, String(fault));
      assert.deepEqual([fault.reason, fault.hostName], [reason, bed.place.name], fault.message);
      assert.ok(fault.cause instanceof Error);
      return true;
    };
    const list = (place = bed.place) => bed.engines.listContainers(place);

    describe("starting", () => {
      it("gives a container that answers at its port", async () => {
        const port = nextPort;
        await start();
        await bed.probe(bed.address, port, PASSWORD, AbortSignal.timeout(5_000));
      });

      it("gives one whose sent bytes are counted, and none of what is not there", async () => {
        const id = await start();
        const reading = async () =>
          (await bed.engines.readSent(bed.place, [id, newId()])).map(({ instanceId, sentBytes }) => [
            instanceId,
            Number.isSafeInteger(sentBytes) && sentBytes >= 0,
          ]);
        assert.deepEqual(await reading(), [[id, true]]);
        await bed.engines.removeContainer(bed.place, id);
        assert.deepEqual(await reading(), []);
      });

      it("keeps the deployments that share an engine apart", async () => {
        const ours = await start();
        const other = { ...bed.place, deployment: "othersothers" };
        const theirs = newId();
        await bed.another().startContainer(other, specOf({ id: theirs, deployment: other.deployment }), never);
        assert.deepEqual(await list(), [{ instanceId: ours, running: true }]);
        assert.deepEqual(await list(other), [{ instanceId: theirs, running: true }]);
      });

      it("says when the port is taken, by another container or by anything else on the host", async () => {
        const port = nextPort++;
        const first = await start({ port });
        const second = newId();
        await assert.rejects(start({ id: second, port }), fails("port-taken"));
        assert.deepEqual(
          (await list()).sort((a, b) => Number(b.running) - Number(a.running)),
          [
            { instanceId: first, running: true },
            { instanceId: second, running: false },
          ],
          "it was created, and could not be started",
        );
        const held = nextPort++;
        await bed.holdPort(held);
        await assert.rejects(start({ port: held }), fails("port-taken"));
      });

      it("gives a port again once its container is gone, or does not run any more", async () => {
        const port = nextPort++;
        const first = await start({ port });
        await bed.kill(first);
        const second = await start({ port });
        await bed.engines.removeContainer(bed.place, second);
        await start({ port });
      });

      it("says when the image is missing", async () => {
        await assert.rejects(start({ image: "getaredis/nothing:1" }), fails("image-missing"));
      });

      it("works again when the image that was missing is provided", async () => {
        await bed.removeImage();
        await assert.rejects(start(), fails("image-missing"));
        await bed.engines.ensureImage(bed.place);
        await bed.engines.ensureImage(bed.place);
        await start();
      });

      it("says when the engine refuses", async () => {
        const spec = specOf();
        const refused = { ...spec, HostConfig: { ...spec.HostConfig, Memory: 1 } };
        await assert.rejects(bed.engines.startContainer(bed.place, refused, never), fails("refused"));
      });

      it("refuses a name that there is, so that one id never has two containers", async () => {
        const id = await start();
        await assert.rejects(start({ id }), fails("refused"));
        assert.equal((await list()).length, 1);
      });

      it("does nothing for a caller that has gone before its turn came", async () => {
        const gone = new AbortController();
        gone.abort(new Error("hung up"));
        await assert.rejects(bed.engines.startContainer(bed.place, specOf(), gone.signal), /hung up/);
        assert.deepEqual(await list(), []);
      });
    });

    describe("removing", () => {
      it("ends a container, running or not, and its name is free when it returns", async () => {
        for (const stopFirst of [false, true]) {
          const id = await start();
          if (stopFirst) await bed.kill(id);
          await bed.engines.removeContainer(bed.place, id);
          assert.deepEqual(await list(), []);
          await start({ id });
          await bed.engines.removeContainer(bed.place, id);
        }
      });

      it("is done when there is no such container", async () => {
        await bed.engines.removeContainer(bed.place, newId());
      });

      it("by many at once returns to each of them only when the container is gone", async () => {
        const id = await start();
        const another = bed.another();
        await Promise.all(
          Array.from({ length: 8 }, async (_, index) => {
            await (index % 2 ? bed.engines : another).removeContainer(bed.place, id);
            assert.deepEqual(await list(), []);
          }),
        );
      });
    });

    it("lists the containers of the deployment, running or not, and no others", async () => {
      const [running, stopped] = [await start(), await start()];
      await bed.kill(stopped);
      await bed.addStranger();
      assert.deepEqual(
        (await list()).sort((a, b) => Number(b.running) - Number(a.running)),
        [
          { instanceId: running, running: true },
          { instanceId: stopped, running: false },
        ],
      );
    });

    describe("whose server ends", () => {
      const restarts = async (...ids: string[]) =>
        (await bed.engines.listRestarts(bed.place, ids)).map(({ instanceId, cause }) => [instanceId, cause]);

      it("start it again, at the same address and with the same password, and tell why it had ended", async () => {
        const port = nextPort;
        const [id, other] = [await start(), await start()];
        assert.deepEqual(await restarts(id, other, newId()), []);
        const first = Date.now();
        await bed.fillMemory(id, port);
        await bed.probe(bed.address, port, PASSWORD, AbortSignal.timeout(10_000));
        assert.deepEqual(await restarts(id, other, newId()), [[id, "out-of-memory"]]);
        const [once] = await bed.engines.listRestarts(bed.place, [id]);
        assert.ok(once && once.at.getTime() >= first && once.at.getTime() <= Date.now(), String(once?.at));
        await bed.fillMemory(id, port);
        const [again] = await bed.engines.listRestarts(bed.place, [id]);
        assert.ok(again && again.at > once.at, "the last one counts");
        assert.equal(again.cause, "out-of-memory");
        assert.deepEqual(
          (await list()).map(({ running }) => running),
          [true, true],
        );
        await bed.engines.removeContainer(bed.place, id);
        assert.deepEqual(await list(), [{ instanceId: other, running: true }], "it stays away once it is removed");
      });

      it("do not when somebody has killed it, and say how it ended", async () => {
        const id = await start();
        assert.equal(await bed.engines.readExit(bed.place, id), undefined);
        await bed.kill(id);
        assert.match((await bed.engines.readExit(bed.place, id)) ?? "", /^it ended with exit code 137$/);
        assert.deepEqual(await restarts(id), []);
        assert.equal(await bed.engines.readExit(bed.place, newId()), undefined);
      });
    });

    describe("in trouble", () => {
      const calls = (): [what: string, call: () => Promise<unknown>][] => [
        ["ping", () => bed.engines.ping(bed.place)],
        ["start", () => start()],
        ["remove", () => bed.engines.removeContainer(bed.place, newId())],
        ["list", () => list()],
        ["tell restarts", () => bed.engines.listRestarts(bed.place, [newId()])],
        ["tell an exit", () => bed.engines.readExit(bed.place, newId())],
        ["see to the image", () => bed.engines.ensureImage(bed.place)],
      ];
      for (const how of ["timeout", "unreachable"] as const) {
        it(`say that they are in ${how}, to every call, and are used again when they answer`, async () => {
          const id = await start();
          await bed.silenced(how, async () => {
            await Promise.all(calls().map(([what, call]) => assert.rejects(call, fails(how), what)));
          });
          await bed.engines.ping(bed.place);
          assert.ok((await list()).some(({ instanceId }) => instanceId === id));
          await start();
        });
      }
    });
  });
}
