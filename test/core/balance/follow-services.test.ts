import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { addressAt } from "../../../apps/core/balance/address.ts";
import type { DeclaredService } from "../../../apps/core/balance/desired.ts";
import { followServices, type ServiceFollower } from "../../../apps/core/balance/follow-services.ts";
import { POOL_KEY } from "../../../apps/core/balance/pool.ts";
import { plainMember, type Balanced } from "../../../apps/core/balance/service.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinBalance } from "../../../apps/twins/balance.ts";
import { createTwinStore } from "../../../apps/twins/store/index.ts";
import { createCallFaults } from "../../../apps/twins/turns.ts";

const HOLD_MS = 30_000;
const LIFE_MS = 20_000;
const pooled: Omit<DeclaredService, "members"> = {
  name: "pool",
  port: 7000,
  protocol: "tcp",
  names: [],
  policy: "round-robin",
  probe: { kind: "tcp" },
  poolKey: POOL_KEY,
};
const withoutPool = () => {
  const { poolKey, ...service } = pooled;
  assert.equal(poolKey, POOL_KEY);
  return service;
};
const announcing = (address: string, ...domains: readonly string[]) =>
  JSON.stringify({
    address,
    applications: [
      { name: domains[0]?.split(".")[0], "listen-port": "443", "application-port": "80", protocol: "http", domains },
    ],
  });

