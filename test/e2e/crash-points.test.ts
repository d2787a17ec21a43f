import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { createInstance, type CreatePorts } from "../../apps/core/instances/create-instance.ts";
import type { CreateRequest } from "../../apps/core/instances/handout.ts";
import { createFleetCache } from "../../apps/core/fleet/fleet-cache.ts";
import { reap } from "../../apps/core/instances/reap.ts";
import { reconcile } from "../../apps/core/instances/reconcile.ts";
import { createDockerEngines } from "../../apps/adapters/docker/engines.ts";
import { createRedisDiscovery, openRedis } from "../../apps/adapters/redis/discovery.ts";
import { checkLogin, waitForPong } from "../../apps/adapters/redis/probe.ts";
import { handoutRules } from "../../apps/core/settings/instances.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { keepWarmRules } from "../../apps/core/settings/warm-pool.ts";
import { WATCH_USERNAME, watchPassword } from "../../apps/core/services/watch-user.ts";
import { keepWarm, type KeepWarmPorts } from "../../apps/core/warm-pool/keep-warm.ts";
import { hashSecret } from "../../apps/lib/secrets.ts";
import { realTime } from "../../apps/lib/time.ts";
import { crashAt, moments } from "../bed/crash.ts";
import { startService, type Service } from "../bed/service.ts";
import { takeInventory } from "../bed/tidiness.ts";
import { createTwinPressure } from "../../apps/twins/pressure.ts";
import { until } from "../bed/until.ts";

type Ports = CreatePorts & KeepWarmPorts & Parameters<typeof reap>[0] & Parameters<typeof reconcile>[0];
type Action = (ports: Ports) => Promise<unknown>;

/** More calls than any action here makes. */
const MOST_CALLS = 40;
const ROUND = { concurrency: 4, hostBudgetMs: 60_000 };

