import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createConnection, type Connection } from "mysql2/promise";
import pMap from "p-map";
import { createInstance, type CreatePorts } from "../../apps/core/instances/create-instance.ts";
import { endInstance } from "../../apps/core/instances/end-instance.ts";
import { createDockerEngines } from "../../apps/adapters/docker/engines.ts";
import { SCALING } from "../../apps/core/fleet/scaling.ts";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import type { Store } from "../../apps/core/store.ts";
import { createLeadership } from "../../apps/adapters/mysql/leadership.ts";
import { migrate } from "../../apps/adapters/mysql/migrations.ts";
import { checkLogin, waitForPong } from "../../apps/adapters/redis/probe.ts";
import { handoutRules } from "../../apps/core/settings/instances.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import type { Host } from "../../apps/core/fleet/host.ts";
import { realTime } from "../../apps/lib/time.ts";
import { createTwinPressure } from "../../apps/twins/pressure.ts";
import { startEngineHost, type EngineHost } from "../bed/engine-host.ts";
import { startServices, type Services } from "../bed/services.ts";

const RACES = 500;
/** As many as the engine serves without one waiting for the other's time-out. */
const AT_ONCE = 6;

/**
 * Hand-outs on a real engine against the end of their host, begun at any moment of them. Each race has a
 * host of its own; all of them are on one engine.
 */
describe("a hand-out that races the destruction of its host", () => {
  let services: Services;
  let engine: EngineHost;
  let store: Store;
  let admin: Connection;
  let ports: Omit<CreatePorts, "fleet">;
  let term: number;
  const undo: (() => Promise<unknown>)[] = [];
  before(async () => {
    services = await startServices();
    undo.push(services.stop);
    const url = services.mysqlUrl;
    await migrate(url);
    store = createMysqlStore(url);
    undo.push(store.disconnect);
    admin = await createConnection({ uri: url, timezone: "Z" });
    undo.push(() => admin.end());
    const leadership = createLeadership(url, SCALING);
    term = (await leadership.term()) ?? assert.fail("nobody else leads");
    undo.push(leadership.resign);
    engine = await startEngineHost({ name: "races" });
    undo.push(engine.stop);
    const hex = (bytes: number) => randomBytes(bytes).toString("hex");
    ports = {
      store,
      pressure: createTwinPressure(),
      engines: createDockerEngines(15_000),
      probe: waitForPong,
      checkLogin,
      ...realTime,
      random: { id: () => hex(8), password: () => hex(16), token: () => hex(16), nonce: () => randomBytes(12) },
      onHostFailure: () => undefined,
      onWarmFailure: () => undefined,
      onStandbyTaken: () => undefined,
      rules: handoutRules(
        loadSettings(
          {
            INSTANCE_IMAGE: engine.image,
            SERVER_SECRET: "sixteen characters",
            QUOTA_PER_NETWORK: "10000",
            STARTS_PER_NETWORK_PER_DAY: "10000",
            HANDOUTS_PER_MINUTE: "100000",
            NEWCOMER_PERCENT: "0",
            PROOF_OF_WORK_MAX_BITS: "0",
          },
          ["INSTANCE_IMAGE", "SERVER_SECRET"],
        ),
      ),
    };
  });
  after(async () => {
    for (const step of undo.reverse()) await step();
  });

  /** The fleet as a replica sees it that has not heard of the end: the host is open. */
  const believing = (host: Host): CreatePorts["fleet"] => {
    let tried = false;
    return {
      nextHost: () => (tried ? undefined : host),
      isBlind: () => false,
      room: () => ({ hosts: 1, capacity: 1, occupied: 0 }),
      countTaken: () => true,
      countFull: () => (tried = true),
      backOff: () => (tried = true),
      countSuccess: () => undefined,
    };
  };

  it(`leaves no lease on a destroyed host, in ${RACES} races`, async () => {
    let created = 0;
    let destroyed = 0;
    const race = async (number: number): Promise<void> => {
      const name = `race-${number}`;
      const now = new Date();
      await admin.query(
        `INSERT INTO droplets (name, state, droplet_id, region, size, ordered_at, joined_at, token_hash)
         VALUES (?, 'joined', ?, 'fra1', 'small', ?, ?, ?)`,
        [name, number + 1, now, now, randomBytes(32)],
      );
      await store.hosts.register(
        {
          name,
          engineUrl: engine.url,
          publicHost: engine.address,
          checkHost: engine.address,
          bindAddress: "0.0.0.0",
          capacity: 1,
          basePort: 20_000 + number,
        },
        now,
      );
      const host: Host = {
        name,
        engineUrl: engine.url,
        deployment: await store.hosts.readDeployment(),
        publicHost: engine.address,
        checkHost: engine.address,
        bindAddress: "0.0.0.0",
        capacity: 1,
        basePort: 20_000 + number,
        state: "active",
      };
      const handingOut = createInstance(
        { ...ports, fleet: believing(host) },
        {
          address: `2001:db8:0:${number.toString(16)}::/64`,
          ttlSeconds: 3600,
          idempotencyKey: undefined,
          signal: new AbortController().signal,
        },
      );
      // The slot is taken in the first milliseconds: some ends come before that, some after.
      await delay((number * 7) % 8);
      const isDestroyed =
        (await store.droplets.beginDrain(term, name)) &&
        (await store.droplets.beginDestroy(term, name, "surplus", "none", new Date()));
      if (isDestroyed) await store.droplets.close(name, "gone", new Date());
      const result = await handingOut;
      assert.notEqual(
        result.kind === "created",
        isDestroyed,
        `race ${number}: ${result.kind}, destroyed: ${isDestroyed}`,
      );
      if (isDestroyed) destroyed++;
      if (result.kind !== "created") return;
      created++;
      await waitForPong(engine.address, result.handout.port, result.handout.password, AbortSignal.timeout(5_000));
      const place = { instanceId: result.handout.id, state: "running" as const, host };
      assert.deepEqual(await endInstance(ports, place, "owner"), { kind: "ended" });
    };
    await pMap(
      Array.from({ length: RACES }, (_, number) => number),
      race,
      { concurrency: AT_ONCE },
    );
    assert.ok(
      created > 50 && destroyed > 50,
      `${created} hand-outs and ${destroyed} destructions came first: both sides win`,
    );
    assert.deepEqual(await engine.docker.listContainers({ all: true }), [], "nothing is left on the engine");
  });
});
