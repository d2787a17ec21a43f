import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEdgeRoutes } from "../../../apps/core/edge/edge-routes.ts";
import { createInstance, type CreatePorts } from "../../../apps/core/instances/create-instance.ts";
import { endInstance } from "../../../apps/core/instances/end-instance.ts";
import { reap, type ReapPorts } from "../../../apps/core/instances/reap.ts";
import { handoutRules } from "../../../apps/core/settings/instances.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { keepWarmRules } from "../../../apps/core/settings/warm-pool.ts";
import { keepWarm, type KeepWarmPorts } from "../../../apps/core/warm-pool/keep-warm.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinGateways, gateway } from "../../../apps/twins/gateways.ts";
import { createCallFaults } from "../../../apps/twins/turns.ts";
import { createTwinService, TWIN_IMAGE } from "../../bed/twin-service.ts";

const ROUND = { concurrency: 4, hostBudgetMs: 20_000 };
const HOUR_MS = 3_600_000;
const EDGE = { EDGE_DOMAIN: "redis.example.org" };

/** A service behind an edge, with gateways that carry what the store has unless they are told otherwise. */
async function open({ ready = 0, env = {} }: { readonly ready?: number; readonly env?: Record<string, string> } = {}) {
  const service = createTwinService();
  const { time, store, clock } = service;
  await service.addHost("a", { capacity: 1 + ready });
  service.discovery.beat("a", {}, HOUR_MS);
  const settings = loadSettings(
    {
      INSTANCE_IMAGE: TWIN_IMAGE,
      SERVER_SECRET: "sixteen characters",
      NEWCOMER_PERCENT: "0",
      PROOF_OF_WORK_MAX_BITS: "0",
      WARM_POOL_MIN: String(ready),
      WARM_POOL_MAX: String(ready),
      ...EDGE,
      ...env,
    },
    ["INSTANCE_IMAGE", "SERVER_SECRET"],
  );
  const faults = createCallFaults();
  const gateways = createTwinGateways({ clock, faults });
  const told: string[] = [];
  const routeFaults: string[] = [];
  const deaf = new Set<string>();
  const live = async (name: string) => {
    await gateways.membership.join(gateway(name), HOUR_MS);
    gateways.news.onNudge((ids) => {
      told.push(...ids);
      if (deaf.has(name)) return;
      void store.routes.read(undefined, ids).then(async ({ routes }) => {
        const carried = ids.map((id) => {
          const route = routes.find((each) => each.id === id);
          return { id, target: route ? `${route.address} ${route.port}` : null };
        });
        await gateways.news.acknowledge(name, carried);
      });
    });
  };
  const edge = createEdgeRoutes(
    {
      ...time,
      gateways: gateways.membership,
      news: gateways.news,
      onFault: (_id, fault) => routeFaults.push(fault.message),
    },
    settings.edge,
  );
  let made = 0;
  const ports: CreatePorts & KeepWarmPorts & ReapPorts = {
    ...service,
    ...time,
    edge,
    random: {
      id: () => `id${String(++made).padStart(14, "0")}`,
      password: () => `password${made}`,
      token: () => `token${made}`,
      nonce: () => Buffer.alloc(12, made),
      seed: () => Buffer.alloc(32, made),
    },
    onHostFailure: () => undefined,
    onWarmFailure: () => undefined,
    onStandbyTaken: () => undefined,
    rules: handoutRules(settings),
  };
  const keep = keepWarm({ ...ports, fleet: service.openCache() }, keepWarmRules(settings));
  await service.fleet.refresh(clock());
  let callers = 0;
  const create = () =>
    time.run(
      createInstance(ports, {
        address: `198.51.100.${++callers}`,
        ttlSeconds: undefined,
        idempotencyKey: undefined,
        signal: new AbortController().signal,
      }),
    );
  const end = async (id: string) => {
    const place = (await store.leases.findContainer(id)) ?? assert.fail();
    return time.run(endInstance(ports, place, "owner"));
  };
  const occupied = async () => (await store.hosts.list())[0]?.occupied;
  return { ...service, ports, faults, gateways, edge, live, deaf, told, routeFaults, keep, create, end, occupied };
}