describe("a process killed at any call to MySQL or an engine", () => {
  let service: Service;
  let ports: Ports;
  let refreshFleet: () => Promise<void>;
  /** Keeps one instance ready. */
  let warmOne: () => Promise<unknown>;
  /** Ends all that are ready, as a pool does that has been switched off. */
  let emptyPool: () => Promise<unknown>;
  /** How far the clock of the actions is ahead; it never goes back. */
  let aheadMs = 0;
  const undo: (() => void)[] = [];

  before(async () => {
    service = await startService({ jobs: false, capacity: 30 });
    const redis = openRedis(service.services.redisUrl, () => undefined);
    undo.push(() => redis.disconnect());
    const clock = () => new Date(Date.now() + aheadMs);
    const { listChanged } = service.store.hosts;
    const { readHeartbeats } = createRedisDiscovery(redis);
    const fleet = createFleetCache(
      { listChanged, readHeartbeats },
      { livenessMaxAgeMs: Number.MAX_SAFE_INTEGER, backoffMs: 1, rereadMs: 60_000, placement: "busiest-first" },
    );
    refreshFleet = () => fleet.refresh(clock());
    await until("the fleet is seen", () => refreshFleet().then(() => true));
    const settingsWith = (most: number) =>
      loadSettings(
        {
          ...service.env,
          HANDOUT_TIMEOUT_SECONDS: "30",
          WARM_POOL_MIN: String(most),
          WARM_POOL_MAX: String(most),
        },
        ["INSTANCE_IMAGE", "SERVER_SECRET"],
      );
    const settings = settingsWith(1);
    const hex = (bytes: number) => randomBytes(bytes).toString("hex");
    ports = {
      store: service.store,
      engines: createDockerEngines(15_000),
      fleet,
      pressure: createTwinPressure(),
      probe: waitForPong,
      checkLogin,
      ...realTime,
      clock,
      random: {
        id: () => hex(8),
        password: () => hex(16),
        token: () => hex(16),
        nonce: () => randomBytes(12),
        seed: () => randomBytes(32),
      },
      readHeartbeats,
      onHostFailure: () => undefined,
      onWarmFailure: () => undefined,
      onStandbyTaken: () => undefined,
      rules: handoutRules(settings),
    };
    warmOne = keepWarm(ports, keepWarmRules(settings));
    emptyPool = keepWarm(ports, keepWarmRules(settingsWith(0)));
  });
  after(async () => {
    for (const step of undo) step();
    await service.stop();
  });

  /** A caller of its own each time, so that no quota is in the way. */
  const request = (): CreateRequest => ({
    address: `198.51.100.${randomBytes(1)[0] ?? 0}`,
    ttlSeconds: 60,
    idempotencyKey: randomBytes(16).toString("hex"),
    signal: new AbortController().signal,
  });

  /** What the next run of the jobs makes of it. */
  const nextRun = async () => {
    await emptyPool();
    await reconcile(ports, ROUND);
    await reap(ports, ROUND);
    return takeInventory(service);
  };

  /** Kills the action at each of its calls in turn; `check` looks at what the next run makes of it. */
  async function killEverywhere(
    prepare: () => Promise<void>,
    action: Action,
    check: (inventory: Awaited<ReturnType<typeof takeInventory>>) => void,
    leastPoints = 10,
  ): Promise<void> {
    let points = 0;
    for (const moment of moments) {
      for (let call = 1; ; call++) {
        assert.ok(call < MOST_CALLS, "the action comes to an end");
        await refreshFleet();
        await prepare();
        const { crashing, crashed } = crashingAt(ports, call, moment);
        const survived = await Promise.race([action(crashing).then(() => true), crashed.then(() => false)]);
        // The deadline of a cut-off hand-out is over, a lease that it gave is not.
        aheadMs += 31_000;
        check(await nextRun());
        aheadMs += 90_000;
        const rest = await nextRun();
        assert.deepEqual([rest.running, rest.slotsTaken], [0, 0], `${moment} call ${call}: nothing outlives its lease`);
        if (survived) break;
        points++;
      }
    }
    assert.ok(points >= leastPoints, `${points} crash points were tried`);
  }

  it("keeps a warm instance to itself until it is handed out, and to its holder from then on", async () => {
    const [host] = service.hosts;
    assert.ok(host);
    await refreshFleet();
    await warmOne();
    const [warm] = await service.store.warmPool.list();
    assert.ok(warm?.state === "warm");
    const id = warm.instanceId;
    const container = host.docker.getContainer(`redis-${id}`);
    const seen = [JSON.stringify(await container.inspect())];
    const place = (await service.store.leases.findAddress(id)) ?? assert.fail("it has an address");
    const as = (username?: string, password?: string) => {
      const login = username === undefined ? {} : { username, password: password ?? "" };
      const redis = new Redis({
        ...place,
        ...login,
        lazyConnect: true,
        enableReadyCheck: false,
        protocol: 2,
        retryStrategy: () => null,
      });
      redis.on("error", () => undefined);
      return redis;
    };
    const refused = async (redis: Redis, why: RegExp, command: string, ...given: string[]) => {
      await assert.rejects(redis.call(command, ...given), why);
      redis.disconnect();
    };
    await refused(as(), /NOAUTH/, "PING");
    for (const word of ["", "password", id, service.env["SERVER_SECRET"] ?? ""])
      await refused(as(), /WRONGPASS/, "AUTH", "default", word);
    const watch = () => as(WATCH_USERNAME, watchPassword(service.env["SERVER_SECRET"] ?? "", id));
    for (const [command = "", ...given] of [
      ["GET", "key"],
      ["KEYS", "*"],
      ["CONFIG", "GET", "*"],
      ["ACL", "LIST"],
    ])
      await refused(watch(), /NOPERM/, command, ...given);

    await refreshFleet();
    const result = await createInstance(ports, request());
    assert.ok(result.kind === "created" && result.wasWarm && result.handout.id === id);
    const { password, token } = result.handout;
    const mysql = await createConnection({ uri: service.env["MYSQL_URL"] ?? "" });
    const [[row]] = await mysql.query<RowDataPacket[]>("SELECT * FROM instances WHERE id = ?", [id]);
    await mysql.end();
    assert.ok(row);
    assert.equal(row["password_nonce"], null, "nobody can derive the password again");
    seen.push(JSON.stringify(Object.values(row).map(String)), JSON.stringify(await container.inspect()), service.log());
    for (const text of seen) assert.ok(!text.includes(password) && !text.includes(token));

    // Its server crashes, and is started again with the same arguments.
    const before = await container.inspect();
    await host.exec("sh", "-c", `kill -9 ${before.State.Pid}`);
    await until("it runs again", async () => {
      const { State } = await container.inspect();
      return State.Running && State.Pid !== before.State.Pid;
    });
    await waitForPong(place.host, place.port, password, AbortSignal.timeout(10_000));
    await refused(as(), /NOAUTH/, "PING");
    aheadMs += 120_000;
    assert.equal((await nextRun()).containers, 0);
  });

  it("in a hand-out leaves a lease that runs, or nothing", async () => {
    await killEverywhere(
      () => Promise.resolve(),
      async (crashing) => {
        const result = await createInstance(crashing, request());
        assert.equal(result.kind, "created");
      },
      () => undefined,
    );
  });

  it("in a hand-out of a warm instance leaves a lease that runs, or nothing", async () => {
    await killEverywhere(
      async () => {
        await warmOne();
        await refreshFleet();
      },
      async (crashing) => {
        const result = await createInstance(crashing, request());
        assert.ok(result.kind === "created" && result.wasWarm);
      },
      () => undefined,
      6,
    );
  });

  it("in undoing a hand-out leaves nothing", async () => {
    const silent: Action = async (crashing) => {
      const result = await createInstance(
        {
          ...crashing,
          probe: () => Promise.reject(new Error("no PONG")),
          fleet: untilFailure(crashing.fleet),
        },
        request(),
      );
      assert.equal(result.kind, "no-capacity");
    };
    await killEverywhere(
      () => Promise.resolve(),
      silent,
      (inventory) => assert.equal(inventory.running, 0),
    );
  });

  it("in a run of the reaper ends everything in the next run", async () => {
    await killEverywhere(
      async () => {
        for (const { kind } of await Promise.all([createInstance(ports, request()), createInstance(ports, request())]))
          assert.equal(kind, "created");
        aheadMs += 70_000;
      },
      (crashing) => reap(crashing, ROUND),
      (inventory) => assert.deepEqual([inventory.running, inventory.ending, inventory.containers], [0, 0, 0]),
    );
  });

  it("in a run of reconcile repairs everything in the next run", async () => {
    const [host] = service.hosts;
    assert.ok(host);
    await killEverywhere(
      async () => {
        // One lease has lost its container, one container has no row.
        const lost = await createInstance(ports, request());
        assert.ok(lost.kind === "created");
        await host.docker.getContainer(`redis-${lost.handout.id}`).remove({ force: true });
        const [place] = await service.store.hosts.list();
        assert.ok(place);
        const orphan = {
          id: randomBytes(8).toString("hex"),
          deployment: place.host.deployment,
          bindAddress: "0.0.0.0",
          port: 30_000,
          passwordHash: hashSecret("x"),
          watchHash: hashSecret("y"),
          notAfter: new Date(Date.now() + 3_600_000),
        };
        await ports.engines.startContainer(
          place.host,
          ports.rules.service.containerOf(orphan),
          new AbortController().signal,
        );
      },
      (crashing) => reconcile(crashing, ROUND),
      (inventory) => assert.deepEqual([inventory.running, inventory.ending, inventory.containers], [0, 0, 0]),
    );
  });
});

/** The same ports for a process that dies at its `call`-th call. */
function crashingAt(
  ports: Ports,
  call: number,
  moment: (typeof moments)[number],
): { crashing: Ports; crashed: Promise<true> } {
  const { crashing, each, crashed } = crashAt(call, moment);
  return {
    crashing: {
      ...ports,
      store: each(ports.store),
      engines: each(ports.engines),
      probe: crashing(ports.probe),
    },
    crashed,
  };
}

/** Hosts until one has failed: a failure is not tried again elsewhere. */
function untilFailure(fleet: Ports["fleet"]): Ports["fleet"] {
  let hasFailed = false;
  return {
    ...fleet,
    backOff: (hostName, now) => {
      hasFailed = true;
      fleet.backOff(hostName, now);
    },
    nextHost: (now) => (hasFailed ? undefined : fleet.nextHost(now)),
  };
}
