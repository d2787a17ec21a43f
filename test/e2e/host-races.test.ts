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
import { waitForPong } from "../../apps/adapters/redis/probe.ts";
import { handoutRules } from "../../apps/core/settings/instances.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import type { Host } from "../../apps/core/fleet/host.ts";
import { realTime } from "../../apps/lib/time.ts";
import { createTwinEngines } from "../../apps/twins/engines.ts";
import { createTwinPressure } from "../../apps/twins/pressure.ts";
import { createTwinProbe } from "../../apps/twins/probe.ts";
import { startEngineHost, type EngineHost } from "../bed/engine-host.ts";
import { createDatabase, startServices, type Services } from "../bed/services.ts";

/** Races on a real engine, which takes a quarter of a second of the processor for each, and on one in memory. */
const RACES = { real: 120, twin: 380 };
/** As many as the engine serves without one waiting for the other's time-out. */
const AT_ONCE = 6;

/** Where hand-outs of some races go: an engine, and what asks whether instances on it answer. */
type Ground = Pick<CreatePorts, "engines" | "probe"> & { url: string; address: string };

/**
 * Hand-outs against the end of their host, begun at any moment of them, in a real database. Each race has a host of its
 * own; those on a real engine share it, and so do those on one in memory, which is at its end at once.
 */
describe("a hand-out that races the destruction of its host", () => {
  let services: Services;
  let engine: EngineHost;
  let store: Store;
  let admin: Connection;
  let ports: Omit<CreatePorts, "fleet" | "engines" | "probe">;
  let term: number;
  const undo: (() => Promise<unknown>)[] = [];
  before(async () => {
    services = await startServices();
    undo.push(services.stop);
    const url = await createDatabase(services.mysqlUrl);
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
      ...realTime,
      random: { id: () => hex(8), password: () => hex(16), token: () => hex(16), nonce: () => randomBytes(12) },
      onHostFailure: () => undefined,
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
      openHosts: function* () {
        if (!tried) yield host;
        return undefined;
      },
      isBlind: () => false,
      room: () => ({ hosts: 1, capacity: 1, occupied: 0 }),
      countTaken: () => true,
      countFull: () => (tried = true),
      backOff: () => (tried = true),
      countSuccess: () => undefined,
    };
  };

  /** Runs races side by side and resolves with how many ended either way. */
  async function race(numbers: readonly number[], { engines, probe, url, address }: Ground) {
    let created = 0;
    let destroyed = 0;
    const ground = { ...ports, engines, probe };
    const one = async (number: number): Promise<void> => {
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
          engineUrl: url,
          publicHost: address,
          checkHost: address,
          bindAddress: "0.0.0.0",
          capacity: 1,
          basePort: 20_000 + number,
        },
        now,
      );
      const host: Host = {
        name,
        engineUrl: url,
        deployment: await store.hosts.readDeployment(),
        publicHost: address,
        checkHost: address,
        bindAddress: "0.0.0.0",
        capacity: 1,
        basePort: 20_000 + number,
        state: "active",
      };
      const handingOut = createInstance(
        { ...ground, fleet: believing(host) },
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
      await probe(address, result.handout.port, result.handout.password, AbortSignal.timeout(5_000));
      const place = { instanceId: result.handout.id, state: "running" as const, host };
      assert.deepEqual(await endInstance(ground, place, "owner"), { kind: "ended" });
    };
    await pMap(numbers, one, { concurrency: AT_ONCE });
    return { created, destroyed };
  }

  it(`leaves no lease on a destroyed host, in ${RACES.real} races on a real engine`, async () => {
    const docker = { engines: createDockerEngines(15_000), probe: waitForPong };
    const numbers = Array.from({ length: RACES.real }, (_, number) => number);
    const { created, destroyed } = await race(numbers, { ...docker, url: engine.url, address: engine.address });
    assert.ok(created > 10 && destroyed > 10, `${created} hand-outs, ${destroyed} destructions: both sides win`);
    assert.deepEqual(await engine.docker.listContainers({ all: true }), [], "nothing is left on the engine");
  });

  it(`leaves no lease on a destroyed host, in ${RACES.twin} races that only the database decides`, async () => {
    const engines = createTwinEngines({ image: engine.image });
    const twin = engines.add("tcp://twin", "192.0.2.1");
    const probe = createTwinProbe(() => [twin]);
    const numbers = Array.from({ length: RACES.twin }, (_, number) => RACES.real + number);
    const { created, destroyed } = await race(numbers, { engines, probe, url: "tcp://twin", address: twin.address });
    assert.ok(created > 50 && destroyed > 50, `${created} hand-outs, ${destroyed} destructions: both sides win`);
    assert.deepEqual([...twin.containers.keys()], [], "nothing is left on the engine");
  });
});