describe("an instance behind an edge", () => {
  it("is told with the edge's address, and a password that names it", async () => {
    const { create, live } = await open();
    await live("gw-1");
    const result = await create();
    assert.ok(result.kind === "created");
    const { id, host, port, password, url } = result.handout;
    assert.deepEqual([host, port], [`${id}.redis.example.org`, 6379]);
    assert.ok(password.startsWith(id) && password.length > id.length);
    assert.equal(url, `rediss://default:${password}@${host}:${port}`);
  });

  it("is handed out only when every gateway that lives carries it", async () => {
    const { create, live, deaf, time, clock, states } = await open();
    await live("gw-1");
    await live("gw-2");
    deaf.add("gw-2");
    void time.delay(2_000).then(() => deaf.delete("gw-2"));
    const begun = clock().getTime();
    const result = await create();
    assert.equal(result.kind, "created");
    assert.ok(clock().getTime() - begun >= 2_000, "it waited for the second one");
    assert.deepEqual(Object.values(states()), ["running"]);
  });

  it("is undone without a trace when a gateway that lives does not take it on, and its host is not to blame", async () => {
    const { create, live, deaf, states, containersOf, occupied, fleet, clock, routeFaults } = await open();
    await live("gw-1");
    deaf.add("gw-1");
    assert.deepEqual(await create(), { kind: "no-capacity", reason: "not-carried" });
    assert.deepEqual(containersOf("a"), []);
    // The gateway has not said that it is gone, either: the slot waits for that.
    assert.equal(await occupied(), 1);
    assert.deepEqual(Object.values(states()), ["ending, failed"]);
    assert.match(routeFaults[0] ?? "", /not all gateways have taken on the instance within 5000 ms/);
    assert.deepEqual(
      fleet.standings(clock()).map(({ standing }) => standing),
      ["full"],
    );
  });

  it("is not even begun while no gateway lives", async () => {
    const { create, edge, live, told, states } = await open();
    await edge.refresh();
    assert.deepEqual(await create(), { kind: "no-capacity", reason: "no-gateway" });
    assert.deepEqual([told, states()], [[], {}]);
    await live("gw-1");
    await edge.refresh();
    assert.equal((await create()).kind, "created");
  });

  it("is undone when the last gateway dies meanwhile", async () => {
    const { create, containersOf } = await open();
    assert.deepEqual(await create(), { kind: "no-capacity", reason: "not-carried" });
    assert.deepEqual(containersOf("a"), []);
  });

  it("is refused while it is unknown which gateways live, and leaves nothing", async () => {
    const { create, live, faults, containersOf } = await open();
    await live("gw-1");
    faults.add({ call: "gateways.list", fault: () => new Unavailable("redis", new Error("gone")) });
    await assert.rejects(create(), { name: "Unavailable" });
    assert.deepEqual(containersOf("a"), []);
  });

  it("is carried before it counts as ready, so that a hand-out of a warm one waits for no gateway", async () => {
    const { live, deaf, keep, time, ports, store } = await open({ ready: 1 });
    const ready = async () => (await store.warmPool.list()).filter(({ state }) => state === "warm").length;
    await live("gw-1");
    deaf.add("gw-1");
    const failed = await time.run(keep());
    assert.deepEqual([failed.started, failed.failures.length, await ready()], [0, 1, 0]);
    deaf.delete("gw-1");
    // The slot of the first try is free now, and its host is not to blame.
    await time.run(reap(ports, ROUND));
    assert.deepEqual([(await time.run(keep())).started, await ready()], [1, 1]);
  });

  it("is warm with a password that names it", async () => {
    const { create, live, keep, time, told, fleet, clock } = await open({ ready: 1 });
    await live("gw-1");
    assert.equal((await time.run(keep())).started, 1);
    await fleet.refresh(clock());
    told.length = 0;
    const result = await create();
    assert.ok(result.kind === "created" && result.wasWarm);
    assert.ok(result.handout.password.startsWith(result.handout.id));
    assert.deepEqual(told, [], "nobody is asked");
  });

  it("is not handed out warm when it was warmed without an edge: its password names nobody", () => {
    const rulesOf = (env: Record<string, string>) =>
      keepWarmRules(
        loadSettings({ INSTANCE_IMAGE: TWIN_IMAGE, SERVER_SECRET: "sixteen characters", ...env }, [
          "INSTANCE_IMAGE",
          "SERVER_SECRET",
        ]),
      ).recipe;
    assert.notDeepEqual(rulesOf({}), rulesOf(EDGE));
    assert.deepEqual(rulesOf(EDGE), rulesOf({ EDGE_DOMAIN: "other.example.org" }));
  });

  it("keeps its slot when it has ended until no gateway leads there, and then gives it away", async () => {
    const { create, end, live, deaf, occupied, ports, time, states } = await open();
    await live("gw-1");
    const first = await create();
    assert.ok(first.kind === "created");
    deaf.add("gw-1");
    assert.deepEqual(await end(first.handout.id), { kind: "ended" });
    assert.equal(await occupied(), 1);
    assert.equal(states()[first.handout.id], "ending, owner");
    assert.equal((await create()).kind, "no-capacity");
    await time.run(reap(ports, ROUND));
    assert.equal(await occupied(), 1, "the reaper asks again, and waits as well");
    deaf.delete("gw-1");
    await time.run(reap(ports, ROUND));
    assert.equal(states()[first.handout.id], "ended, owner");
    await ports.fleet.refresh(ports.clock());
    const next = await create();
    assert.ok(next.kind === "created");
  });

  it("keeps its slot while it is unknown which gateways live, and gives it away when none does", async () => {
    const { create, end, live, faults, gateways, occupied, ports, time } = await open();
    await live("gw-1");
    const first = await create();
    assert.ok(first.kind === "created");
    faults.add({ call: "gateways.list", fault: () => new Unavailable("redis", new Error("gone")) });
    await end(first.handout.id);
    assert.equal(await occupied(), 1);
    faults.clear();
    await gateways.membership.withdraw("gw-1");
    await time.run(reap(ports, ROUND));
    assert.equal(await occupied(), 0);
  });
});