describe("a gateway that follows services", () => {
  let now: Date;
  let faults: ReturnType<typeof createCallFaults>;
  let store: ReturnType<typeof createTwinStore>;
  let redis: ReturnType<typeof createTwinBalance>;
  let follower: ServiceFollower;

  beforeEach(() => {
    now = new Date("2026-01-01T00:00:00Z");
    faults = createCallFaults();
    store = createTwinStore(undefined, { faults });
    redis = createTwinBalance({ clock: () => now, faults });
    follower = another();
  });

  /** A gateway of its own, on the same MySQL and Redis. */
  function another(): ServiceFollower {
    return followServices(
      { store, ...redis, clock: () => now, nowMs: () => now.getTime() },
      {
        own: () => ({ ips: ["10.0.0.254"], ports: [7000, 443] }),
        reservedPorts: [6379],
        mostMembers: 10,
        announcements: { networks: ["10.0.0.0/8"], listenPorts: [443], reservedDomains: ["redis.example.org"] },
        holdMs: HOLD_MS,
      },
    );
  }

  const after = (ms: number) => (now = new Date(now.getTime() + ms));
  const shown = (services: readonly Balanced[]) =>
    Object.fromEntries(services.map(({ name, members }) => [name, members.map(({ address }) => address.text)]));
  const seen = async (by = follower) => shown((await by.look()).services);
  const reasons = async () => (await store.events.list({}, 100)).map(({ reason }) => reason).reverse();
  const lose = (system: "mysql" | "redis", prefix: string) => {
    for (const call of { mysql: ["services.list", "announcers.list"], redis: ["pools.read", "board.read"] }[system])
      faults.add({ call, fault: () => new Unavailable(system, new Error(prefix)) });
  };
  const allow = (name: string, applications: readonly string[] | null = null) =>
    store.announcers.add({ name, applications, nonce: Buffer.alloc(32), createdAt: now, createdBy: "admin" });

  it("carries no service where it carries instances, whoever has let it be declared, and tells it once", async () => {
    await store.services.add({ ...pooled, name: "thief", port: 6379, poolKey: null }, now);
    for (let times = 0; times < 2; times++) assert.deepEqual(await seen(), {});
    assert.deepEqual(await reasons(), ["service thief is not carried: gateways carry instances at port 6379"]);
  });

  it("has the members of a pool in Redis, as messages change it", async () => {
    await store.services.add(pooled, now);
    redis.setPool(POOL_KEY, '["10.0.0.1:6000"]');
    assert.deepEqual(await seen(), { pool: ["10.0.0.1:6000"] });
    await follower.hear(POOL_KEY, { kind: "add", entry: "10.0.0.2:6000" });
    await follower.hear(POOL_KEY, { kind: "add", entry: "10.0.0.2:6000" });
    await follower.hear(POOL_KEY, { kind: "remove", entry: "10.0.0.1:6000" });
    await follower.hear(POOL_KEY, { kind: "add", entry: "10.0.0.254:7000" });
    await follower.hear("serverPool:nobody", { kind: "add", entry: "10.0.0.9:1" });
    assert.deepEqual(await seen(), { pool: ["10.0.0.2:6000"] });
    assert.deepEqual(
      (await store.events.list({}, 10)).map(({ kind }) => kind),
      ["pool-refused", "pool-changed", "pool-changed"],
    );
  });

  it("keeps the members known last while the pool's key is gone, no pool, or not to be read, and tells it once", async () => {
    await store.services.add(pooled, now);
    redis.setPool(POOL_KEY, '["10.0.0.1:6000","rubbish"]');
    const pool = { pool: ["10.0.0.1:6000"] };
    assert.deepEqual(await seen(), pool);
    for (const text of [undefined, "{", '"10.0.0.9:1"']) {
      redis.setPool(POOL_KEY, text);
      assert.deepEqual(await seen(), pool);
      assert.deepEqual(await seen(), pool);
    }
    lose("redis", "gone");
    assert.deepEqual(await seen(), pool);
    faults.clear();
    redis.setPool(POOL_KEY, "[]");
    assert.deepEqual(await seen(), { pool: [] });
    const told = await reasons();
    // The bad entry is there again with the key.
    assert.equal(told.length, 5, told.join("\n"));
    assert.match(told[0] ?? "", /"rubbish" is no address of a member/);
    assert.match(told[1] ?? "", /had lost the key serverPool: the members known last are there again/);
  });

  it("does not let a message be all that is left of a pool whose key was lost", async () => {
    await store.services.add(pooled, now);
    redis.setPool(POOL_KEY, '["10.0.0.1:6000"]');
    await seen();
    redis.restart();
    await follower.hear(POOL_KEY, { kind: "add", entry: "10.0.0.2:6000" });
    assert.deepEqual(await seen(), { pool: ["10.0.0.1:6000", "10.0.0.2:6000"] });
  });

  it("writes a pool again that Redis has lost, for those who never knew it", async () => {
    await store.services.add(pooled, now);
    redis.setPool(POOL_KEY, '["10.0.0.1:6000"]');
    await seen();
    redis.restart();
    const fresh = another();
    assert.deepEqual(await fresh.look(), { services: [{ ...withoutPool(), members: [] }], isWhole: false });
    await seen();
    assert.equal(await redis.pools.read(POOL_KEY), '["10.0.0.1:6000"]');
    assert.deepEqual(await seen(fresh), { pool: ["10.0.0.1:6000"] });
    assert.equal((await fresh.look()).isWhole, true);
  });

  it("takes a pool without a key for an empty one when nobody has written it for a while", async () => {
    await store.services.add(pooled, now);
    assert.equal((await follower.look()).isWhole, false);
    after(HOLD_MS);
    assert.deepEqual(await follower.look(), { services: [{ ...withoutPool(), members: [] }], isWhole: true });
  });

  it("keeps everything while MySQL or Redis does not answer", async () => {
    await store.services.add(pooled, now);
    await store.services.add({ ...pooled, name: "own", port: 7001, poolKey: null }, now);
    await store.services.putMember("own", plainMember(addressAt("10.0.0.3", 1)), 10);
    await allow("web-1");
    redis.setPool(POOL_KEY, '["10.0.0.1:6000"]');
    redis.announce("web-1", announcing("10.0.0.5", "shop.example.org"), LIFE_MS);
    const all = { own: ["10.0.0.3:1"], pool: ["10.0.0.1:6000"], "shop:443:shop.example.org": ["10.0.0.5:80"] };
    assert.deepEqual(await seen(), all);
    lose("mysql", "gone");
    lose("redis", "gone");
    after(10 * LIFE_MS);
    assert.deepEqual(await seen(), all);
  });

  it("says that it does not know everything until it has read all of it once", async () => {
    lose("mysql", "gone");
    assert.deepEqual(await follower.look(), { services: [], isWhole: false });
    faults.clear();
    lose("redis", "gone");
    await store.services.add(pooled, now);
    redis.setPool(POOL_KEY, "[]");
    assert.equal((await follower.look()).isWhole, false);
    faults.clear();
    assert.equal((await follower.look()).isWhole, true);
    lose("mysql", "gone");
    lose("redis", "gone");
    assert.equal((await follower.look()).isWhole, true);
  });

  it("leaves out a declared member that is itself", async () => {
    await store.services.add({ ...pooled, poolKey: null }, now);
    await store.services.putMember("pool", plainMember(addressAt("10.0.0.254", 443)), 10);
    await store.services.putMember("pool", plainMember(addressAt("10.0.0.1", 443)), 10);
    assert.deepEqual(await seen(), { pool: ["10.0.0.1:443"] });
    assert.match((await reasons()).join(), /service pool: .*own address/);
  });

  it("follows announcements of those who may announce, for as long as they last", async () => {
    await allow("web-1");
    await allow("bound", ["blog"]);
    redis.announce("web-1", announcing("10.0.0.5", "shop.example.org"), LIFE_MS);
    redis.announce("bound", announcing("10.0.0.6", "wiki.example.org"), LIFE_MS);
    redis.announce("stranger", announcing("10.0.0.7", "evil.example.org"), LIFE_MS);
    assert.deepEqual(await seen(), { "shop:443:shop.example.org": ["10.0.0.5:80"] });
    assert.deepEqual(await reasons(), ["host bound, application wiki: host bound may not announce it"]);
    after(LIFE_MS);
    assert.deepEqual(await seen(), {});
    redis.announce("web-1", announcing("10.0.0.5", "shop.example.org"), LIFE_MS);
    assert.equal(Object.keys(await seen()).length, 1);
    redis.leave("web-1");
    assert.deepEqual(await seen(), {}, "it has left by itself");
    redis.announce("web-1", announcing("10.0.0.5", "shop.example.org"), LIFE_MS);
    await seen();
    await store.announcers.remove("web-1");
    assert.deepEqual(await seen(), {}, "it may not announce any more");
  });

  it("agrees with every other gateway on who owns a domain, whoever looks first", async () => {
    for (const name of ["a", "b"]) await allow(name);
    const other = another();
    redis.announce("b", announcing("10.0.0.2", "shop.example.org"), LIFE_MS);
    await seen();
    redis.announce("a", announcing("10.0.0.1", "blog.example.org", "shop.example.org"), LIFE_MS);
    const expected = { "blog:443:blog.example.org": ["10.0.0.1:80"], "shop:443:shop.example.org": ["10.0.0.2:80"] };
    assert.deepEqual(await seen(other), expected, "it has never seen b alone");
    assert.deepEqual(await seen(), expected);
    assert.match(
      (await reasons())[0] ?? "",
      /^shop\.example\.org belongs to shop, which announced it first: application blog of a cannot have it$/,
    );
    redis.leave("b");
    const taken = { "blog:443:blog.example.org": ["10.0.0.1:80"], "blog:443:shop.example.org": ["10.0.0.1:80"] };
    assert.deepEqual(await seen(), taken);
    redis.announce("b", announcing("10.0.0.2", "shop.example.org"), LIFE_MS);
    assert.deepEqual(await seen(other), taken, "it is the owner now");
  });

  it("keeps what hosts announced while Redis has begun anew and they come back by and by, with what they own", async () => {
    for (const name of ["a", "b"]) await allow(name);
    redis.announce("b", announcing("10.0.0.2", "shop.example.org"), LIFE_MS);
    await seen();
    redis.restart();
    const shop = { "shop:443:shop.example.org": ["10.0.0.2:80"] };
    assert.deepEqual(await seen(), shop);
    redis.announce("a", announcing("10.0.0.1", "blog.example.org", "shop.example.org"), 10 * HOLD_MS);
    const both = { "blog:443:blog.example.org": ["10.0.0.1:80"], ...shop };
    assert.deepEqual(await seen(), both);
    redis.leave("a");
    assert.deepEqual(await seen(), shop, "one that has come back and leaves has left");
    redis.announce("a", announcing("10.0.0.1", "blog.example.org", "shop.example.org"), 10 * HOLD_MS);
    after(HOLD_MS - 1);
    assert.deepEqual(await seen(), both);
    redis.announce("b", announcing("10.0.0.2", "shop.example.org"), LIFE_MS);
    after(1);
    assert.deepEqual(await seen(), both);
    after(LIFE_MS);
    assert.deepEqual(Object.keys(await seen()), ["blog:443:blog.example.org", "blog:443:shop.example.org"]);
  });
});
